"""List the batches that the graph used, with their md5, for whoever looks at a run later."""

import json
import shutil
from pathlib import Path

from fraud import batches
from fraud.errors import Problem, run
from fraud.outputs import md5_of, write_csv
from fraud.params import FILE
from fraud.yamlfile import read_yaml

SPLIT = Path("reports/split.json")
PARTS = ("train", "test", "current")
MEGABYTE = 1_000_000


def used() -> list[tuple[str, str, Path]]:
    """Return part, name and file of each batch in use, in the order of their parts."""
    split, files = json.loads(SPLIT.read_text(encoding="utf-8")), batches.find(read_yaml(FILE)["batches"])
    named = [(part, name) for part in PARTS for name in split[part]["batches"]]
    for _, name in named:
        if name not in files:
            raise Problem(f"{SPLIT}: names batch '{name}', which is not here; run `make repro`")
    return [(part, name, files[name]) for part, name in named]


def main(*arguments: str) -> None:
    """Write TO=folder/batches.csv; with MEGABYTES=n copy the files too, where they are not more than that."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    folder, limit = Path(given.get("TO") or "artifact"), given.get("MEGABYTES") or "0"
    if not limit.isdecimal():
        raise Problem(f"MEGABYTES={limit}: expected a whole number, like MEGABYTES=50")
    rows = [{"part": part, "batch": name, "md5": md5_of(path), "bytes": path.stat().st_size, "file": path.as_posix()}
            for part, name, path in used()]  # fmt: skip
    write_csv(folder / "batches.csv", rows)
    size = sum(path.stat().st_size for path in {Path(str(row["file"])) for row in rows})
    if size <= int(limit) * MEGABYTE:
        for row in rows:
            shutil.copy(str(row["file"]), folder)
    print(f"{folder}/batches.csv: {len(rows)} batches, {size / MEGABYTE:.1f} MB")


if __name__ == "__main__":
    run(main)
