"""The end of a worker: nobody new comes in, and callers leave with their next answer, so that no request is cut off."""

import ctypes
import os
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path

LONGEST = 1.0  # Seconds that callers have to leave.
QUIET = 0.1  # Seconds without an answer after which all have left.
SO_ATTACH_FILTER = 26  # Of socket(7).
_ending = threading.Event()
_last = 0.0


def on_signal() -> None:
    """Let SIGTERM begin the end, and the SIGINT that follows be what granian stops at."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # In the threads that start later too.
    threading.Thread(target=_drain, name="drain", daemon=True).start()


def farewell(protocol: str) -> list[tuple[str, str]]:
    """Return the header that lets a caller of a worker that ends connect anew for the next request."""
    global _last  # noqa: PLW0603  # A process has one end, and its threads all tell of it here.
    if not _ending.is_set() or not protocol.startswith("HTTP/1"):
        return []
    _last = time.monotonic()
    return [("Connection", "close")]


def _drain() -> None:
    signal.sigwait({signal.SIGTERM})
    _close_the_door()
    _ending.set()
    start = time.monotonic()
    while (now := time.monotonic()) < start + LONGEST and now < max(start, _last) + QUIET:
        time.sleep(QUIET / 10)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _close_the_door() -> None:
    """Take no further connections, but all that wait; where a listener is closed instead, these are reset."""
    if sys.platform != "linux":
        return
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # A filter that returns 0: drop.
    program = struct.pack("HP", 1, ctypes.addressof(nothing))
    for path in list(Path("/proc/self/fd").iterdir()):
        try:
            with socket.socket(fileno=os.dup(int(path.name))) as found:
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        except OSError:  # No socket, or closed meanwhile.
            continue
