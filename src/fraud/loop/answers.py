"""The answers in the server's request log: read by SQL, never written."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError
from sqlalchemy.util import immutabledict

from fraud.errors import Problem

DEFAULT = "sqlite:///data/requests.db"
VARIABLES = ("REQUEST_LOG", "LATEST_DB")  # The server takes either; the second may be the path of an SQLite file.
FORM = "sqlite:///data/requests.db or postgresql://…"
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


def written(time: datetime) -> str:
    """Return a time as the log writes it; texts in this form are in the order of their times."""
    return time.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def address(environment: Mapping[str, str]) -> URL:
    """Return where the server logs, as its own settings say."""
    name = next((name for name in VARIABLES if environment.get(name, "").strip()), VARIABLES[0])
    given = environment.get(name, "").strip() or DEFAULT
    try:
        url = make_url(given if "://" in given or name != "LATEST_DB" else f"sqlite:///{given}")
    except (ArgumentError, ValueError):
        raise Problem(f"{name}: found no address of a database, expected {FORM}") from None
    backend = url.get_backend_name()
    if backend not in ("sqlite", "postgres", "postgresql"):
        raise Problem(f"{name}: found '{backend}', expected {FORM}")
    return url.set(drivername="sqlite" if backend == "sqlite" else "postgresql+psycopg")


@contextmanager
def opened(environment: Mapping[str, str] = os.environ) -> Iterator[Connection]:
    """Yield a connection that cannot write; a log that is away, or is none, is a problem whenever that shows."""
    url = address(environment)
    where = f"request log {url._replace(username=None, password=None, query=immutabledict())}"
    try:
        with (_sqlite(url, where) if url.drivername == "sqlite" else _postgresql(url)).connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DatabaseError) and error.orig else error
        said = (str(cause).splitlines() or [type(cause).__name__])[0]
        raise Problem(f"{where}: {said}; start or mend it, or set REQUEST_LOG to where the server logs") from None


def _sqlite(url: URL, where: str) -> Engine:
    path = Path(str(url.database))
    if not path.is_file():
        raise Problem(f"{where}: there is no such file; set REQUEST_LOG to where the server logs")
    name = f"file:{quote(str(path.absolute()))}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(name, uri=True), poolclass=NullPool)


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={"connect_timeout": 10},
        execution_options={"postgresql_readonly": True},
    )


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
    query = text(f"SELECT {FIELDS} FROM requests WHERE model = :model AND ts >= :low AND ts < :high")  # noqa: S608
    values, streamed = {"model": model, "low": low, "high": high}, {"yield_per": AT_ONCE}
    for part in log.execute(query, values, execution_options=streamed).partitions(AT_ONCE):
        yield [Answer(*row) for row in part]


def _first(log: Connection, where: str, **values: Any) -> Answer | None:
    found = log.execute(text(f"SELECT {FIELDS} FROM requests WHERE {where}"), values).first()  # noqa: S608  # ours
    return Answer(*found) if found else None
