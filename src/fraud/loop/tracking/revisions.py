"""The commits that pin something: of HEAD, of the experiments of `dvc exp run`, of main's whole history."""

import hashlib
import re
from typing import NamedTuple

from fraud.errors import Problem
from fraud.loop.files import LOCK
from fraud.loop.git import content, git

MAIN = "main"
EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")  # DVC has other refs there, for its queue.


class Revision(NamedTuple):
    """A commit by the name of its branch or its experiment, and the dvc.lock in it."""

    commit: str
    name: str
    experiment: bool
    author: str
    seconds: int  # Since 1970, when it was committed.
    lock: bytes

    @property
    def lock_md5(self) -> str:
        return hashlib.md5(self.lock, usedforsecurity=False).hexdigest()


def head() -> Revision:
    """Return the commit that brought the dvc.lock of HEAD, by the name of the branch that we are on."""
    lock = content("HEAD", LOCK)
    if not lock:
        raise Problem(f"HEAD: has no {LOCK}; run `make repro` and commit what it wrote")
    brought = git("log", "-1", "--format=%H", "HEAD", "--", LOCK)
    commit = brought if content(brought, LOCK) == lock else git("rev-parse", "HEAD")
    return _revision(commit, branch(), lock)


def branch() -> str:
    """Return the branch that we are on; none where HEAD is detached."""
    return git("branch", "--show-current")


def experiments() -> list[Revision]:
    """Return the experiments that `dvc exp run` has kept, oldest first."""
    lines = git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    named = [(commit, EXPERIMENT.fullmatch(name)) for commit, name in (line.split(" ", 1) for line in lines)]
    found = [(commit, match[1], content(commit, LOCK)) for commit, match in named if match]
    kept = [_revision(commit, name, lock)._replace(experiment=True) for commit, name, lock in found if lock]
    return sorted(kept, key=lambda one: one.seconds)


def history() -> list[Revision]:
    """Return the commits of main that changed dvc.lock, oldest first."""
    known = git("branch", "--all", "--format=%(refname)").split()
    main = next((name for name in (f"refs/heads/{MAIN}", f"refs/remotes/origin/{MAIN}") if name in known), None)
    if main is None:
        raise Problem(f"git knows no branch {MAIN}; `git fetch origin {MAIN}:{MAIN}`, or leave ALL=1 out")
    commits = git("log", "--reverse", "--format=%H", main, "--", LOCK).split()
    return [_revision(commit, MAIN, lock) for commit in commits if (lock := content(commit, LOCK))]


def files(commit: str, folder: str) -> list[str]:
    """Return the paths of all files that a commit has in a folder."""
    return git("ls-tree", "-r", "-z", "--name-only", commit, "--", folder).split("\0")[:-1]


def _revision(commit: str, name: str, lock: bytes) -> Revision:
    author, seconds = git("show", "--no-patch", "--format=%aN%n%ct", commit).splitlines()[:2]
    return Revision(commit, name or commit[:7], False, author, int(seconds), lock)
