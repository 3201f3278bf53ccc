"""Cut one large CSV file into batch files by its time column, a chunk of rows in memory at a time."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from fraud.columns import fit
from fraud.csv_records import LONGEST, fields, open_csv, records
from fraud.errors import Problem
from fraud.header import header
from fraud.schema import Column, Schema

CHUNK = 8192  # Rows in memory at a time.
DAY = 24 * 60 * 60 * 1_000_000  # In microseconds, as dates are counted.


class Clock(NamedTuple):
    """Where the records of a file hold their time."""

    column: Column
    position: int
    width: int


class Span(NamedTuple):
    """Rows of a file, how many of them have a time that fits the schema, and the range of these times."""

    rows: int = 0
    timed: int = 0
    low: float = np.inf
    high: float = -np.inf


class Pieces(NamedTuple):
    """The rows of each batch file, oldest first, and how many of all had no time that fits."""

    rows: dict[str, int]
    untimed: int


def cut(source: Path, schema: Schema, count: int | None, target: Path) -> Pieces:
    """Write each record of `source` to one file in `target`: `count` equal spans of time or, without, ISO weeks.

    A record whose time does not fit goes where the one before it went. Its bytes stay; its line end becomes a newline.
    """
    first = head(source, schema)
    names = header(first, schema, source.name)
    time = str(schema.time)
    clock = Clock(schema.columns[time], names.index(time), len(names))
    span = _measure(source, clock)
    _check(f"{source.name}, column '{time}'", span, count)
    rows: dict[int, int] = {}
    for key, lines in _by_batch(source, clock, span, count):
        _append(target / _name(key, count), lines if key in rows else [first, *lines])
        rows[key] = rows.get(key, 0) + len(lines)
    if sum(rows.values()) != span.rows:
        raise Problem(f"{source}: it changed while it was read; run it again when the file is complete")
    return Pieces({_name(key, count): rows[key] for key in sorted(rows)}, span.rows - span.timed)


def head(path: Path, schema: Schema) -> bytes:
    """Return the header of a CSV file, once it is that of the schema and a row follows it."""
    with _undamaged(path), open_csv(path) as file:
        first = list(islice(records(file), 2))
    if first:
        header(first[0], schema, path.name)
    if len(first) < 2:
        found = "a header and no rows" if first else "an empty file"
        raise Problem(f"{path.name}: found {found}, expected payments; deliver it again")
    return first[0]


def chunks(path: Path, title: str) -> Iterator[list[bytes]]:
    """Yield the records after the header, some thousand at a time, and show how much of the file is read."""
    size = path.stat().st_size
    with (
        _undamaged(path),
        open_csv(path) as file,
        tqdm(total=size, desc=title, unit="B", unit_scale=True, leave=False, file=sys.stderr) as bar,
    ):
        place = getattr(file, "fileobj", file)  # A gzip file's own position counts unpacked bytes.
        source = islice(records(file), 1, None)
        while chunk := list(islice(source, CHUNK)):
            bar.update(place.tell() - bar.n)
            yield chunk


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Problem(f"{path.name}: damaged gzip file ({error}); deliver it again") from None


def _measure(source: Path, clock: Clock) -> Span:
    span = Span()
    for chunk in chunks(source, "reading times"):
        times = _times(chunk, clock)
        low, high = pc.min_max(times).as_py().values()
        timed = len(times) - times.null_count
        if timed:
            span = span._replace(timed=span.timed + timed, low=min(span.low, low), high=max(span.high, high))
        span = span._replace(rows=span.rows + len(times))
    return span


def _times(chunk: list[bytes], clock: Clock) -> pa.Array:
    """Return the times as numbers, with null where the record is broken or the time does not fit the schema."""
    texts = [_cell(record, clock) for record in chunk]
    values, misfits = fit(pa.array(texts, pa.string()), clock.column)
    bad = np.any([np.zeros(len(chunk), bool), *(misfit.rows for misfit in misfits)], axis=0)
    numbers = values.cast(pa.int64()) if clock.column.type == "date" else values
    return pc.if_else(pa.array(bad), None, numbers)


def _cell(record: bytes, clock: Clock) -> str | None:
    cells = fields(record) or []
    return cells[clock.position].decode(errors="replace") or None if len(cells) == clock.width else None


def _check(where: str, span: Span, count: int | None) -> None:
    if not span.timed:
        raise Problem(f"{where}: no time of the {span.rows} rows fits the schema; mend the file or the schema")
    if count and count > span.rows:
        raise Problem(f"{where}: {count} batches are more than the {span.rows} rows; lower BATCHES")
    if count and count > 1 and span.low == span.high:
        raise Problem(f"{where}: all times are {span.low:g}, so there is nothing to cut; mend the file, or BATCHES=1")


def _by_batch(source: Path, clock: Clock, span: Span, count: int | None) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the records of each chunk by the key of their batch, in the order of the file."""
    last = int(_keys(np.array([span.low]), span, count)[0])
    for chunk in chunks(source, "writing batches"):
        times = _times(chunk, clock)
        keys = _keys(times.fill_null(0).to_numpy(), span, count)
        parts: dict[int, list[bytes]] = {}
        for record, key, timed in zip(chunk, keys.tolist(), times.is_valid().to_pylist(), strict=True):
            last = key if timed else last
            parts.setdefault(last, []).append(record)
        yield from parts.items()


def _keys(times: Any, span: Span, count: int | None) -> Any:
    """Return whole numbers that order the batches: the spans from 0, or weeks since that of 1970-01-01."""
    if count is None:
        return (times // DAY + 3) // 7  # That day was a Thursday, the fourth day of its ISO week.
    with np.errstate(all="ignore"):
        share = (times - span.low) / (span.high - span.low)
    return np.clip(np.nan_to_num(share) * count, 0, count - 1).astype(np.int64)


def _name(key: int, count: int | None) -> str:
    if count is not None:
        return f"batch-{key + 1:0{max(2, len(str(count)))}}.csv"
    thursday = np.datetime64(7 * key, "D")  # It lies in the year that its ISO week belongs to.
    year = thursday.astype("datetime64[Y]")
    return f"{year}-W{(thursday - year.astype('datetime64[D]')).astype(int) // 7 + 1:02}.csv"


def _append(path: Path, lines: list[bytes]) -> None:
    """Write lines to the end of a file; one with a stray quote is kept apart, lest it swallow those after it."""
    with path.open("ab") as file:
        for line in lines:
            stray = b'"' in line and fields(line) is None
            file.write(line + b"\n" * (1 + LONGEST * stray))
