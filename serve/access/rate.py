"""How many requests a caller may make, or labels send: one limit for all threads of all workers, in a file they share.

The rule is GCRA. It keeps one number a caller, the time at which all requests so far would have arrived had they come
evenly. A request pushes it on by one interval, and is refused where that would lead more than a period ahead.
"""

import fcntl
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from serve.problems import Refusal
from serve.values import SECONDS, Limit

BUCKETS = 512
SLOTS = 8  # A bucket's callers; 4,096 in all.
BUCKET = struct.Struct(f"={SLOTS}Q{SLOTS}q")  # Who they are, and their times in nanoseconds.
ONE = struct.Struct("=q")
SIZE = BUCKETS * BUCKET.size
PAUSE = 0.00002  # Seconds between two looks at a lock that another worker holds.
LOCK_WITHIN = 0.25  # Seconds after which that worker is taken to be stopped, and the request passes uncounted.


class Rate:
    """The limit of each caller; the clock is the machine's, in nanoseconds since it started, which nobody can set."""

    def __init__(
        self, path: Path, limit: Limit, clock: Callable[[], int] = time.monotonic_ns, counted: str = "requests"
    ) -> None:
        """Open the file that all workers share, or make it; `counted` is for the one who gets too many."""
        self._limit = limit
        self._counted = counted
        self._clock = clock
        self._interval = -(-SECONDS[limit.period] * 10**9 // limit.requests)  # Rounded up: never more than the limit.
        self._ahead = self._interval * limit.requests
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(self._file, 0, SIZE)  # A disk that fills up later would kill who writes into a hole.
        self._table = mmap.mmap(self._file, SIZE)
        self._thread = threading.Lock()  # The file's lock is between processes only.

    def take(self, client: str) -> None:
        """Count a request of `client`, or refuse it."""
        digest = blake2b(client.encode(errors="backslashreplace"), digest_size=16).digest()
        who, place = int.from_bytes(digest[:8]), int.from_bytes(digest[8:]) % BUCKETS
        wait = self._count(who, place)
        if wait > 0:
            seconds = -(-wait // 10**9)
            most = f"the limit is {self._limit.requests} a {self._limit.period}"
            detail = f"too many {self._counted}: {most}; ask again in {seconds} s"
            raise Refusal(429, detail, {"Retry-After": str(seconds)})

    def _count(self, who: int, place: int) -> int:
        """Do as `_push` does, while nobody else has the bucket."""
        with self._thread:
            if not self._held(place):
                return 0
            try:
                return self._push(who, place * BUCKET.size)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

    def _push(self, who: int, start: int) -> int:
        """Return how many nanoseconds too early the request is; count it if it is not."""
        slots = BUCKET.unpack_from(self._table, start)
        callers, times = slots[:SLOTS], slots[SLOTS:]
        known = who in callers
        # A new caller gets the slot that was idle longest. Where none is idle it inherits what is owed there, so that
        # many names together never get more than their slots allow.
        slot = callers.index(who) if known else times.index(min(times))
        now = self._clock()
        arrival = max(times[slot], now) + self._interval
        wait = arrival - now - self._ahead
        if wait <= 0:
            ONE.pack_into(self._table, start + 8 * (SLOTS + slot), arrival)
            if not known:
                struct.pack_into("=Q", self._table, start + 8 * slot, who)
        return wait

    def _held(self, place: int) -> bool:
        """Lock a bucket against other workers; false where one that was stopped with the lock in hand keeps it."""
        until = time.monotonic() + LOCK_WITHIN
        while True:  # A lock that waits would be told of deadlocks with other files' locks that are none.
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                return True
            except (BlockingIOError, PermissionError):
                if time.monotonic() > until:
                    return False
                time.sleep(PAUSE)
