"""Waiting for what has to happen."""

import time
from collections.abc import Callable


def until(seen: Callable[[], bool], seconds: float = 120) -> None:
    """Return once it is seen; the limit is for what never happens, and far above what a loaded machine needs."""
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, f"it did not happen within {seconds} s"
        time.sleep(0.02)
