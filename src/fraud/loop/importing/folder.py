"""Bring weekly files from a folder, and again those that are new or changed there; what was brought stays here."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from fraud import batches
from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.collecting.shelf import HIDDEN
from fraud.loop.importing.bucket import difference, files
from fraud.loop.importing.cut import chunks, head
from fraud.loop.importing.raw_folder import Place, recorded_files, replaced
from fraud.loop.storing.storage import dvc
from fraud.outputs import md5_of
from fraud.schema import Schema


def bring(source: Path, place: Place) -> None:
    """Add the weekly files of a folder to those that are there; a week that is delivered again replaces the old.

    The folder is kept in .dvc/config as a remote, as a bucket is, so that its next weeks can be brought.
    """
    found = _weekly(source, place.schema, f"DIR={source}")
    there = _there(place)
    rows = {path.name: sum(map(len, chunks(path, path.name))) for path in found.values()}
    known = [name for name in found if name in there]
    changed = [line for name in known for line in _changed(there[name], found[name], place)]
    _put(there | found, place)
    remote.write(remote.weekly(place.folder), {"url": str(source)}, {})
    print(f"{source}: {listed(rows)}; new: {len(found) - len(known)}, changed: {len(changed)}", *changed, sep="\n")
    order = batches.in_order(there | found)
    print(f"{place.folder}: {len(order)} batches, from {order[0]}, the oldest by name, to {order[-1]}")
    print(f"new weeks of {source}: `make data UPDATE=1`, or the loop; {remote.CONFIG} remembers the folder")


def update(source: Path, place: Place) -> bool:
    """Bring what is new or changed in the folder since, print it, and return whether anything is."""
    if not place.folder.exists() and dvc("pull", str(place.pointer)):
        raise Problem(f"{place.folder}: not here, and not all in the remote; mend what is named above")
    found, there = _weekly(source, place.schema, str(source), _found), _there(place)
    before = files(place.folder)
    if all(before.get(path.name) == md5_of(path) for path in found.values()):
        print(f"{source}: nothing new")
        return False
    _put(there | found, place)
    print(*difference(before, files(place.folder)), sep="\n")
    return True


def _there(place: Place) -> dict[str, Path]:
    there = batches.find(place.folder) if recorded_files(place) else {}
    if not there and place.pointer.exists():
        raise Problem(f"{place.folder}: its weeks are recorded in {place.pointer}, but not here; run `dvc pull` first")
    return there


def _put(weeks: Mapping[str, Path], place: Place) -> None:
    with replaced(place) as draft:
        for path in weeks.values():
            shutil.copyfile(path, draft / path.name)


def _found(folder: Path) -> dict[str, Path]:
    """Return the batches in a folder, oldest first; what is none, such as a file on its way, is named and stays."""
    weeks: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = batches.batch_name(path) if path.is_file() else None
        if name in weeks:
            raise Problem(f"{path}: batch '{name}' is there twice, as {weeks[name].name} too; keep one")
        if name and not path.name.startswith(HIDDEN):
            weeks[name] = path
        elif not path.name.startswith(HIDDEN):
            print(f"{path}: left there, as it is no batch; expected files named like 2026-W08.csv")
    return {name: weeks[name] for name in batches.in_order(weeks)}


def _weekly(
    folder: Path, schema: Schema, where: str, find: Callable[[Path], dict[str, Path]] = batches.find
) -> dict[str, Path]:
    """Return the weekly files of a folder, oldest first, once the header of each is that of the schema."""
    if not folder.is_dir():
        found = "a file; to cut it use CSV=" if folder.exists() else "no such folder; mend the path"
        raise Problem(f"{where}: found {found}")
    if not any(map(batches.batch_name, folder.iterdir())):
        raise Problem(f"{where}: found no weekly files, expected some named like 2026-W08.csv")
    weeks = find(folder)
    for path in weeks.values():
        if path.suffix == ".parquet":
            raise Problem(f"{path}: found Parquet, expected .csv or .csv.gz; write it as CSV")
        head(path, schema)
    return weeks


def _changed(old: Path, new: Path, place: Place) -> Iterator[str]:
    was, now = md5_of(old), md5_of(new)
    if was != now:
        told = f"`git diff` shows it in {place.pointer}; the old content is in the DVC cache"
        yield f"{new.name} changed (was md5 {was}, is md5 {now}): {told}"


def listed(rows: Mapping[str, int]) -> str:
    """Return how many rows there are in which files."""
    named = [f"{name} ({count})" for name, count in rows.items()]
    told = f"{len(rows)} batches, {named[0]} to {named[-1]}" if len(rows) > 1 else f"one batch, {named[0]}"
    return f"{sum(rows.values())} rows in {told}"
