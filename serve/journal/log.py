"""The request log: every answer is durable before it leaves, in the database or, while that is away, in the spool."""

import logging
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from serve.journal import retention
from serve.journal.database import Database
from serve.journal.queries import Queries
from serve.journal.reach import Away, Reach, reason
from serve.journal.spool import Spool, read
from serve.journal.tables import Row, timestamp
from serve.journal.together import Batch, Together

RETRY = 1.0  # Seconds between two looks at the database.
REPLAYED = 500  # Rows replayed in one transaction, so that answers are not held up.
logger = logging.getLogger("fraud.serve")


class Unlogged(Exception):
    """Neither the database nor the spool took the rows: their answers must not leave."""


class Log:
    """The log as one process sees it: its threads share it, other processes have theirs on the same files."""

    def __init__(self, url: str, spool: Path, sync: str, run: Path, days: float | None = None) -> None:
        """Be ready, the schema up to date; with `days`, delete hour by hour what is older."""
        self._database = Database(url, sync)
        self._spool = Spool(spool, sync == "full")
        self._reach = Reach(self._database, self._spool)
        self._run = run
        self._days = days
        self.queries = Queries(self._reach)
        self._reach.meet(run / "request-log-was-ready")
        self._start()
        begin_anew = weakref.WeakMethod(self._begin_anew)
        os.register_at_fork(after_in_child=lambda: (begin := begin_anew()) and begin())

    def add(self, rows: Sequence[Row]) -> list[Row]:
        """Return, once they are durable, the rows that stand: for a known transaction_id the earlier row."""
        batch = Batch(rows)
        self._together.write(batch, self._write_waiting)
        if batch.standing is None:
            raise Unlogged(f"no place to log: database: {self._reach.away}; spool: {batch.error}")
        return batch.standing

    def feedback(self, request_id: str, actual: bool, source: str) -> None:
        """Write down what a request turned out to be; the newest label counts, the earlier ones stay."""
        values = {"ts": timestamp(), "request_id": request_id, "actual": int(actual), "source": source}
        with self._alone() as database:
            known = database.label(values)
        if not known:
            self._reach.refuse_while_rows_wait()
            raise LookupError(f"no prediction has the id {request_id}")

    def pending(self) -> int:
        """Return how many rows wait in spool files, those of other processes too."""
        return self._spool.pending()

    def state(self) -> str:
        """Return "writable", or why the database is not."""
        return self._reach.away or "writable"

    def takes_rows(self) -> bool:
        """Say whether rows can be made durable now, in the database or in the spool."""
        return not self._reach.away or self._spool.writable()

    def close(self) -> None:
        """Stop the threads and let go of all files; what waits in the spool is replayed by whoever starts next."""
        self._closing.set()
        self._keeper.join()
        with self._together.alone():
            self._database.drop()
            self._spool.release()

    def _start(self) -> None:
        self._together = Together()  # Whoever holds it has the writing connection and the spool.
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True, name="request-log")
        self._keeper.start()
        if self._days is not None:
            retention.start(self._days, self._run, self._delete, self._closing)

    def _begin_anew(self) -> None:
        self._database.forget()
        self._spool.release()
        if not self._closing.is_set():
            self._start()

    @contextmanager
    def _alone(self) -> Iterator[Database]:
        """Lend the writing connection to one thread."""
        with self._together.alone(), self._reach.turn() as database:
            yield database

    def _write_waiting(self) -> list[Batch]:
        group: list[Batch] = []
        try:
            with self._reach.turn() as database:
                group = self._together.take()
                _write(database, group)
        except Exception:  # Whatever it was, the rows have to be durable.
            group += self._together.take()
            self._keep_in_spool(group)
        return group

    def _keep_in_spool(self, group: list[Batch]) -> None:
        try:
            self._spool.append([row for batch in group for row in batch.rows])
        except OSError as error:
            for batch in group:
                batch.error = error
        else:
            for batch in group:
                batch.standing = list(batch.rows)

    def _keep(self) -> None:
        """Each second look at the database, replay what is left, and keep SQLite's log short."""
        while not self._closing.wait(RETRY):
            try:
                self._look()
                self._replay()
                self._checkpoint()
            except Away:
                continue
            except Exception as error:
                logger.error("request log: %s", reason(error))

    def _look(self) -> None:
        if self._reach.away:
            self._reach.look_again()  # Without the lock, as it may take its time: nobody else connects meanwhile.
        else:
            with self._alone() as database:
                database.check()

    def _replay(self) -> None:
        with self._together.alone():
            self._spool.release()
        for path in self._spool.left():
            rows = sum(self._replay_rows(batch) for batch in read(path, REPLAYED))
            path.unlink()
            logger.info("request log: %d predictions of %s are in the database", rows, path.name)

    def _replay_rows(self, rows: list[Row]) -> int:
        try:
            with self._alone() as database:
                database.replay(rows)
        except Away:
            raise
        except Exception as error:  # A row that no database takes must not keep the others out.
            if len(rows) > 1:
                return sum(self._replay_rows([row]) for row in rows)
            self._spool.refuse(rows[0], reason(error))
        return len(rows)

    def _checkpoint(self) -> None:
        if self._database.has_long_wal():
            self._database.checkpoint()
            with self._alone() as database:  # Only what came meanwhile: the writers wait for it.
                database.checkpoint()

    def _delete(self, before: str, count: int) -> int:
        with self._alone() as database:
            return database.delete(before, count)


def _write(database: Database, group: list[Batch]) -> None:
    rows = [row for batch in group for row in batch.rows]
    if database.insert(rows) < len(rows):
        rows = database.standing(rows)
    standing = iter(rows)
    for batch in group:
        batch.standing = list(islice(standing, len(batch.rows)))
