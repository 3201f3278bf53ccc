"""How many bodies of a caller a worker reads at once, as each that is still coming holds one of its threads.

A caller may hold as many threads as it leaves to others, alone half of them, and all callers together never the last.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from serve.problems import Refusal

LEAST = 3  # Threads: one for a caller whose body stalls, one for all other bodies, and one for /health.
PATIENCE = 0.1  # Seconds in which some body of a caller ends, where they come whole and only the threads are busy.


class Reading:
    """The bodies that the threads of one worker read now, by caller."""

    def __init__(self, threads: int) -> None:
        """Know how many threads there are."""
        self._threads = max(LEAST, threads)
        self._bodies: Counter[str] = Counter()
        self._moved: dict[str, float] = {}  # When a body of the caller began or ended.
        self._change = threading.Condition(threading.Lock())

    @contextmanager
    def of(self, caller: str) -> Iterator[None]:
        """Count a body of `caller` until the block ends; refuse it where there are too many, and none of them ends."""
        with self._change:
            now = time.monotonic()
            if not self._change.wait_for(lambda: self._fits(caller), self._moved.get(caller, now) + PATIENCE - now):
                detail = (
                    f"{self._bodies[caller]} of your requests wait for their bodies; send these first, then ask again"
                )
                raise Refusal(429, detail, {"Retry-After": "1"})
            self._move(caller, 1)
        try:
            yield
        finally:
            with self._change:
                self._move(caller, -1)
                self._change.notify_all()

    def _fits(self, caller: str) -> bool:
        """Return whether, with one more body, the caller holds no more threads than are left."""
        return self._bodies[caller] + 1 <= self._threads - self._bodies.total() - 1

    def _move(self, caller: str, by: int) -> None:
        self._bodies[caller] += by
        self._moved[caller] = time.monotonic()
        if not self._bodies[caller]:
            del self._bodies[caller], self._moved[caller]
