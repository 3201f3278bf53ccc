"""Prove a backup: restore it into a database of its own, compare each row, and drop that again."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from fraud.errors import Problem, run
from fraud.loop.log_database import PATIENCE, Address, address, named
from fraud.operations.backups.contents import told
from fraud.operations.backups.dump import is_sqlite
from fraud.operations.backups.scratch import scratch
from fraud.operations.db_backup import DEFAULT
from fraud.operations.db_restore import chosen, restored
from fraud.operations.given import given

FORM = "make db-drill [FROM=folder | FROM=s3://bucket/prefix, or the backup itself] [ENDPOINT=https://host]"
# A drill keeps a connection that has the name of its database: one without is of a drill that was killed. The list of
# connections shows a role its own names, and so it drops its own databases alone.
LEFT = """SELECT datname FROM pg_database WHERE datname ~ '^drill-[0-9a-f]{32}$'
    AND datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user)
    AND datname NOT IN (SELECT application_name FROM pg_stat_activity WHERE application_name IS NOT NULL)"""


@contextmanager
def lent(log: Address) -> Iterator[Address]:
    """Lend an empty database: a file, or one beside the log on its server, where those of dead drills go first."""
    if is_sqlite(log):
        with scratch() as folder:
            yield named("drill", str(folder / "drill.db"))
        return
    name = f"drill-{uuid4().hex}"
    with _connected(log, name) as connection:
        for (left,) in connection.execute(LEFT).fetchall():
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(left)))
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
        try:
            yield Address("drill", log.url.set(database=name))
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def _connected(log: Address, name: str) -> Iterator[psycopg.Connection]:
    words = {"connect_timeout": PATIENCE, **log.url.get_dialect()().create_connect_args(log.url)[1]}
    try:
        with psycopg.connect(**words | {"application_name": name}, autocommit=True) as connection:
            yield connection
    except psycopg.Error as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        denied = isinstance(error, InsufficientPrivilege)
        remedy = "name a role that may create databases" if denied else "mend that, then run it again"
        raise Problem(f"{log.setting}={log}: {said}; {remedy}") from None


def main(*arguments: str) -> None:
    """Try the newest backup, or the one that FROM names, on the kind of database that the log has."""
    asked = given(arguments, FORM)
    place, name = chosen(asked.get("FROM", DEFAULT), asked.get("ENDPOINT", ""))
    start = time.monotonic()
    with lent(address(os.environ)) as database:
        backup = restored(database, place, name)
    seconds = time.monotonic() - start
    print(f"{place}: {name} can be restored, in {seconds:.1f} s: {told(backup.tables)}, each row as it was")


if __name__ == "__main__":
    run(main)
