"""The database of the request log: connections that never wait for long, and the statements that write."""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, bindparam, create_engine, delete, event, func, literal, make_url, select

from serve.journal.migrate import LOCK, migrate, version
from serve.journal.tables import COLUMNS, HEAD, Row, feedback, requests
from serve.values import database

logger = logging.getLogger("fraud.serve")
WRITE_WITHIN = 1.0  # Seconds that a caller may wait for the database before the spool takes its rows.
AT_ONCE = 5_000  # Rows in one transaction; 10,000 take PostgreSQL half a second.
WAL_LIMIT = 8 << 20  # Bytes of SQLite's log from which on a thread empties it, beside the writers.
WAL_PAGES = 16_000  # Of 4 kB; from here on a writer has to.


class Database:
    """One connection that writes, used by one thread at a time, and a pool of those that read."""

    def __init__(self, url: str, sync: str) -> None:
        """Open nothing yet."""
        self.url = make_url(database(url))
        self.path = Path(str(self.url.database)) if self.url.get_backend_name() == "sqlite" else None
        self._sync = sync
        self._writer: Connection | None = None
        self._inode = (0, 0)
        self._lock_file = -1
        self.engine = _sqlite(self.url, sync) if self.path else _postgresql(self.url)
        self._insert = _insertion(self.engine)

    def open(self) -> Connection:
        """Return the connection that writes, with the schema up to date."""
        if self._writer is None:
            if self.path:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self.engine.connect()
            if version(self._writer) != HEAD:
                migrate(self.url)
            self._inode = self._file()
        return self._writer

    def drop(self) -> None:
        """Forget all connections; whatever was not committed is not there."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.invalidate()
            writer.close()
        self.engine.dispose()

    def forget(self) -> None:
        """Let a forked child begin anew, without touching what its parent has open."""
        self.engine.dispose(close=False)
        _inherited.append(self._writer)
        self._writer, self._lock_file = None, -1

    def check(self) -> None:
        """Raise where the database would not take rows."""
        connection = self.open()
        self._stays()
        with self._transaction(connection):
            connection.exec_driver_sql("SELECT version_num FROM alembic_version")

    def prove(self) -> None:
        """Raise where a full disk takes no page: to an empty transaction it looks sound."""
        if self.path:
            with self.turn(), self._transaction(self.open()):
                self.open().exec_driver_sql("PRAGMA user_version = 0")  # Nobody reads it.

    def insert(self, rows: Sequence[Row]) -> int:
        """Write rows in one transaction, and return how many of them were new."""
        writer = self.open()
        cursor = writer.connection.cursor()
        if len(rows) == 1:
            self._stays()
            cursor.execute(self._insert, rows[0])
            return cursor.rowcount
        # In one order everywhere: two servers with the same rows would otherwise wait for each other on PostgreSQL.
        rows = rows if self.path else sorted(rows, key=lambda row: (row.transaction_id or "", row.id))
        with self._transaction(writer):
            self._stays()
            cursor.executemany(self._insert, rows)
            return cursor.rowcount

    def standing(self, rows: Sequence[Row]) -> list[Row]:
        """Return for each row the one that has its transaction_id in the table."""
        names = [row.transaction_id for row in rows if row.transaction_id is not None]
        earlier: dict[str | None, Row] = {}
        for start in range(0, len(names), AT_ONCE):
            query = select(*COLUMNS).where(requests.c.transaction_id.in_(names[start : start + AT_ONCE]))
            earlier |= {found.transaction_id: Row(*found) for found in self.open().execute(query)}
        return [earlier.get(row.transaction_id, row) for row in rows]

    def replay(self, rows: Sequence[Row]) -> None:
        """Write rows of a spool that may be there already; one whose transaction_id another row has loses it."""
        if self.insert(rows) == len(rows):
            return
        found = select(requests.c.id).where(requests.c.id.in_([row.id for row in rows]))
        there = set(self.open().scalars(found))
        if late := [row._replace(transaction_id=None) for row in rows if row.id not in there]:
            self.insert(late)
            logger.warning("request log: the transaction_id of %s was answered twice", [row.id for row in late])

    def label(self, values: dict[str, Any]) -> bool:
        """Write a label of a request, and return whether there is such a request."""
        known = select(requests.c.id).where(requests.c.id == values["request_id"])
        label = feedback.insert().from_select(
            list(values), select(*map(literal, values.values())).where(known.exists())
        )
        writer = self.open()
        with self._transaction(writer):
            self._stays()
            return writer.execute(label, execution_options={"preserve_rowcount": True}).rowcount == 1

    def delete(self, before: str, count: int) -> int:
        """Delete the oldest requests from before a time, at most `count`, with their labels; return how many."""
        connection = self.open()
        oldest = select(requests.c.number, requests.c.id).where(requests.c.ts < before).order_by(requests.c.ts)
        with self._transaction(connection):
            # Of several servers on one PostgreSQL one deletes.
            if not self.path and not connection.scalar(select(func.pg_try_advisory_xact_lock(LOCK + 1))):
                return 0
            found = connection.execute(oldest.limit(count)).all()
            connection.execute(delete(feedback).where(feedback.c.request_id.in_([row.id for row in found])))
            connection.execute(delete(requests).where(requests.c.number.in_([row.number for row in found])))
        return len(found)

    def has_long_wal(self) -> bool:
        """Say whether SQLite's log should be moved into its file."""
        wal = Path(f"{self.path}-wal")
        return self.path is not None and wal.exists() and wal.stat().st_size > WAL_LIMIT

    def checkpoint(self) -> None:
        """Move SQLite's log into its file, beside those who read and write."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let the processes of one SQLite file write in turn, so that none sleeps in SQLite's busy handler."""
        if not self.path:
            yield
            return
        if self._lock_file < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        _lock(self._lock_file)
        try:
            yield
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    @contextmanager
    def _transaction(self, connection: Connection) -> Iterator[None]:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if self.path else "BEGIN")
        try:
            yield
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            with suppress(Exception):  # The first error says more; the connection is dropped.
                connection.exec_driver_sql("ROLLBACK")
            raise

    def _stays(self) -> None:
        """Raise where the SQLite file was removed or exchanged: what is written to it would be lost."""
        if self._file() != self._inode:
            raise FileNotFoundError(f"{self.path} was removed or exchanged")

    def _file(self) -> tuple[int, int]:
        if not self.path:
            return (0, 0)
        found = self.path.stat()
        return (found.st_dev, found.st_ino)


