"""The request log: every answer is durable before it leaves, in the database or, while that is away, in the spool."""

import logging
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, exists, func, select

from fraud.errors import Problem
from serve.journal import retention
from serve.journal.database import AT_ONCE, Database
from serve.journal.spool import Spool, read
from serve.journal.tables import COLUMNS, Row, feedback, requests
from serve.journal.together import Batch, Together

RETRY = 1.0  # Seconds between two looks at the database.
REPLAYED = 500  # Rows replayed in one transaction, so that answers are not held up.
COUNTED = 10_000  # Rows that rate() looks at, at most.
logger = logging.getLogger("fraud.serve")


class Unlogged(Exception):
    """Neither the database nor the spool took the rows: their answers must not leave."""


class Away(Exception):
    """The database cannot be asked or told now; nothing is lost by asking again."""


class Outcomes(NamedTuple):
    """What labelled requests turned out to be, beside what was answered."""

    true_positives: int = 0
    false_positives: int = 0
    true_negatives: int = 0
    false_negatives: int = 0


class Log:
    """The log as one process sees it: its threads share it, other processes have theirs on the same files."""

    def __init__(self, url: str, spool: Path, sync: str, run: Path, days: float | None = None) -> None:
        """Be ready, the schema up to date; with `days`, delete hour by hour what is older."""
        self._database = Database(url, sync)
        self._spool = Spool(spool, sync == "full")
        self._run = run
        self._days = days
        self._away = ""
        self._meet()
        self._start()
        begin_anew = weakref.WeakMethod(self._begin_anew)
        os.register_at_fork(after_in_child=lambda: (begin := begin_anew()) and begin())

    def add(self, rows: Sequence[Row]) -> list[Row]:
        """Return, once they are durable, the rows that stand: for a known transaction_id the earlier row."""
        batch = Batch(rows)
        self._together.write(batch, self._write_waiting)
        if batch.standing is None:
            raise Unlogged(f"no place to log: database: {self._away}; spool: {batch.error}")
        return batch.standing

    def find(
        self, *, request_id: str | None = None, transaction_id: str | None = None, fingerprint: int | None = None
    ) -> Row | None:
        """Return the newest row that has all that is given."""
        given = {"id": request_id, "transaction_id": transaction_id, "fingerprint": fingerprint}
        where = [requests.c[name] == value for name, value in given.items() if value is not None]
        # "+ 0", or PostgreSQL walks back through the whole table in the order of its numbers.
        query = select(*COLUMNS).where(*where).order_by((requests.c.number + 0).desc()).limit(1)
        with self._reading() as connection:
            found = connection.execute(query).first()
        if found is None:
            self._refuse_while_rows_wait()
        return Row(*found) if found else None

    def known(self, names: Sequence[str]) -> dict[str, int]:
        """Return the fingerprint of each transaction_id that the database has; of none while it is away."""
        found: dict[str, int] = {}
        with suppress(Away):
            for start in range(0, len(names), AT_ONCE):
                wanted = requests.c.transaction_id.in_(names[start : start + AT_ONCE])
                with self._reading() as connection:
                    query = select(requests.c.transaction_id, requests.c.fingerprint).where(wanted)
                    found |= {row[0]: row[1] for row in connection.execute(query)}
        return found

    def feedback(self, request_id: str, actual: bool, source: str) -> None:
        """Write down what a request turned out to be; the newest label counts, the earlier ones stay."""
        values = {"ts": timestamp(), "request_id": request_id, "actual": int(actual), "source": source}
        with self._together.alone(), self._turn() as database:
            known = database.label(values)
        if not known:
            self._refuse_while_rows_wait()
            raise LookupError(f"no prediction has the id {request_id}")

    def newest(self, count: int) -> list[Row]:
        """Return the rows written last, the last one first."""
        query = select(*COLUMNS).order_by(requests.c.number.desc()).limit(count)
        with self._reading() as connection:
            return [Row(*found) for found in connection.execute(query)]

    def labels(self, ids: Sequence[str]) -> dict[str, bool]:
        """Return the newest label of each of these requests that has one."""
        query = select(feedback.c.request_id, feedback.c.actual).where(feedback.c.request_id.in_(ids))
        with self._reading() as connection:
            return {id_: bool(actual) for id_, actual in connection.execute(query.order_by(feedback.c.number))}

    def sample(self, since: str, count: int) -> list[Row]:
        """Return at most `count` rows, evenly spread over those since a time; the cost does not grow with the table."""
        with self._reading() as connection:
            numbers = _spread(connection, since, count)
            query = select(*COLUMNS).where(requests.c.number.in_(numbers), requests.c.ts >= since)
            return [Row(*found) for found in connection.execute(query.order_by(requests.c.number))]

    def rate(self, since: str) -> tuple[int, int]:
        """Return answers since a time and the frauds among them, of 10,000 spread evenly where there are more."""
        counts = func.count(), func.coalesce(func.sum(requests.c.label), 0)
        with self._reading() as connection:
            numbers = _spread(connection, since, COUNTED)
            query = select(*counts).where(requests.c.number.in_(numbers), requests.c.ts >= since)
            answers, frauds = connection.execute(query).one()
        return answers, frauds

    def outcomes(self, count: int) -> Outcomes:
        """Return what the `count` requests labelled last turned out to be; the newest label of each counts."""
        later = feedback.alias()
        corrected = exists().where(later.c.request_id == feedback.c.request_id, later.c.number > feedback.c.number)
        newest = select(feedback).where(~corrected).order_by(feedback.c.number.desc()).limit(count).subquery()
        query = select(newest.c.actual, requests.c.label, func.count()).join(
            newest, newest.c.request_id == requests.c.id
        )
        with self._reading() as connection:
            found = connection.execute(query.group_by(newest.c.actual, requests.c.label)).all()
        counts = {(actual, label): number for actual, label, number in found}
        return Outcomes(*(counts.get(kind, 0) for kind in ((1, 1), (0, 1), (0, 0), (1, 0))))

    def pending(self) -> int:
        """Return how many rows wait in spool files, those of other processes too."""
        return self._spool.pending()

    def state(self) -> str:
        """Return "writable", or why the database is not."""
        return self._away or "writable"

    def takes_rows(self) -> bool:
        """Say whether rows can be made durable now, in the database or in the spool."""
        return not self._away or self._spool.writable()

    def close(self) -> None:
        """Stop the threads and let go of all files; what waits in the spool is replayed by whoever starts next."""
        self._closing.set()
        self._keeper.join()
        with self._together.alone():
            self._database.drop()
            self._spool.release()

    def _meet(self) -> None:
        """Open the database once; while it is away only a worker starts that replaces another one."""
        met = self._run / "request-log-was-ready"
        try:
            self._database.check()
            met.touch()
        except Problem:
            raise
        except Exception as error:
            if not met.exists():
                raise Problem(f"REQUEST_LOG {self._database.url!r}: {_reason(error)}; start or mend it") from None
            self._away = _reason(error)
        finally:
            self._database.drop()  # Each process opens its own, after the fork.

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

    def _write_waiting(self) -> list[Batch]:
        group: list[Batch] = []
        try:
            with self._turn() as database:
                group = self._together.take()
                self._write(database, group)
        except Exception:  # Whatever it was, the rows have to be durable.
            group += self._together.take()
            self._keep_in_spool(group)
        return group

    def _write(self, database: Database, group: list[Batch]) -> None:
        rows = [row for batch in group for row in batch.rows]
        if database.insert(rows) < len(rows):
            rows = database.standing(rows)
        standing = iter(rows)
        for batch in group:
            batch.standing = list(islice(standing, len(batch.rows)))

    def _keep_in_spool(self, group: list[Batch]) -> None:
        try:
            self._spool.append([row for batch in group for row in batch.rows])
        except OSError as error:
            for batch in group:
                batch.error = error
        else:
            for batch in group:
                batch.standing = list(batch.rows)

    @contextmanager
    def _turn(self) -> Iterator[Database]:
        """Let who is alone use the writing connection; whatever fails there drops it."""
        if self._away:
            raise Away(self._away)
        try:
            with self._database.turn():
                yield self._database
        except Exception as error:
            self._database.drop()
            if _rows_at_fault(error):
                raise
            raise self._fall(error) from error

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._away:
            raise Away(self._away)
        try:
            with self._database.engine.connect() as connection:
                yield connection
        except Exception as error:
            raise self._fall(error) from error

    def _fall(self, error: Exception) -> Away:
        if not self._away:
            logger.error("request log: the database is away: %s; rows go to %s", _reason(error), self._spool.folder)
        self._away = _reason(error)
        return Away(self._away)

    def _refuse_while_rows_wait(self) -> None:
        """Raise where what was not found may be in the spool."""
        if waiting := self.pending():
            raise Away(f"{waiting} predictions wait to be written to the database")

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
                logger.error("request log: %s", _reason(error))

    def _look(self) -> None:
        if not self._away:
            with self._together.alone(), self._turn() as database:
                database.check()
            return
        try:
            self._database.check()  # Without the lock, as it may take its time: nobody else connects meanwhile.
            self._database.prove()
        except Exception as error:
            self._database.drop()
            raise self._fall(error) from error
        self._away = ""
        logger.info("request log: the database is back")

    def _replay(self) -> None:
        with self._together.alone():
            self._spool.release()
        for path in self._spool.left():
            rows = sum(self._replay_rows(batch) for batch in read(path, REPLAYED))
            path.unlink()
            logger.info("request log: %d predictions of %s are in the database", rows, path.name)

    def _replay_rows(self, rows: list[Row]) -> int:
        try:
            with self._together.alone(), self._turn() as database:
                database.replay(rows)
        except Away:
            raise
        except Exception as error:  # A row that no database takes must not keep the others out.
            if len(rows) > 1:
                return sum(self._replay_rows([row]) for row in rows)
            self._spool.refuse(rows[0], _reason(error))
        return len(rows)

    def _checkpoint(self) -> None:
        if self._database.has_long_wal():
            self._database.checkpoint()
            with self._together.alone(), self._turn() as database:  # Only what came meanwhile: the writers wait for it.
                database.checkpoint()

    def _delete(self, before: str, count: int) -> int:
        with self._together.alone(), self._turn() as database:
            return database.delete(before, count)


