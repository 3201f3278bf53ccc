"""Request logs with the answers of finished weeks, written by SQL as the server would have."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import URL, NullPool, create_engine, insert, make_url

from examples import ROOT
from fraud.schema import load
from serve.journal.migrate import migrate
from serve.journal.tables import Row, feedback, requests

SCHEMA = load(ROOT / "data/schemas/creditcard.yaml")
W08, W09 = "2026-02-18", "2026-02-25"  # A Wednesday each.


def features(seed: int) -> str:
    """Return the features of a card payment as the server logs them."""
    draw = random.Random(seed)  # noqa: S311
    return json.dumps({name: round(draw.gauss(), 4) if name != "Amount" else 9.5 for name in SCHEMA.features})


def answer(number: int, day: str = W08, **given: Any) -> Row:
    """Return an answer of a day; its number makes its time, its id and its features."""
    ts = f"{day} {number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000250"
    plain = Row(ts, f"{day.replace('-', '')}{number:024d}", None, "0" * 32, 0.5, 0.25, 0, features(number), 7, 0.5)
    return plain._replace(**given)


def answers(count: int, day: str = W08) -> list[Row]:
    return [answer(number, day) for number in range(count)]


class Logbook:
    """A request log that a test fills."""

    def __init__(self, url: str) -> None:
        """Make its tables."""
        self.url = url
        plain = _url(url)
        if plain.get_backend_name() == "sqlite":
            Path(str(plain.database)).parent.mkdir(parents=True, exist_ok=True)
        migrate(plain)
        self._engine = create_engine(plain, poolclass=NullPool)
        if plain.get_backend_name() == "sqlite":  # As the server has it: who reads stops nobody who writes.
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")

    def log(self, rows: Iterable[Row]) -> None:
        with self._engine.begin() as connection:
            connection.execute(insert(requests), [row._asdict() for row in rows])

    def label(self, *pairs: tuple[Row, int], source: str = "a test") -> None:
        """Give each of these answers a label, in this order."""
        labels = [
            {"ts": "2026-03-09 00:00:00.000000", "request_id": row.id, "actual": actual, "source": source}
            for row, actual in pairs
        ]
        with self._engine.begin() as connection:
            connection.execute(insert(feedback), labels)

    def delete(self, rows: Sequence[Row]) -> None:
        ids = [row.id for row in rows]
        with self._engine.begin() as connection:
            connection.execute(feedback.delete().where(feedback.c.request_id.in_(ids)))
            connection.execute(requests.delete().where(requests.c.id.in_(ids)))


def _url(url: str) -> URL:
    found = make_url(url)
    return found.set(drivername="postgresql+psycopg") if found.get_backend_name() == "postgresql" else found
