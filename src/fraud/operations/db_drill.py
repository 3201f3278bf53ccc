"""Prove a backup: restore it into a database of its own, compare each row, and drop that again."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from fraud.errors import Problem, run
from fraud.loop.log_database import PATIENCE, Address, address, named
from fraud.operations.backups.contents import told
from fraud.operations.backups.dump import is_sqlite
from fraud.operations.db_backup import DEFAULT
from fraud.operations.db_restore import chosen, restored
from fraud.operations.given import given

FORM = "make db-drill [FROM=folder | FROM=s3://bucket/prefix, or the backup itself] [ENDPOINT=https://host]"


@contextmanager
def scratch(log: Address, name: str) -> Iterator[Address]:
    """Lend an empty database: a file, or one beside the log on its server."""
    if is_sqlite(log):
        with tempfile.TemporaryDirectory(prefix="drill-") as folder:
            yield named("drill", str(Path(folder, "drill.db")))
        return
    database = f"drill-{name}"[:63]  # PostgreSQL cuts longer names.
    _run(log, SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(database)))
    try:
        yield Address("drill", log.url.set(database=database))
    finally:
        _run(log, SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(database)))


def _run(log: Address, statement: psycopg.sql.Composed) -> None:
    words = log.url.get_dialect()().create_connect_args(log.url)[1]
    try:
        with psycopg.connect(**{"connect_timeout": PATIENCE, **words}, autocommit=True) as connection:
            connection.execute(statement)
    except psycopg.Error as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Problem(f"{log.setting}={log}: {said}; name a role that may create databases") from None


def main(*arguments: str) -> None:
    """Try the newest backup, or the one that FROM names, on the kind of database that the log has."""
    asked = given(arguments, FORM)
    place, name = chosen(asked.get("FROM", DEFAULT), asked.get("ENDPOINT", ""))
    start = time.monotonic()
    with scratch(address(os.environ), name) as database:
        backup = restored(database, place, name)
    seconds = time.monotonic() - start
    print(f"{place}: {name} can be restored, in {seconds:.1f} s: {told(backup.tables)}, each row as it was")


if __name__ == "__main__":
    run(main)
