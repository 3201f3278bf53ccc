"""Load a server with wrk, which posts different bodies in turn."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import msgspec

from fraud.errors import Problem
from fraud.loop.running import Running

SCRIPT = Path("peers/post.lua")


class Pace(NamedTuple):
    """How long each connection pauses before a request, in ms, and after how many seconds it sends no more."""

    pause: int
    silent: int


class Load(msgspec.Struct):
    """What wrk saw: answers of any status, those above 399, and connections that were lost."""

    answers: int
    seconds: float
    refused: int
    lost: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def wrk() -> str:
    """Return the path of wrk."""
    found = shutil.which("wrk")
    if not found:
        raise Problem("wrk is not installed; install it with `apt-get install wrk`, or from github.com/wg/wrk")
    return found


def load(server: Running, bodies: Path, connections: int, seconds: float, pace: Pace | None = None) -> Load:
    """Post the lines of `bodies` in turn for some seconds; an answer that is no success is a problem."""
    options = ["-t", "1", "-c", str(connections), "-d", f"{seconds:.0f}s", "--timeout", "30s", "-s", str(SCRIPT)]
    command = [wrk(), *options, server.url, "--", str(bodies), server.token or "none", *map(str, pace or ())]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found = read(done.stdout) if done.returncode == 0 else None
    if found is None:
        raise Problem(f"wrk ended with: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    if found.refused or found.lost:
        raise Problem(
            f"{server.url}: of {found.answers} answers {found.refused} were no success, and {found.lost} "
            f"connections were lost; the server's last words: {server.last_words()}"
        )
    return found


def read(output: str) -> Load:
    """Return what the script printed last."""
    return msgspec.json.decode(output.strip().splitlines()[-1], type=Load)
