"""Batches in their order: a batch is one file, and its name orders it."""

import re
from collections.abc import Iterable
from pathlib import Path

from fraud.errors import Problem

DELIVERED = (".csv", ".csv.gz")
INGESTED = (".parquet",)
ENDINGS = DELIVERED + INGESTED


def batch_name(path: Path) -> str | None:
    """Return the name of the batch in a file, or None when the file is no batch."""
    return next((path.name[: -len(ending)] for ending in ENDINGS if path.name.endswith(ending)), None)


def in_order(names: Iterable[str]) -> list[str]:
    """Return batch names from the oldest to the newest; numbers in them count as numbers."""
    return sorted(names, key=lambda name: [part.zfill(20) if part.isdigit() else part for part in _parts(name)])


def find(folder: str | Path, endings: tuple[str, ...] = ENDINGS) -> dict[str, Path]:
    """Return the file of each batch in `folder`, oldest first; a file with another ending is refused."""
    if not Path(folder).is_dir():
        raise Problem(f"{folder}: there is no such folder; set `batches` in params.yaml, or run `make data`")
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).iterdir()):
        if path.name.startswith((".", "_")):  # .gitignore, _SUCCESS
            continue
        name = batch_name(path)
        if name is None or path.is_dir() or not path.name.endswith(endings):
            raise Problem(f"{path}: not a batch; expected files named like 2026-W08.csv, so move it elsewhere")
        if name in found:
            raise Problem(f"{path}: batch '{name}' is there twice, as {found[name].name} too; keep one")
        found[name] = path
    if not found:
        raise Problem(f"{folder}: holds no batches; bring some with `make data`, or set `batches` in params.yaml")
    return {name: found[name] for name in in_order(found)}


def _parts(name: str) -> list[str]:
    return re.split(r"(\d+)", name)