_inherited: list[Connection | None] = []  # Of a parent process; a child that closed them would end the parent's.


def _lock(file: int) -> None:
    """Lock a file within WRITE_WITHIN; flock() alone would wait for a stopped process for ever."""
    end = time.monotonic() + WRITE_WITHIN
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise TimeoutError("another process holds the database") from None
            time.sleep(5e-5)  # As long as a transaction takes.


def _insertion(engine: Engine) -> str:
    """Return the INSERT of one row in the words of the database, for a cursor of its own driver."""
    insert = import_module(f"sqlalchemy.dialects.{engine.dialect.name}").insert
    values: dict[str, Any] = {name: bindparam(name) for name in Row._fields}
    return str(insert(requests).values(values).on_conflict_do_nothing().compile(dialect=engine.dialect))


def _sqlite(url: URL, sync: str) -> Engine:
    engine = create_engine(
        url, isolation_level="AUTOCOMMIT", pool_timeout=WRITE_WITHIN, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA busy_timeout = {WRITE_WITHIN * 1000:.0f}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {sync}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")

    return engine


def _postgresql(url: URL) -> Engine:
    from serve.journal.patience import connect  # noqa: PLC0415  # psycopg takes 0.2 s to import.

    engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_timeout=WRITE_WITHIN, paramstyle="format")
    event.listen(engine, "do_connect", lambda _dialect, _record, words, named: connect(*words, **named))
    return engine
