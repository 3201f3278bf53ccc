"""What tables hold: how many rows, and a checksum by which the very same rows are known in another database."""

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, inspect, literal_column, select, table

AT_ONCE = 5_000  # Rows in memory.
SIZE = 32  # Bytes of a SHA-256.


class Contents(msgspec.Struct, frozen=True):
    """The rows of a table; the checksum is a sum over them, so that no order has to be made or trusted."""

    rows: int
    sha256: str


def contents(connection: Connection) -> dict[str, Contents]:
    """Return what each table holds, read row by row."""
    return {name: _contents(connection, name) for name in sorted(inspect(connection).get_table_names())}


def counts(connection: Connection) -> dict[str, int]:
    """Return how many rows each table has."""
    names = sorted(inspect(connection).get_table_names())
    return {name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name in names}


def _contents(connection: Connection, name: str) -> Contents:
    query: Select[Any] = select(literal_column("*")).select_from(table(name))
    found = connection.execution_options(yield_per=AT_ONCE).execute(query)
    encode = msgspec.json.Encoder(enc_hook=str).encode
    total, rows = _number(encode(list(found.keys()))), 0
    for row in found:
        total, rows = total + _number(encode(tuple(row))), rows + 1
    return Contents(rows, (total % 256**SIZE).to_bytes(SIZE).hex())


def _number(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest())


def told(tables: dict[str, Contents]) -> str:
    """Return the counts in words; the table in which alembic keeps its revision is left out."""
    return ", ".join(f"{one.rows} {name}" for name, one in tables.items() if name != "alembic_version") or "no tables"
