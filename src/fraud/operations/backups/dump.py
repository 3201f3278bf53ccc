"""A database as one file, and back, by the database's own means: all of it, as it was at one moment, or nothing."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path

import psycopg
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from fraud.errors import Problem
from fraud.loop.log_database import PATIENCE, Address, named, reading
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


def restore(log: Address, source: Path, compare: Callable[[Connection], None]) -> None:
    """Put a dump in the place of what the database holds, all of it or nothing; what `compare` raises stops it."""
    if is_sqlite(log):
        with reading(named("backup", str(source))) as dumped:  # It is a database itself, and copied page by page.
            compare(dumped)
        _copy(log, source)
        return
    with reading(log) as connection:
        server = _version(connection)
    script = source.with_suffix(".sql")
    programs.run(log, server, "pg_restore", *PLAIN, "--clean", "--if-exists", f"--file={script}", str(source))
    with _explained(log), _writing(log).begin() as connection:
        _replay(script, connection.connection.cursor())  # type: ignore[arg-type]  # It is psycopg's.
        connection.execute(text("RESET ALL"))  # The script has emptied the search path.
        compare(connection)


def _writing(log: Address) -> Engine:
    return create_engine(log.url, poolclass=NullPool, connect_args={"connect_timeout": PATIENCE})


def _copy(log: Address, source: Path) -> None:
    path = _path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)  # One that is there keeps its rights.
    with _explained(log), closing(sqlite3.connect(source)) as dumped, closing(sqlite3.connect(path)) as target:
        target.execute("BEGIN IMMEDIATE").connection.rollback()  # backup() would wait for another one for ever.
        dumped.backup(target)


def _replay(script: Path, cursor: psycopg.Cursor) -> None:
    """Run a script of pg_restore, as psql would, on a connection that is still open afterwards."""
    statements: list[bytes] = []
    with script.open("rb") as lines:
        for line in lines:
            if line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
                cursor.execute(b"".join(statements))
                statements = []
                with cursor.copy(line) as copy:
                    for row in takewhile(b"\\.\n".__ne__, lines):
                        copy.write(row)
            elif not line.startswith(b"\\"):  # Those are orders to psql.
                statements.append(line)
    cursor.execute(b"".join(statements))


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
    except (sqlite3.Error, psycopg.Error, SQLAlchemyError) as error:
        cause = getattr(error, "orig", None) or error
        said = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise Problem(f"{log.setting}={log}: {said}; mend that, then run it again") from None
