"""The branch of a retraining: one commit on top of main, pushed only where that changes anything."""

import os
import subprocess
from pathlib import Path

from fraud.errors import Problem
from fraud.loop.git import git

MARK = "Retrained-Until"  # The trailer by which the loop knows its own commits.
AUTHOR = {"NAME": "fraud loop", "EMAIL": "loop@localhost"}


def name(week: str) -> str:
    """Return the branch on which the retraining up to a week is proposed."""
    return f"retrain/{week}"


def commit(week: str, title: str, at: Path) -> str:
    """Commit what the run changed, on the branch of `week`, and return the commit; the data is not in git."""
    git("checkout", "--quiet", "-B", name(week), at=at)
    git("add", "--all", at=at)
    message = f"{title}\n\n{MARK}: {week}"
    environment = os.environ | {
        f"GIT_{who}_{what}": os.environ.get(f"GIT_{who}_{what}") or _configured(what) or value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in AUTHOR.items()
    }
    git("commit", "--quiet", "--no-verify", "-m", message, at=at, environment=environment)
    return git("rev-parse", "HEAD", at=at)


def _configured(what: str) -> str:
    return git("config", "--get", "--default", "", f"user.{what.lower()}")


def push(week: str, base: str, at: Path) -> str:
    """Push the branch, unless it is there with the same files on the same commit; return the commit that is there.

    A branch to which somebody else committed is never overwritten.
    """
    branch = name(week)
    there = git("ls-remote", "origin", f"refs/heads/{branch}", at=at).partition("\t")[0]
    if there:
        git("fetch", "--quiet", "origin", there, at=at)
        if not _is_ours(there, base, at):
            raise Problem(
                f"{branch}: somebody committed to it on the server, and it stays as it is; merge it, or delete it with "
                f"`git push origin --delete {branch}`, then run it again"
            )
        if _same(there, base, at):
            git("reset", "--quiet", "--soft", there, at=at)
            return there
    git("push", "--quiet", f"--force-with-lease={branch}:{there}", "origin", f"HEAD:refs/heads/{branch}", at=at)
    return git("rev-parse", "HEAD", at=at)


def _is_ours(there: str, base: str, at: Path) -> bool:
    """Return whether the loop committed it, as who it is here; GitHub may have merged main into it since."""
    first, *merged = git("log", "-1", "--format=%P", there, at=at).split()
    if merged:
        return _is_in(merged[0], base, at) and _is_ours(first, base, at)
    shown = git("log", "-1", f"--format=%cn <%ce>%n%(trailers:key={MARK},valueonly)", there, at=at).splitlines()
    mine = git("log", "-1", "--format=%cn <%ce>", "HEAD", at=at)
    return len(shown) > 1 and shown[0] == mine


def _is_in(commit: str, base: str, at: Path) -> bool:
    command = ["git", "merge-base", "--is-ancestor", commit, base]
    return subprocess.run(command, cwd=at, capture_output=True, check=False).returncode == 0


def _same(there: str, base: str, at: Path) -> bool:
    """Return whether a commit has the files of HEAD, and the same parent."""
    trees = {git("rev-parse", f"{one}^{{tree}}", at=at) for one in (there, "HEAD")}
    return len(trees) == 1 and git("rev-parse", f"{there}^", at=at) == git("rev-parse", base, at=at)
