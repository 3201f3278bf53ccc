"""Run the graph, one run at a time: a second one says who runs, and waits."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from fraud.errors import Problem, run
from fraud.outputs import md5_of

LOCK = Path(".dvc/tmp/repro.lock")
PINNED = Path("dvc.lock")
SPARE = 1_000_000  # With fewer bytes free, every other message is a consequence.


@contextmanager
def alone(path: Path = LOCK) -> Iterator[None]:
    """Hold the lock of this working copy; the system lets go of it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{_holder(file)} is at work here; waiting for it to end (Ctrl-C to stop)", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


def _holder(file: TextIO) -> str:
    file.seek(0)
    return file.read() or "another process"


def check_kept() -> None:
    """Stop when an output is pinned but not in DVC's cache: DVC goes on, and ends well, when the disk is full."""
    told = subprocess.run(["dvc", "data", "status", "--json"], check=True, capture_output=True, text=True).stdout
    if missing := json.loads(told).get("not_in_cache"):
        raise Problem(f"DVC could not keep {', '.join(missing)}; free some space, then run `make repro` again")


def main(*options: str) -> None:
    """Run `dvc repro` with these options; its own messages say what failed."""
    with alone():
        before = md5_of(PINNED) if PINNED.exists() else ""
        code = subprocess.run(["dvc", "repro", *options], check=False).returncode
        if code:
            full = shutil.disk_usage(".").free < SPARE
            what = "the disk is full: free some" if full else "mend what the lines above name"
            raise Problem(f"the graph did not run to its end; {what}, then run `make repro` again")
        if md5_of(PINNED) != before:
            check_kept()


if __name__ == "__main__":
    run(main)
