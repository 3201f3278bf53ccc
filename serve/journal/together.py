"""Threads that write together: one of them writes what all of them brought, in one transaction."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

from serve.journal.tables import Row


class Batch:
    """What one thread wants written: `standing` is set once it is durable, `error` where it cannot be."""

    __slots__ = ("call", "error", "rows", "standing")

    def __init__(self, rows: Sequence[Row]) -> None:
        """Want rows written."""
        self.rows = rows
        self.standing: list[Row] | None = None
        self.error: OSError | None = None
        self.call: SimpleQueue[None] = SimpleQueue()

    def done(self) -> bool:
        """Say whether nobody has to write it any more."""
        return self.standing is not None or self.error is not None


class Together:
    """A lock whose next holder does the work of all who wait, so that they need not take it one after another."""

    def __init__(self) -> None:
        """Begin with nobody at work."""
        self._lock = threading.Lock()
        self._waiting: deque[Batch] = deque()

    def write(self, batch: Batch, work: Callable[[], list[Batch]]) -> None:
        """Return when the batch is done, by `work` of this thread or another; it returns what it took and did."""
        self._waiting.append(batch)
        while not batch.done():
            if self._lock.acquire(blocking=False):
                try:
                    group = [] if batch.done() else work()
                finally:
                    self._release()
                for other in group:
                    other.call.put(None)
            else:
                batch.call.get()  # Until it is done, or nobody is at work and it is the first that waits.

    def take(self) -> list[Batch]:
        """Return all that wait; only the holder of the lock may ask."""
        group = []
        while self._waiting:
            group.append(self._waiting.popleft())
        return group

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock for something else."""
        self._lock.acquire()
        try:
            yield
        finally:
            self._release()

    def _release(self) -> None:
        self._lock.release()
        try:
            self._waiting[0].call.put(None)
        except IndexError:
            return
