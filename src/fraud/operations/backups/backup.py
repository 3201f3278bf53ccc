"""What a backup is: a dump, and beside it a manifest with the same name, which is written last."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from fraud.errors import Problem
from fraud.operations.backups.contents import Contents
from fraud.operations.backups.place import Place

MANIFEST = ".json"
Kind = Literal["postgresql", "sqlite"]
ENDINGS: dict[Kind, str] = {"postgresql": ".dump", "sqlite": ".sqlite"}
NAME = re.compile(r"(?P<name>(?P<database>[\w.-]+)-(?P<time>\d{8}T\d{6}\.\d{3}Z))(?P<ending>\.json|\.dump|\.sqlite)?")


class Backup(msgspec.Struct, frozen=True):
    """The manifest: what was dumped, and by what the dump and each table of it are known again."""

    database: Kind
    revision: str | None  # Of the schema, as alembic names it.
    size: int  # Of the dump, in bytes.
    sha256: str  # Of the dump.
    tables: dict[str, Contents]


def new_name(database: str) -> str:
    """Return the name of a backup that is made now, in UTC."""
    return f"{database}-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%f')[:-3]}Z"


def newest(place: Place) -> str:
    """Return the name of the backup that was made last; a dump without a manifest is none."""
    found = [one for one in _files(place) if one["ending"] == MANIFEST]
    if not found:
        raise Problem(f"{place}: found no backup, expected one that `make db-backup` made")
    last = found[-1]["name"]
    if len(databases := {one["database"] for one in found}) > 1:
        raise Problem(f"{place}: found backups of {' and '.join(sorted(databases))}; name one, such as {last}")
    return last


def read(place: Place, name: str, folder: Path) -> Backup:
    """Return the manifest of a backup."""
    path = folder / f"{name}{MANIFEST}"
    place.bring(path)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Backup)
    except msgspec.DecodeError as error:
        raise Problem(f"{place}: {path.name}: {error}; it is torn or was changed: restore another backup") from None


def expire(place: Place, database: str, keep: int) -> list[str]:
    """Remove all but the newest `keep` backups of a database, and return their names."""
    files = [one for one in _files(place) if one["database"] == database]
    oldest = [one["time"] for one in files if one["ending"] == MANIFEST][-keep:][0]
    # With them go older dumps that a killed run left without a manifest.
    old = [one for one in files if one["time"] < oldest]
    for one in sorted(old, key=lambda one: one["ending"] != MANIFEST):
        place.remove(one[0])
    return [one["name"] for one in old if one["ending"] == MANIFEST]


def _files(place: Place) -> list[re.Match[str]]:
    """Return what is there of backups, oldest first."""
    found = filter(None, map(NAME.fullmatch, place.names()))
    return sorted((one for one in found if one["ending"]), key=lambda one: one["time"])
