"""Run the graph, one run at a time: a second one says who runs, and waits."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from fraud.errors import Problem, run
from fraud.loop.files import LOCK
from fraud.loop.lockfile import changed
from fraud.outputs import whole
from fraud.yamlfile import read_yaml

RUNNING = Path(".dvc/tmp/repro.lock")
DVC_LOCK = Path(".dvc/tmp/rwlock")
PINNED = Path(LOCK)
KEPT = Path(".dvc/tmp/dvc.lock.before")  # It is there while DVC runs, and after a run that was killed.
HINT = re.compile(  # What DVC says on stdout to whoever runs it by hand.
    r"(To track the changes with git|To enable auto staging), run:|\tgit add .*|\tdvc config core\.autostage true|"
    r"Use `dvc push` to send your updates to remote storage\.|"
)
SPARE = 1_000_000  # With fewer bytes free, every other message is a consequence.


class Stopped(Problem):
    """The graph did not come to its end; whoever runs it adds what to run again."""


class Failed(Stopped):
    """A stage failed, and its own messages say why."""


@contextmanager
def alone(path: Path = RUNNING) -> Iterator[None]:
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


def forget_the_dead(path: Path = DVC_LOCK) -> None:
    """Remove DVC's own lock file when none of the processes in it lives: one that was killed leaves it behind."""
    if path.exists() and not any(map(_lives, re.findall(r'"pid": (\d+)', path.read_text(encoding="utf-8")))):
        path.unlink()


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")  # A killed process stays in the table until its parent has looked at it.
    return not (status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z")


@contextmanager
def lock_kept() -> Iterator[None]:
    """Keep a copy of dvc.lock while DVC runs, as it writes in place; what a killed run left behind mends a torn one."""
    if KEPT.exists() and PINNED.exists() and not _is_whole(PINNED):
        print("dvc.lock was torn when the last run was killed; it is back as it was before", file=sys.stderr)
        shutil.copyfile(KEPT, PINNED)
    with whole(KEPT) as draft:
        draft.write_bytes(PINNED.read_bytes() if PINNED.exists() else b"schema: '2.0'\n")
    yield
    KEPT.unlink()


def _is_whole(path: Path) -> bool:
    """Return whether each entry of dvc.lock is complete; missing entries do no harm."""
    try:
        stages = (read_yaml(path).get("stages") or {}).values()
        items = [item for stage in stages for kind in ("deps", "outs") for item in stage.get(kind) or ()]
        return all(isinstance(item["path"], str) and isinstance(item["md5"], str) for item in items)
    except (Problem, KeyError, TypeError, AttributeError):
        return False


def check_kept(before: str) -> None:
    """Stop when an output of this run is not in DVC's cache: DVC goes on, and ends well, when the disk is full."""
    made = changed(_text(), before)
    told = subprocess.run(["dvc", "data", "status", "--json"], check=True, capture_output=True, text=True).stdout
    if missing := [path for path in json.loads(told).get("not_in_cache", ()) if path.rstrip("/") in made]:
        raise Stopped(f"DVC could not keep {', '.join(missing)}; free some space")


def _text() -> str:
    return PINNED.read_text(encoding="utf-8") if PINNED.exists() else ""


def graph(*options: str, hints: bool = True) -> None:
    """Run `dvc repro` with these options; its own messages say what failed."""
    with alone():
        forget_the_dead()
        before = _text()
        with lock_kept():
            code = _dvc(options) if hints else _dvc_without_hints(options)
        if code and shutil.disk_usage(".").free < SPARE:
            raise Stopped("the graph did not run to its end; the disk is full: free some")
        if code:
            raise Failed("the graph did not run to its end; mend what the lines above name")
        if _text() != before:
            check_kept(before)


def _dvc(options: Sequence[str]) -> int:
    return subprocess.run(["dvc", "repro", *options], check=False).returncode


def _dvc_without_hints(options: Sequence[str]) -> int:
    """Leave out of stdout the lines that are hints, word for word, and blank ones; stderr has all errors, untouched."""
    command = ["dvc", "repro", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stdout or ():
            if not HINT.fullmatch(line.rstrip("\n")):
                print(line, end="", flush=True)
    return process.returncode


def main(*options: str) -> None:
    """Run the graph of this working copy."""
    try:
        graph(*options)
    except Stopped as stopped:
        raise Problem(f"{stopped}, then run `make repro` again") from None


if __name__ == "__main__":
    run(main)
