"""What the request log can be asked; while the database is away, each question but one raises Away."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import Connection, exists, func, select

from serve.journal.database import AT_ONCE
from serve.journal.reach import Away, Reach
from serve.journal.tables import COLUMNS, Row, feedback, requests

COUNTED = 10_000  # Rows that rate() looks at, at most.


class Outcomes(NamedTuple):
    """What labelled requests turned out to be, beside what was answered."""

    true_positives: int = 0
    false_positives: int = 0
    true_negatives: int = 0
    false_negatives: int = 0


class Queries:
    """Questions that any thread may ask, beside those who write."""

    def __init__(self, reach: Reach) -> None:
        """Ask a database as far as it can be reached."""
        self._reach = reach

    def find(
        self, *, request_id: str | None = None, transaction_id: str | None = None, fingerprint: int | None = None
    ) -> Row | None:
        """Return the newest row that has all that is given."""
        given = {"id": request_id, "transaction_id": transaction_id, "fingerprint": fingerprint}
        where = [requests.c[name] == value for name, value in given.items() if value is not None]
        # "+ 0", or PostgreSQL walks back through the whole table in the order of its numbers.
        query = select(*COLUMNS).where(*where).order_by((requests.c.number + 0).desc()).limit(1)
        with self._reach.reading() as connection:
            found = connection.execute(query).first()
        if found is None:
            self._reach.refuse_while_rows_wait()
        return Row(*found) if found else None

    def known(self, names: Sequence[str]) -> dict[str, int]:
        """Return the fingerprint of each transaction_id that the database has; of none while it is away."""
        found: dict[str, int] = {}
        with suppress(Away):
            for start in range(0, len(names), AT_ONCE):
                wanted = requests.c.transaction_id.in_(names[start : start + AT_ONCE])
                with self._reach.reading() as connection:
                    query = select(requests.c.transaction_id, requests.c.fingerprint).where(wanted)
                    found |= {row[0]: row[1] for row in connection.execute(query)}
        return found

    def newest(self, count: int) -> list[Row]:
        """Return the rows written last, the last one first."""
        query = select(*COLUMNS).order_by(requests.c.number.desc()).limit(count)
        with self._reach.reading() as connection:
            return [Row(*found) for found in connection.execute(query)]

    def labels(self, ids: Sequence[str]) -> dict[str, bool]:
        """Return the newest label of each of these requests that has one."""
        query = select(feedback.c.request_id, feedback.c.actual).where(feedback.c.request_id.in_(ids))
        with self._reach.reading() as connection:
            return {id_: bool(actual) for id_, actual in connection.execute(query.order_by(feedback.c.number))}

    def sample(self, since: str, count: int) -> list[Row]:
        """Return at most `count` rows, evenly spread over those since a time; the cost does not grow with the table."""
        with self._reach.reading() as connection:
            numbers = _spread(connection, since, count)
            query = select(*COLUMNS).where(requests.c.number.in_(numbers), requests.c.ts >= since)
            return [Row(*found) for found in connection.execute(query.order_by(requests.c.number))]

    def rate(self, since: str) -> tuple[int, int]:
        """Return answers since a time and the frauds among them, of 10,000 spread evenly where there are more."""
        counts = func.count(), func.coalesce(func.sum(requests.c.label), 0)
        with self._reach.reading() as connection:
            numbers = _spread(connection, since, COUNTED)
            query = select(*counts).where(requests.c.number.in_(numbers), requests.c.ts >= since)
            answers, frauds = connection.execute(query).one()
        return answers, frauds

    def disputed(self, count: int) -> int:
        """Return how many requests got labels that contradict each other, among the `count` newest labels."""
        newest = select(feedback).order_by(feedback.c.number.desc()).limit(count).subquery()
        both = select(newest.c.request_id).group_by(newest.c.request_id)
        both = both.having(func.min(newest.c.actual) < func.max(newest.c.actual))
        with self._reach.reading() as connection:
            return connection.scalar(select(func.count()).select_from(both.subquery())) or 0

    def outcomes(self, count: int) -> Outcomes:
        """Return what the `count` requests labelled last turned out to be; the newest label of each counts."""
        later = feedback.alias()
        corrected = exists().where(later.c.request_id == feedback.c.request_id, later.c.number > feedback.c.number)
        newest = select(feedback).where(~corrected).order_by(feedback.c.number.desc()).limit(count).subquery()
        query = select(newest.c.actual, requests.c.label, func.count()).join(
            newest, newest.c.request_id == requests.c.id
        )
        with self._reach.reading() as connection:
            found = connection.execute(query.group_by(newest.c.actual, requests.c.label)).all()
        counts = {(actual, label): number for actual, label, number in found}
        return Outcomes(*(counts.get(kind, 0) for kind in ((1, 1), (0, 1), (0, 0), (1, 0))))


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