def timestamp() -> str:
    """Return the time as the log writes it."""
    return datetime.now(UTC).isoformat(" ", "microseconds")[:26]


def _spread(connection: Connection, since: str, count: int) -> list[int]:
    """Return the numbers of at most `count` rows, at even distances from the oldest since a time to the newest."""
    # Of a hundred, as one that came through the spool has a later number than its time.
    oldest = select(requests.c.number).where(requests.c.ts >= since).order_by(requests.c.ts).limit(100).subquery()
    first = connection.scalar(select(func.min(oldest.c.number)))
    if first is None:
        return []
    width = (connection.scalar(select(func.max(requests.c.number))) or first) - first + 1
    return (
        [first + place * width // count for place in range(count)] if width > count else [*range(first, first + width)]
    )


def _rows_at_fault(error: Exception) -> bool:
    """Tell text that the database cannot hold or a number out of range from a database that is away."""
    names = {kind.__name__ for kind in type(error).__mro__}  # Each driver has classes of its own.
    return bool(names & {"DataError", "IntegrityError", "ValueError", "OverflowError", "TypeError"})


def _reason(error: Exception) -> str:
    """Return the first line of what a driver says, without the statement that SQLAlchemy adds, as it holds values."""
    error = getattr(error, "orig", None) or error
    return (str(error).splitlines() or [type(error).__name__])[0]
