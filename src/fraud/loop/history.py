"""What git knows of this repository."""

import subprocess
from pathlib import Path

from fraud.errors import Problem
from fraud.loop.champion import LOCK, MODEL
from fraud.loop.lockfile import pinned


def git(*words: str) -> str:
    """Return what git prints; where it refuses, its last line is the problem."""
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"nothing, and ends with {done.returncode}"]
        raise Problem(f"`git {' '.join(words)}` says: {said[-1].removeprefix('fatal: ')}")
    return done.stdout


def model_at(commit: str) -> str | None:
    """Return the md5 of the model that dvc.lock pins in a commit, if there is one."""
    try:
        return pinned(git("show", f"{commit}:{LOCK}")).get(MODEL)
    except Problem:
        return None


def model_here() -> str:
    """Return the md5 of the model that dvc.lock pins in the working copy."""
    path = Path(LOCK)
    if not path.exists() or not (md5 := pinned(path.read_text(encoding="utf-8")).get(MODEL)):
        raise Problem(f"{LOCK}: pins no {MODEL}; run `make repro`, which makes it")
    return md5
