"""Split CSV bytes into records and fields without losing one.

A quoted field may hold commas, quotes and line ends. A stray quote costs its own record, never those after it.
"""

import gzip
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from fraud.errors import Problem

BOM = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"
LONGEST = 50  # Lines of one record; beyond that an open quote is taken for a stray one.
QUOTED = rb'"(?:[^"]|"")*"'
BARE = rb'(?:[^",\r\n][^,\r\n]*)?'
WELL_FORMED = re.compile(rb"(?:%b|%b)(?:,(?:%b|%b))*" % (QUOTED, BARE, QUOTED, BARE))
FIELD = re.compile(rb",(%b|[^,]*)" % QUOTED)


def open_csv(path: Path) -> BinaryIO:
    """Open a CSV file, plain or gzip by its content, at its first byte after a byte order mark."""
    with path.open("rb") as plain:
        packed = plain.read(2) == GZIP
    file = cast(BinaryIO, (gzip.open if packed else open)(path, "rb"))
    if file.read(3) != BOM:
        file.seek(0)
    return file


def read_records(path: Path) -> list[bytes]:
    """Return all records of a CSV file, the header first."""
    try:
        with open_csv(path) as file:
            return list(records(file))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Problem(f"{path.name}: damaged gzip file ({error}); deliver it again") from None


def records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each record of `lines` without its line end; blank lines are no records."""
    waiting = deque[bytes]()
    source = iter(lines)
    while line := waiting.popleft() if waiting else next(source, None):
        if b'"' in line and not WELL_FORMED.fullmatch(line.rstrip(b"\r\n")):
            line = _join(line, waiting, source)
        if record := line.rstrip(b"\r\n"):
            yield record


def fields(record: bytes) -> list[bytes] | None:
    """Return the fields of a record without their quotes, or None where a quote or a line end is stray."""
    if b'"' not in record and b"\r" not in record:
        return record.split(b",")
    if not WELL_FORMED.fullmatch(record):
        return None
    return [_unquoted(field) for field in FIELD.findall(b"," + record)]


def _join(line: bytes, waiting: deque[bytes], source: Iterator[bytes]) -> bytes:
    """Return `line` with as many of the next lines as close its quote, or alone when none does."""
    joined, taken = line, 0
    while taken < LONGEST:
        if taken == len(waiting):
            following = next(source, None)
            if following is None:
                return line
            waiting.append(following)
        joined += waiting[taken]
        taken += 1
        if WELL_FORMED.fullmatch(joined.rstrip(b"\r\n")):
            for _ in range(taken):
                waiting.popleft()
            return joined
    return line


def _unquoted(field: bytes) -> bytes:
    return field[1:-1].replace(b'""', b'"') if field.startswith(b'"') else field
