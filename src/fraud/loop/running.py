"""Start a server on loopback, ask it, look at its processes in /proc, and stop it with all its children."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from fraud.errors import Problem

PATIENCE = 90  # Seconds that a server may take until its first answer, and to stop.
HELPERS = ("resource_tracker", "forkserver")  # Children that Python starts for its own book-keeping.


class Running:
    """A server in a process group of its own."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, token: str, output: Path) -> None:
        """Take the process, the address that answers, and the file that takes its output."""
        self.process = process
        self.url = url
        self.token = token
        self.output = output

    def post(self, body: bytes) -> bytes:
        """Post a body and return the answer; anything but a success is an OSError."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(self.url, body, headers)  # noqa: S310  # our own address
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  # the same
            content: bytes = answer.read()
        return content

    def first_answer(self, body: bytes) -> bytes:
        """Ask until the server answers with a success."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.post(body)
            except (OSError, HTTPException) as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise Problem(f"{self.url}: {error}; its last words: {self.last_words()}") from None
                time.sleep(0.01)

    def last_words(self) -> str:
        """Return the last line that the server printed."""
        lines = self.output.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "none")

    def workers(self) -> list[int]:
        """Return the ids of the processes that answer: all children of the first one, or itself when it has none."""
        children = [pid for pid in descendants(self.process.pid) if not any(name in words(pid) for name in HELPERS)]
        return sorted(children) or [self.process.pid]


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


@contextmanager
def running(
    command: Sequence[str], settings: Mapping[str, str], url: str, folder: Path, token: str = ""
) -> Iterator[Running]:
    """Run a server until the block ends; its output goes into a file in `folder`."""
    output = folder / "output.txt"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            env=environment | dict(settings),
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
    try:
        yield Running(process, url, token, output)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process gently, then whatever is left of its group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)


def descendants(pid: int) -> list[int]:
    """Return the ids of the children of a process, and of their children."""
    found = []
    with contextlib.suppress(OSError):  # It ended meanwhile.
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = [int(child) for child in (task / "children").read_text().split()]
            found += [one for child in children for one in (child, *descendants(child))]
    return found


def words(pid: int) -> str:
    """Return the command line of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors(pid: int) -> int:
    """Return how many files and sockets a process holds open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
