"""The answers in the server's request log: read by SQL, never written."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from fraud.loop.log_database import address, reading

AT_ONCE = 5_000  # Rows in memory.
FIELDS = "id, transaction_id, ts, model, probability, label, threshold, features"


class Answer(NamedTuple):
    """One logged answer; `ts` is UTC."""

    id: str
    transaction_id: str | None
    ts: str
    model: str
    probability: float
    label: int
    threshold: float
    features: str


class Label(NamedTuple):
    """What somebody said that a payment turned out to be."""

    ts: str
    actual: int
    source: str


def opened(environment: Mapping[str, str] = os.environ) -> AbstractContextManager[Connection]:
    """Return a connection to the log of the server that cannot write."""
    return reading(address(environment))


def find(log: Connection, name: str) -> Answer | None:
    """Return the answer with this id, or else the one with this transaction_id."""
    return _first(log, "id = :name", name=name) or _first(log, "transaction_id = :name", name=name)


def labels(log: Connection, answer: Answer) -> list[Label]:
    """Return all feedback on an answer; the last one counts."""
    found = log.execute(
        text("SELECT ts, actual, source FROM feedback WHERE request_id = :id ORDER BY number"), {"id": answer.id}
    )
    return [Label(*row) for row in found]


def around(log: Connection, time: str) -> tuple[Answer | None, Answer | None]:
    """Return the last answer up to a time, and the first one after it."""
    before = _first(log, "ts <= :time ORDER BY ts DESC, number DESC LIMIT 1", time=time)
    return before, _first(log, "ts > :time ORDER BY ts, number LIMIT 1", time=time)


def first_by(log: Connection, model: str, since: str) -> Answer | None:
    """Return the first answer by a model since a time."""
    return _first(log, "ts >= :since AND model = :model ORDER BY ts, number LIMIT 1", model=model, since=since)


def models(log: Connection, low: str, high: str) -> dict[str, int]:
    """Return how many answers each model gave from `low` on until before `high`, the first to answer first."""
    query = text(
        "SELECT model, count(*) FROM requests WHERE ts >= :low AND ts < :high GROUP BY model ORDER BY min(ts), model"
    )
    return {row[0]: row[1] for row in log.execute(query, {"low": low, "high": high})}


def by(log: Connection, model: str, low: str, high: str) -> Iterator[list[Answer]]:
    """Yield the answers of a model from `low` on until before `high`, some thousands at once."""
    query = text(f"SELECT {FIELDS} FROM requests WHERE model = :model AND ts >= :low AND ts < :high")  # noqa: S608  # a constant
    values, streamed = {"model": model, "low": low, "high": high}, {"yield_per": AT_ONCE}
    for part in log.execute(query, values, execution_options=streamed).partitions(AT_ONCE):
        yield [Answer(*row) for row in part]


def _first(log: Connection, where: str, **values: Any) -> Answer | None:
    found = log.execute(text(f"SELECT {FIELDS} FROM requests WHERE {where}"), values).first()  # noqa: S608  # ours
    return Answer(*found) if found else None
