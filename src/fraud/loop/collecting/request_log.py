"""Read the server's request log by SQL: what was answered in a week, with the newest label of each answer."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, text

from fraud.loop.log_database import Address, reading
from fraud.loop.weeks import bounds, week_of

AT_ONCE = 2000  # Rows that come from a database together.
# Left out is the made-up payment by which `make deploy` tries a server.
ROWS = """
SELECT substr(ts, 1, 10), count(*) FROM requests WHERE coalesce(transaction_id, '') NOT LIKE 'smoke-%' GROUP BY 1
"""
LABELS = """
SELECT substr(r.ts, 1, 10), count(*) FROM feedback f JOIN requests r ON r.id = f.request_id
WHERE coalesce(r.transaction_id, '') NOT LIKE 'smoke-%' GROUP BY substr(r.ts, 1, 10)
"""
# Of a request the label with the greatest number is the newest, as serve/journal/tables.py says.
ANSWERS = """
SELECT r.ts, r.id, r.transaction_id, r.label, r.features,
    (SELECT f.actual FROM feedback f WHERE f.request_id = r.id ORDER BY f.number DESC LIMIT 1),
    (SELECT count(*) FROM feedback f WHERE f.request_id = r.id),
    (SELECT f.source FROM feedback f WHERE f.request_id = r.id AND f.actual = (
        SELECT g.actual FROM feedback g WHERE g.request_id = r.id ORDER BY g.number DESC LIMIT 1
    ) ORDER BY f.number LIMIT 1),
    (SELECT min(f.actual) < max(f.actual) FROM feedback f WHERE f.request_id = r.id)
FROM requests r WHERE r.ts >= :start AND r.ts < :end AND coalesce(r.transaction_id, '') NOT LIKE 'smoke-%'
ORDER BY r.ts, r.id
"""


class Answer(NamedTuple):
    """One payment as it was answered, and what is known of it by now."""

    ts: str  # UTC, "2026-11-21 22:02:14.123456"
    id: str
    transaction_id: str | None
    decision: int  # 1: answered as fraud.
    features: str  # JSON by name.
    actual: int | None  # The newest label.
    labels: int  # How many labels came; more only ever come.
    source: str | None  # Who was the first to say what the newest label says: who only confirms it changes nothing.
    changed: bool | None  # Whether an earlier label said otherwise.


class Count(NamedTuple):
    """How much the log knows of a week; both only ever grow, as long as LOG_RETENTION_DAYS deletes nothing."""

    rows: int = 0
    labels: int = 0


class RequestLog:
    """A log that is read only."""

    def __init__(self, where: Address) -> None:
        """Open nothing yet."""
        self._where = where

    def __str__(self) -> str:
        """Return where it is, without the password."""
        return str(self._where)

    def counts(self) -> dict[str, Count]:
        """Return what there is of each week, oldest first."""
        with reading(self._where) as connection:
            rows, labels = (_by_week(connection, query) for query in (ROWS, LABELS))
        return {week: Count(rows[week], labels[week]) for week in sorted(rows)}

    def answers(self, week: str) -> Iterator[Answer]:
        """Yield the answers of a week as they are at one moment, ordered by time and id, some thousand in memory."""
        span = dict(zip(("start", "end"), bounds(week), strict=True))
        with reading(self._where) as connection:
            for row in connection.execution_options(yield_per=AT_ONCE).execute(text(ANSWERS), span):
                yield Answer(*row)

    def holds(self, request_id: str) -> bool:
        """Say whether an answer is still there."""
        with reading(self._where) as connection:
            return connection.scalar(text("SELECT 1 FROM requests WHERE id = :id"), {"id": request_id}) is not None


def _by_week(connection: Connection, query: str) -> Counter[str]:
    found = Counter[str]()
    for day, count in connection.execute(text(query)):
        found[week_of(date.fromisoformat(day))] += count
    return found


def waiting(folder: Path) -> Counter[str]:
    """Return how many answers of each week the server keeps in its spool until the database is back."""
    found = Counter[str]()
    for path in folder.glob("*.jsonl"):
        with suppress(FileNotFoundError), path.open("rb") as file:  # If it is gone, it is in the database.
            for line in file:
                with suppress(ValueError, TypeError, LookupError):  # A torn line was never answered.
                    found[week_of(date.fromisoformat(json.loads(line)[0][:10]))] += 1
    return found
