"""The end of a worker: its callers leave after their next answer, so that no connection closes with a request in it."""

import signal
import threading
import time

LONGEST = 1.0  # Seconds that callers have to leave.
QUIET = 0.1  # Seconds without a request after which all have left.
_ending = threading.Event()
_last = 0.0


def on_signal() -> None:
    """Let SIGTERM begin the end, and the SIGINT that follows be what granian stops at."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # In the threads that start later too.
    threading.Thread(target=_drain, name="drain", daemon=True).start()


def begun() -> bool:
    """Say whether this worker is about to end."""
    return _ending.is_set()


def farewell(protocol: str) -> list[tuple[str, str]]:
    """Return the header that lets a caller of a worker that ends connect anew for the next request."""
    global _last  # noqa: PLW0603  # A process ends once.
    if not _ending.is_set() or not protocol.startswith("HTTP/1"):
        return []
    _last = time.monotonic()
    return [("Connection", "close")]


def _drain() -> None:
    signal.sigwait({signal.SIGTERM})
    _ending.set()
    start = time.monotonic()
    while (now := time.monotonic()) < start + LONGEST and now < max(start, _last) + QUIET:
        time.sleep(QUIET / 10)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
