"""Run DVC against a remote, and say in one line why that does not answer."""

import json
import os
import subprocess
from typing import Any

from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.storing.refusals import cause

EMPTY = "does not exist"
ATTEMPTS = {
    "AWS_MAX_ATTEMPTS": "2"
}  # s3fs tries five times itself; with botocore's five each a dead server takes 35 s.


def dvc(*words: str) -> int:
    """Run a DVC command that shows its progress and its own errors; return its exit code."""
    return subprocess.run(["dvc", *words], check=False, env=ATTEMPTS | os.environ).returncode


def answer(*words: str) -> tuple[int, str]:
    """Return the exit code of a DVC command and what it printed, on stderr where it failed."""
    done = subprocess.run(["dvc", *words], capture_output=True, text=True, check=False, env=ATTEMPTS | os.environ)
    return done.returncode, done.stderr if done.returncode else done.stdout


def listed(name: str) -> list[str]:
    """Return what lies at the top of a remote; one that is away, or refuses us, is a problem."""
    where = remote.place(name)
    code, text = answer("ls-url", f"remote://{name}/")
    if not code:
        return text.split()
    found = cause(text)
    if found is None and EMPTY in text:
        return []
    raise Problem(f"{where}: {found or f'{_said(text)}; mend that, then run it again'}")


def status(*options: str) -> dict[str, Any]:
    """Return what `dvc data status` knows, file by file."""
    code, text = answer("data", "status", "--granular", "--json", *options)
    if code:
        raise Problem(f"`dvc data status` says: {_said(text)}; mend that, then run it again")
    return json.loads(text)


def _said(text: str) -> str:
    return text.strip().partition("\n")[0].removeprefix("ERROR: ").rstrip(".")
