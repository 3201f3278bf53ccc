"""Delete what is older than the setting allows, little by little, in one process only."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from serve.journal.tables import timestamp

AT_ONCE = 500  # Rows a transaction: some 10 ms for which a writer waits.
PAUSE = 0.05  # Seconds between two of them.
HOUR = 3600.0
logger = logging.getLogger("fraud.serve")
Delete = Callable[[str, int], int]  # (before, how many at most) -> how many it deleted


def start(days: float, run: Path, delete: Delete, closing: threading.Event) -> None:
    """Sweep hourly in a thread, in one of the processes that share the run folder."""
    threading.Thread(target=_sweep_hourly, args=(days, run, delete, closing), daemon=True, name="retention").start()


def sweep(days: float, delete: Delete, closing: threading.Event) -> int:
    """Delete requests older than `days`, and their labels, with pauses for the writers; return how many."""
    before = timestamp(timedelta(days=days))
    total = 0
    while deleted := delete(before, AT_ONCE):
        total += deleted
        if closing.wait(PAUSE):
            break
    return total


def _sweep_hourly(days: float, run: Path, delete: Delete, closing: threading.Event) -> None:
    file = os.open(run / "retention.lock", os.O_RDWR | os.O_CREAT, 0o600)
    while not closing.is_set():
        try:
            # Kept as long as the process lives; when it ends another takes over within the hour.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if deleted := sweep(days, delete, closing):
                logger.info("request log: %d predictions older than %g days are deleted", deleted, days)
        except BlockingIOError:
            pass
        except Exception as error:
            logger.warning("request log: retention stopped until the next hour: %s", error)
        closing.wait(HOUR)
    os.close(file)
