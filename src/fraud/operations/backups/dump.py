"""A database as one file, and back, by the database's own means: all of it, as it was at one moment, or nothing."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, text

from fraud.errors import Problem
from fraud.loop.log_database import Address, reading
from fraud.operations.backups import programs

PLAIN = ("--no-owner", "--no-privileges")  # Who may do what is settled where it is restored.


def dump(log: Address, connection: Connection, target: Path) -> None:
    """Write the moment that the connection sees into a file; the server may go on writing meanwhile."""
    if is_sqlite(log):
        with _explained(log), closing(sqlite3.connect(target)) as copy:
            connection.connection.driver_connection.backup(copy)  # type: ignore[union-attr]  # It is sqlite3's.
            copy.execute("PRAGMA journal_mode = DELETE")  # Nothing stays in a second file.
    else:
        moment = connection.scalar(text("SELECT pg_export_snapshot()"))
        options = ["--format=custom", f"--snapshot={moment}", f"--file={target}"]
        programs.run(log, _version(connection), "pg_dump", *PLAIN, *options)


def restore(log: Address, source: Path) -> None:
    """Put the content of a dump in the place of what the database holds, in one transaction."""
    if is_sqlite(log):
        path = _path(log)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _explained(log), closing(sqlite3.connect(source)) as dumped, closing(sqlite3.connect(path)) as target:
            target.execute("BEGIN IMMEDIATE").connection.rollback()  # backup() would wait for another one for ever.
            dumped.backup(target)
        return
    with reading(log) as connection:
        server = _version(connection)
    # The address of no server: all that leads to it is in the environment.
    options = ["--single-transaction", "--clean", "--if-exists", "--dbname=postgresql://", str(source)]
    programs.run(log, server, "pg_restore", *PLAIN, *options)


def exists(log: Address) -> bool:
    """Say whether there is something to look into: a PostgreSQL database always is, or looking says why not."""
    return not is_sqlite(log) or _path(log).exists()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_sqlite(log: Address) -> bool:
    """Tell the one kind of database from the other."""
    return log.url.get_backend_name() == "sqlite"


def _path(log: Address) -> Path:
    return Path(log.url.database or "")


def _version(connection: Connection) -> int:
    return int((connection.dialect.server_version_info or (0,))[0])


@contextmanager
def _explained(log: Address) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Problem(f"{log.setting}={log}: {error}; mend that, then run it again") from None
