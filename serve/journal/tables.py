"""The tables of the request log, and what one row of it holds; their indexes are in serve/journal/migrations."""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, String, Table, Text

HEAD = "0001"  # The newest file in serve/journal/migrations/versions: the schema that this module describes.
NOW = timedelta(0)
_number = BigInteger().with_variant(Integer(), "sqlite")  # Only an INTEGER is SQLite's own row number.


class Row(NamedTuple):
    """One answered prediction, in the order of the columns of `requests`."""

    ts: str  # of timestamp(): UTC, "2026-11-21 22:02:14.123456"
    id: str  # of new_ids()
    transaction_id: str | None
    model: str  # md5
    threshold: float
    probability: float
    label: int  # 1: answered as fraud
    features: str  # a JSON object by name
    fingerprint: int  # of the features' numbers, signed 64 bits
    latency_ms: float


metadata = MetaData()
requests = Table(
    "requests",
    metadata,
    Column("number", _number, primary_key=True),
    Column("ts", String, nullable=False),
    Column("id", String, nullable=False),
    Column("transaction_id", String),
    Column("model", String, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("probability", Double, nullable=False),
    Column("label", Integer, nullable=False),
    Column("features", Text, nullable=False),
    Column("fingerprint", BigInteger, nullable=False),
    Column("latency_ms", Double, nullable=False),
)
feedback = Table(
    "feedback",
    metadata,
    Column("number", _number, primary_key=True),  # The greatest of a request is its newest label.
    Column("ts", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("actual", Integer, nullable=False),
    Column("source", String, nullable=False),
)
COLUMNS = [requests.c[name] for name in Row._fields]


def timestamp(ago: timedelta = NOW) -> str:
    """Return the time, or one before it, as the log writes it."""
    return (datetime.now(UTC) - ago).isoformat(" ", "microseconds")[:26]


def new_ids(count: int) -> list[str]:
    """Return ids of 32 hex digits; the first twelve are the time in milliseconds, so that an index grows at its end."""
    start = f"{time.time_ns() // 1_000_000:012x}"
    noise = os.urandom(10 * count).hex()
    return [start + noise[place : place + 20] for place in range(0, 20 * count, 20)]
