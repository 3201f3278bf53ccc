"""The folder of raw batches: put in place whole, recorded by DVC, and never written over when it is not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fraud.errors import Problem
from fraud.schema import Schema
from fraud.yamlfile import read_yaml


class Place(NamedTuple):
    """Where the batches of a data set are kept, and the contract that they keep."""

    folder: Path
    schema: Schema

    @property
    def pointer(self) -> Path:
        """The file in git by which DVC records the folder."""
        return self.folder.with_name(f"{self.folder.name}.dvc")

    def beside(self, word: str) -> Path:
        """Return the hidden neighbour of the folder that a run uses and clears."""
        return self.folder.with_name(f".{self.folder.name}.{word}")


def recorded_files(place: Place) -> list[Path]:
    """Return what is in the folder, once DVC has recorded all of it and it is no import."""
    _recover(place)
    stage = read_yaml(place.pointer) if place.pointer.exists() else {}
    if stage.get("deps") or stage.get("frozen"):
        raise Problem(
            f"{place.folder} is imported, as {place.pointer} says; bring its new weeks with `make data UPDATE=1`, or "
            f"let go of it with `dvc remove {place.pointer}` and move the folder away"
        )
    files = sorted(place.folder.iterdir()) if place.folder.exists() else []
    if files and not _is_recorded(place):
        raise Problem(
            f"{place.folder}: found files that DVC has not recorded; keep them with `dvc add {place.folder}`, "
            "or move them away, then run it again"
        )
    return files


def _is_recorded(place: Place) -> bool:
    written = place.pointer.exists() and place.pointer.stat().st_size > 0
    return written and json.loads(dvc("status", "--json", place.pointer)) == {}


@contextmanager
def replaced(place: Place) -> Iterator[Path]:
    """Yield an empty folder that takes the place of the old one when the block ends well and DVC has recorded it."""
    draft = place.beside("draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        _keep_old(place)
        draft.rename(place.folder)
        dvc("add", place.folder)
        if not _is_recorded(place):  # On a full disk `dvc add` may end well with half of it in the cache.
            raise Problem(f"{place.folder}: DVC could not keep all of it; free some space and run it again")
        place.beside("before").rename(draft)
    finally:
        if place.beside("before").exists():
            _undo(place)
        place.beside("pointer").unlink(missing_ok=True)
        shutil.rmtree(draft, ignore_errors=True)


def _keep_old(place: Place) -> None:
    """Set folder and pointer aside; the old folder's new name is the sign that there is something to undo."""
    pointer = place.beside("pointer")
    pointer.unlink(missing_ok=True)
    if place.pointer.exists():
        shutil.copyfile(place.pointer, pointer)
    if place.folder.exists():
        place.folder.rename(place.beside("before"))
    else:
        place.beside("before").mkdir()


def _recover(place: Place) -> None:
    """Undo what a killed run put in place and did not live to record."""
    before = place.beside("before")
    if before.exists() and place.folder.exists() and _is_recorded(place):
        shutil.rmtree(place.beside("draft"), ignore_errors=True)
        before.rename(place.beside("draft"))
    elif before.exists():
        _undo(place)


def _undo(place: Place) -> None:
    before, pointer = place.beside("before"), place.beside("pointer")
    shutil.rmtree(place.folder, ignore_errors=True)
    if pointer.exists():
        shutil.copyfile(pointer, place.pointer)  # DVC leaves it empty when the disk is full.
    else:
        place.pointer.unlink(missing_ok=True)
    if any(before.iterdir()):
        before.rename(place.folder)
    else:
        before.rmdir()


def dvc(*arguments: str | Path) -> str:
    """Return what a DVC command prints; when it fails, its last words are the problem."""
    words = [str(argument) for argument in arguments]
    done = subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")] or [done.stderr.strip()]
        raise Problem(f"`dvc {' '.join(words)}`: {said[-1].removeprefix('ERROR: ')}; mend that and run it again")
    return done.stdout
