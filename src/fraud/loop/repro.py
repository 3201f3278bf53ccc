"""Run the graph, one run at a time: a second one says who runs, and waits."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from fraud.errors import Problem, run

LOCK = Path(".dvc/tmp/repro.lock")


@contextmanager
def alone(path: Path = LOCK) -> Iterator[None]:
    """Hold the lock of this working copy; the system lets go of it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{_holder(file)} runs the graph here; waiting for it to end (Ctrl-C to stop)", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


def _holder(file: TextIO) -> str:
    file.seek(0)
    return file.read() or "another process"


def main(*targets: str) -> None:
    """Run `dvc repro`; its own messages say what failed."""
    with alone():
        code = subprocess.run(["dvc", "repro", *targets], check=False).returncode
    if code:
        raise Problem("the graph did not run to its end; mend what the lines above name, then run `make repro` again")


if __name__ == "__main__":
    run(main)
