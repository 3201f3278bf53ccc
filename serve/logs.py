"""What happens, as one JSON object a line on stdout; it holds no feature values and no tokens."""

import json
import logging
import os
import select
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

STDOUT = 1
LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}


def write(level: str, event: str, **members: Any) -> None:
    """Write a line; where the reader of a pipe has stopped reading, it is dropped, as answers must not wait for it."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = msgspec.json.encode({"ts": moment, "level": level, "event": event, **members})
    if not line.isascii():  # Some readers end a line at U+0085 or U+2028, and some terminals obey U+009B.
        line = json.dumps(json.loads(line)).encode()
    with suppress(OSError):  # Nor may they fail where nobody reads any more.
        if select.select((), (STDOUT,), (), 0)[1]:
            os.write(STDOUT, line + b"\n")


class Handler(logging.Handler):
    """Writes what libraries and parts log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, with the traceback if there is one."""
        members: dict[str, Any] = {"logger": record.name, "pid": os.getpid()}
        if record.exc_info:
            members["traceback"] = logging.Formatter().formatException(record.exc_info)
        write(LEVELS.get(record.levelname, "info"), record.getMessage(), **members)


def without_advice() -> Callable[[logging.LogRecord], bool]:
    """Return a filter of granian's advice on threads: a thread that waits for a slow caller takes no processor."""
    return lambda record: not record.getMessage().startswith("Configuration allows spawning up to")


CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"advice": {"()": "serve.logs.without_advice"}},
    "handlers": {"stdout": {"class": "serve.logs.Handler"}},
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {
        "_granian": {"propagate": True, "handlers": [], "filters": ["advice"]},
        "granian.access": {"propagate": True, "handlers": []},
        "alembic": {"level": "WARNING"},
    },
}
