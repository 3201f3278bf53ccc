"""Back the request log up, as it is at one moment, into a folder or a bucket; the server may go on meanwhile."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, text

from fraud.errors import Problem, run
from fraud.loop.log_database import Address, address, reading
from fraud.operations.backups.backup import ENDINGS, MANIFEST, Backup, Kind, expire, new_name
from fraud.operations.backups.contents import contents, told
from fraud.operations.backups.dump import dump, is_sqlite, sha256_of
from fraud.operations.backups.place import Place, named
from fraud.operations.backups.scratch import scratch
from fraud.operations.given import given
from fraud.outputs import write_json

FORM = "make db-backup [TO=folder | TO=s3://bucket/prefix [ENDPOINT=https://host]] [KEEP=n]"
DEFAULT = "data/backups"


class Made(NamedTuple):
    """A backup that is there."""

    name: str
    backup: Backup


def database(log: Address) -> str:
    """Return what a log's backups are called: its database, or its file without the ending."""
    name = log.url.database or "log"
    return re.sub(r"[^a-zA-Z0-9_.-]", "_", Path(name).stem if is_sqlite(log) else name)


def back_up(log: Address, place: Place) -> Made:
    """Put a backup there; where anything fails, nothing that could be taken for one stays."""
    kind: Kind = "sqlite" if is_sqlite(log) else "postgresql"
    name = new_name(database(log))
    with scratch() as folder:
        path = folder / (name + ENDINGS[kind])
        with reading(log) as connection:
            tables, revision = contents(connection), _revision(connection)  # It sees what was there at its first look.
            if not tables:  # With KEEP it would in time take the place of all that were not empty.
                raise Problem(f"{log.setting}={log}: has no tables; name the database that the server logs to")
            dump(log, connection, path)
        backup = Backup(kind, revision, path.stat().st_size, sha256_of(path), tables)
        manifest = folder / (name + MANIFEST)
        write_json(manifest, msgspec.to_builtins(backup))
        for file in (path, manifest):
            place.put(file)
    return Made(name, backup)


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))


def kept(text: str) -> int:
    """Return how many backups stay."""
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise Problem(f"KEEP={text}: expected how many of the newest backups stay, 1 or more")
    return int(text)


def main(*arguments: str) -> None:
    """Back up what REQUEST_LOG names, as the arguments NAME=value say."""
    asked = given(arguments, FORM)
    keep = kept(asked["KEEP"]) if "KEEP" in asked else None
    log, place = address(os.environ), named("TO", asked.get("TO", DEFAULT), asked.get("ENDPOINT", ""))
    name, backup = back_up(log, place)
    print(f"{log}: {told(backup.tables)}, {backup.size / 1e6:.1f} MB, in {place} as {name}")
    for old in expire(place, database(log), keep) if keep else ():
        print(f"{place}: removed {old}, as the newest {keep} stay")


if __name__ == "__main__":
    run(main)
