"""What the text of a setting may be: each function returns its value, or says what was found and what was expected.

No sentence here repeats a text that may hold a secret.
"""

import ipaddress
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from fraud.errors import Problem

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
LARGEST_BODY = 1024**3
VISIBLE = re.compile(r"[!-~]+")
DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


class Limit(NamedTuple):
    """So many requests in each period; as many may come at once."""

    requests: int
    period: str  # One of SECONDS.


def number(low: float, high: float) -> Callable[[str], float]:
    """Return a parser of numbers between two limits."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise Problem(f"found {text!r}, expected a number from {low:g} to {high:g}")
        return value

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers between two limits."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise Problem(f"found {text!r}, expected a whole number from {low} to {high}")
        return int(text)

    return parse


def choice(*words: str) -> Callable[[str], str]:
    """Return a parser of a few words."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise Problem(f"found {text!r}, expected {' or '.join(words)}")
        return text.lower()

    return parse


def yes(text: str) -> bool:
    """Return whether the text says yes."""
    return choice("yes", "no", "true", "false", "1", "0")(text) in ("yes", "true", "1")


def word(text: str) -> str:
    """Return a text without blanks."""
    if not VISIBLE.fullmatch(text):
        raise Problem(f"found {text!r}, expected visible ASCII characters without blanks")
    return text


def size(text: str) -> int:
    """Return a number of bytes."""
    match = re.fullmatch(r"([0-9]{1,12}) ?([KMG]?B)?", text.upper())
    value = int(match[1]) * UNITS[match[2] or ""] if match else 0
    if not 1 <= value <= LARGEST_BODY:
        raise Problem(f"found {text!r}, expected a size from 1B to 1GB such as 16MB, 512KB or 100000")
    return value


def limit(text: str) -> Limit:
    """Return a number of requests in a period."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})/(second|minute|hour|day)", text.lower())
    if not match:
        raise Problem(f"found {text!r}, expected a limit such as 100/second or 600/minute (or hour, day)")
    return Limit(int(match[1]), match[2])


def tokens(text: str) -> tuple[str, ...]:
    """Return the tokens between the commas."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for place, token in enumerate(found, start=1):
        if not VISIBLE.fullmatch(token):
            raise Problem(f"token {place} of {len(found)} holds a blank or no ASCII; use visible ASCII characters")
    if not found:
        raise Problem("found commas without a token, expected one token or more")
    return found


def readable(text: str) -> Path:
    """Return the path of a file that can be read."""
    try:
        with Path(text).open("rb"):
            return Path(text)
    except (OSError, ValueError) as error:  # The latter of a null character.
        reason = getattr(error, "strerror", error)
        raise Problem(f"found {text!r}, expected a file that can be read ({reason})") from None


def keys(text: str) -> str:
    """Return the https address of a key set, or the path of a file that holds one."""
    if "://" not in text:
        return str(readable(text))
    try:
        parts = urlsplit(text)
        safe = parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname or ""))
    except ValueError:
        safe = False
    if not safe or not parts.hostname or "@" in parts.netloc or not VISIBLE.fullmatch(text):
        raise Problem("expected the path of a file or an https:// address without a user (http:// on loopback only)")
    return text


def _loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def database(text: str) -> str:
    """Return the SQLAlchemy URL of an SQLite file or a PostgreSQL database, with the driver that is installed."""
    scheme, _, rest = text.partition("://")
    if scheme not in DRIVERS:
        raise Problem("expected an SQLAlchemy URL, sqlite:///… or postgresql://…")
    try:
        name = make_url(text).database
    except (ArgumentError, ValueError):
        raise Problem(f"found {scheme}:// and what is no address, expected user:password@host:port/database") from None
    if scheme == "sqlite" and (name in (None, "", ":memory:") or str(name).startswith("file:")):
        raise Problem("found SQLite in memory or `file:`; all workers share one file: expected its path, sqlite:///…")
    return f"{DRIVERS[scheme]}://{rest}"


def database_or_file(text: str) -> str:
    """Return the URL of a database; a bare path is an SQLite file."""
    return database(text if "://" in text else f"sqlite:///{text}")
