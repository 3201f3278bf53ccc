"""One run of the loop at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud.errors import Problem

RUNNING = Path(".dvc/tmp/retrain.lock")


class Busy(Problem):
    """Another run is at work, and will do what this one would."""

    code = 4


@contextmanager
def alone() -> Iterator[None]:
    """Hold the lock of the loop, or say who does."""
    RUNNING.parent.mkdir(parents=True, exist_ok=True)
    with RUNNING.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Busy(f"{file.read()} retrains here already; look at what it prints, or wait for it to end") from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
