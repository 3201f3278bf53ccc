"""Run git, and read what its commits hold; nothing of DVC is imported, as MLflow's environment has none."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from fraud.errors import Problem

FAULT = re.compile(r"^(?:fatal|error): (.+)", re.MULTILINE)


def git(*words: str, at: Path = Path(), environment: Mapping[str, str] | None = None) -> str:
    """Return what git prints, less its last newline; where it refuses, its own words are the problem."""
    done = subprocess.run(["git", *words], cwd=at, env=environment, capture_output=True, check=False)
    return _printed(done).decode(errors="replace").rstrip("\n")


def git_bytes(*words: str, given: str = "") -> bytes:
    """Return the bytes that git prints when it is given a text."""
    return _printed(subprocess.run(["git", *words], input=given.encode(), capture_output=True, check=False))


def _printed(done: subprocess.CompletedProcess[bytes]) -> bytes:
    if done.returncode:
        told = (done.stderr or done.stdout).decode(errors="replace").strip()
        fault = FAULT.search(told)
        said = fault[1] if fault else (told.splitlines() or [f"nothing but {done.returncode}"])[-1]
        raise Problem(f"git: {said} (`{' '.join(done.args[:3])}`); run it in a clone of the repository, or mend that")
    return done.stdout


def succeeds(*words: str) -> bool:
    """Return whether git ends well."""
    return not subprocess.run(["git", *words], capture_output=True, check=False).returncode


def content(commit: str, path: str) -> bytes:
    """Return a file as a commit has it; nothing where it has none, or where there is no such commit."""
    return subprocess.run(["git", "show", f"{commit}:{path}"], capture_output=True, check=False).stdout


def shown(commit: str, path: str) -> str:
    """Return the text of a file as a commit has it, or nothing."""
    return content(commit, path).decode(errors="replace")


def resolved(name: str) -> str:
    """Return the commit that git knows by a name."""
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except Problem:
        raise Problem(f"git: found no commit '{name}'; `git fetch origin`, or mend the name") from None


def is_here(commit: str) -> bool:
    """Return whether git has a commit."""
    return re.fullmatch("[0-9a-f]{7,64}", commit) is not None and succeeds("cat-file", "-e", f"{commit}^{{commit}}")


def bring(commit: str, reference: str) -> None:
    """Fetch a reference from origin, unless its commit is here."""
    if not is_here(commit):
        subprocess.run(["git", "fetch", "--quiet", "origin", reference], check=False)
