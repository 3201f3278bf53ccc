"""List the batches that the graph used, with their md5, for whoever looks at a run later."""

import json
import shutil
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

from fraud import batches
from fraud.errors import Problem, run
from fraud.loop.files import REPORTS, SPLIT
from fraud.loop.retraining.scratch import PLACE
from fraud.outputs import md5_of, write_csv
from fraud.params import FILE
from fraud.yamlfile import read_yaml

PARTS = ("train", "test", "current")
MEGABYTE = 1_000_000


class Used(NamedTuple):
    """A batch, and which part of the data it is; no file where nothing new made DVC bring it."""

    part: str
    name: str
    file: Path | None

    def row(self) -> dict[str, str | int]:
        """Return what the list says of it."""
        told = {"md5": "", "bytes": "", "file": ""}
        if self.file:
            told = {"md5": md5_of(self.file), "bytes": str(self.file.stat().st_size), "file": self.file.as_posix()}
        return {"part": self.part, "batch": self.name, **told}


def used() -> list[Used]:
    """Return each batch in use, in the order of the parts."""
    split, folder = json.loads(Path(SPLIT).read_text(encoding="utf-8")), Path(read_yaml(FILE)["batches"])
    files = batches.find(folder) if folder.is_dir() else {}
    found = [Used(part, name, files.get(name)) for part in PARTS for name in split[part]["batches"]]
    if files and (gone := [one.name for one in found if not one.file]):
        raise Problem(f"{SPLIT}: names batch '{gone[0]}', which is not here; run `make repro`")
    return found


def keep(folder: Path, most: int) -> str:
    """Write the list and the reports into `folder`, and the files of the batches too where they are no more bytes."""
    found = used()
    write_csv(folder / "batches.csv", [one.row() for one in found])
    shutil.copytree(REPORTS, folder / REPORTS, dirs_exist_ok=True)
    files = {one.file for one in found if one.file}
    size = sum(file.stat().st_size for file in files)
    if size <= most:
        for file in files:
            shutil.copy(file, folder)
    return f"{len(found)} batches, {size / MEGABYTE:.1f} MB"


def main(*arguments: str) -> None:
    """Keep in TO=folder what the loop worked with last, or this working copy; MEGABYTES=n copies so much."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    folder, limit = Path(given.get("TO") or "artifact"), given.get("MEGABYTES") or "0"
    if not limit.isdecimal():
        raise Problem(f"MEGABYTES={limit}: expected a whole number, like MEGABYTES=50")
    whole = folder.resolve()
    with chdir(PLACE if PLACE.is_dir() else "."):
        said = keep(whole, int(limit) * MEGABYTE)
    print(f"{folder}/batches.csv: {said}")


if __name__ == "__main__":
    run(main)
