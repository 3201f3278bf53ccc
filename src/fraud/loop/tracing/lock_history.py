"""Which model dvc.lock pinned in which commit: from git alone."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

from fraud.loop.files import LOCK
from fraud.loop.git import git, git_bytes
from fraud.loop.lockfile import model_in

FORMAT = "%x1e%H%x1f%P%x1f%aN%x1f%at%x1f%ct%x1f%s%x1f%(trailers:key=Pull-request,valueonly,separator=%x2C)"
NUMBERS = (  # How a pull request stands in a commit: merged, squashed, named in a trailer of ours.
    re.compile(r"Merge pull request #(\d+) from "),
    re.compile(r".*\(#(\d+)\)$"),
)
TRAILER = re.compile(r"(?:\S*/pull/|#)?(\d+)\b")


class Commit(NamedTuple):
    """A commit, and the number of the pull request that its message names."""

    revision: str
    parents: list[str]
    author: str
    authored: datetime
    committed: datetime
    subject: str
    pull_request: int | None


class History(NamedTuple):
    """All commits on branches and tags, newest first, and those that main itself stood at, oldest first."""

    trunk: str
    shallow: bool
    commits: dict[str, Commit]
    main: list[Commit]


class Span(NamedTuple):
    """A time in which main pinned a model: from the first commit until another pinned something else."""

    first: Commit
    commits: int
    until: Commit | None


class Pinning(NamedTuple):
    """A commit that pins a model, and the commit of main that brought it there, if any did."""

    commit: Commit
    brought: Commit | None

    @property
    def pull_request(self) -> int | None:
        """The number that its own message names, or that of the merge which brought it to main."""
        return self.commit.pull_request or (self.brought.pull_request if self.brought else None)


class Pins(NamedTuple):
    """Where a model is pinned: on main, span by span, and in each single commit, oldest first."""

    spans: list[Span]
    commits: list[Pinning]

    @property
    def origin(self) -> Commit | None:
        """The first commit that pinned it, of those that reached main if any did."""
        there = [one.commit for one in self.commits if one.brought] or [one.commit for one in self.commits]
        return there[0] if there else None


def read() -> History:
    """Return the history of this clone."""
    words = ("log", "--topo-order", "--branches", "--tags", "--remotes", "HEAD", f"--format={FORMAT}")
    records = git("-c", "log.showSignature=false", *words).split("\x1e")[1:]
    commits = {commit.revision: commit for commit in map(_commit, records)}
    trunk = _trunk()
    main = git("rev-list", "--first-parent", "--reverse", trunk).split()
    shallow = git("rev-parse", "--is-shallow-repository").strip() == "true"
    return History(trunk, shallow, commits, [commits[revision] for revision in main])


def _commit(record: str) -> Commit:
    revision, parents, author, authored, committed, subject, trailer = record.rstrip("\n").split("\x1f", 6)
    matches = [pattern.match(subject) for pattern in NUMBERS] + [TRAILER.match(trailer.strip())]
    number = next((int(match[1]) for match in matches if match), None)
    times = [datetime.fromtimestamp(int(seconds), UTC) for seconds in (authored, committed)]
    return Commit(revision, parents.split(), author, times[0], times[1], subject, number)


def _trunk() -> str:
    """Return main as it is known best: the newer one of ours and the remote's, and the remote's where they part."""
    names = [name for name in ("origin/main", "main") if _exists(name)]
    if len(names) == 2 and git("merge-base", "--all", *names).split() == git("rev-parse", "origin/main").split():
        return "main"
    return names[0] if names else "HEAD"


def _exists(name: str) -> bool:
    full = f"refs/remotes/{name}" if "/" in name else f"refs/heads/{name}"
    return bool(git("for-each-ref", full))


def pins(history: History, md5: str) -> Pins:
    """Return every commit whose dvc.lock pins a model."""
    locks = _locks(history.commits)
    naming = {blob: content for blob, content in _contents(set(locks.values())) if md5.encode() in content}
    blobs = {blob for blob, content in naming.items() if model_in(content.decode(errors="replace")) == md5}
    found = {revision for revision, blob in locks.items() if blob in blobs}
    brought = _brought(history)
    oldest_first = [history.commits[revision] for revision in reversed(history.commits) if revision in found]
    return Pins(_spans(history.main, found), [Pinning(one, brought.get(one.revision)) for one in oldest_first])


def standing(history: History, time: datetime) -> Commit | None:
    """Return the commit that main stood at; a commit with a wrong clock gives way to those that came after it."""
    return next((commit for commit in reversed(history.main) if commit.committed <= time), None)


def _spans(main: list[Commit], found: set[str]) -> list[Span]:
    groups = [(pins, list(group)) for pins, group in groupby(main, lambda commit: commit.revision in found)]
    ends = [group[0] for _, group in groups[1:]] + [None]
    return [Span(group[0], len(group), end) for (pins, group), end in zip(groups, ends, strict=True) if pins]


def _brought(history: History) -> dict[str, Commit]:
    """Return for each commit that main has the one by which it came there."""
    found: dict[str, Commit] = {}
    for commit in history.main:
        waiting = [commit.revision]
        while waiting:
            revision = waiting.pop()
            if revision not in found:
                found[revision] = commit
                waiting += history.commits[revision].parents
    return found


def _locks(revisions: Iterable[str]) -> dict[str, str]:
    """Return the name of the content of dvc.lock in each commit that has one."""
    asked = list(revisions)
    given = "".join(f"{one}:{LOCK}\n" for one in asked)
    lines = git_bytes("cat-file", "--batch-check=%(objectname)", given=given).decode().splitlines()
    named = zip(asked, lines, strict=True)
    return {revision: line for revision, line in named if not line.endswith("missing")}


def _contents(blobs: set[str]) -> Iterator[tuple[str, bytes]]:
    printed, start = git_bytes("cat-file", "--batch", given="".join(f"{blob}\n" for blob in blobs)), 0
    while start < len(printed):
        end = printed.index(b"\n", start)
        blob, _, size = printed[start:end].decode().split()
        yield blob, printed[end + 1 : end + 1 + int(size)]
        start = end + int(size) + 2
