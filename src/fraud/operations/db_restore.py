"""Restore a backup of the request log, and compare every row with what was backed up."""

import os
from pathlib import Path

from sqlalchemy import Connection

from fraud.errors import Problem, run
from fraud.loop.log_database import Address, address, reading
from fraud.operations.backups.backup import ENDINGS, NAME, Backup, newest, read
from fraud.operations.backups.contents import contents, counts, told
from fraud.operations.backups.dump import exists, is_sqlite, restore, sha256_of
from fraud.operations.backups.place import Place, named
from fraud.operations.backups.scratch import scratch
from fraud.operations.given import given

FORM = "make db-restore FROM=folder | FROM=s3://bucket/prefix, or the backup itself [ENDPOINT=https://host] [FORCE=1]"


def chosen(text: str, endpoint: str) -> tuple[Place, str]:
    """Return where a backup is, and its name: the newest one, unless the last part of the text is a name."""
    place, _, last = text.rpartition("/")
    if found := NAME.fullmatch(last):
        return named("FROM", place or ".", endpoint), found["name"]
    folder = named("FROM", text, endpoint)
    return folder, newest(folder)


def bring(place: Place, name: str, folder: Path) -> tuple[Backup, Path]:
    """Return the manifest of a backup, and its dump once that is known to be whole and unchanged."""
    backup = read(place, name, folder)
    path = folder / f"{name}{ENDINGS[backup.database]}"
    place.bring(path)
    if (path.stat().st_size, sha256_of(path)) != (backup.size, backup.sha256):
        raise Problem(f"{place}: {path.name} is torn or was changed since it was made; restore another backup")
    return backup, path


def refuse_loss(log: Address, backup: Backup, force: bool) -> None:
    """Raise where the backup does not fit the database, or would take the place of rows."""
    if is_sqlite(log) != (backup.database == "sqlite"):
        raise Problem(f"{log.setting}={log}: the backup is one of {backup.database}; name such a database")
    held = {}
    if exists(log):
        with reading(log) as connection:
            held = counts(connection)
    if others := held.keys() - backup.tables.keys():
        raise Problem(
            f"{log.setting}={log}: has tables that the backup, of schema {backup.revision}, has not: "
            f"{', '.join(sorted(others))}; bring it to that schema with `make db-downgrade`, or name another database"
        )
    rows = sum(count for name, count in held.items() if name != "alembic_version")
    if rows and not force:
        raise Problem(
            f"{log.setting}={log}: holds {rows} rows; name an empty database, or give FORCE=1 to replace them"
        )


def compare(connection: Connection, backup: Backup, name: str) -> None:
    """Raise which table is not what was backed up."""
    found = contents(connection)
    for table, wanted in backup.tables.items():
        if (there := found.get(table)) != wanted:
            count = f"{there.rows} rows, {wanted.rows} were backed up" if there else "no such table"
            raise Problem(
                f"{name}: its dump and its manifest disagree on {table} ({count}); nothing was changed: restore "
                "another backup"
            )


def restored(log: Address, place: Place, name: str, force: bool = False) -> Backup:
    """Restore a backup; each row of it is compared before anything of it counts."""
    with scratch() as folder:
        backup, path = bring(place, name, folder)
        refuse_loss(log, backup, force)
        restore(log, path, lambda connection: compare(connection, backup, f"{place}: {name}"))
    return backup


def main(*arguments: str) -> None:
    """Restore into what REQUEST_LOG names, as the arguments NAME=value say."""
    asked = given(arguments, FORM)
    if "FROM" not in asked:
        raise Problem(f"FROM: found nothing, expected {FORM}")
    log = address(os.environ)
    place, name = chosen(asked["FROM"], asked.get("ENDPOINT", ""))
    backup = restored(log, place, name, asked.get("FORCE", "0") != "0")
    print(f"{log}: restored {name} of {place}, schema {backup.revision}: {told(backup.tables)}, each row as it was")


if __name__ == "__main__":
    run(main)
