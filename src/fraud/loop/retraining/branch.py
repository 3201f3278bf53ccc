"""The branch of a retraining: one commit on top of main, pushed only where that changes anything."""

import os

from fraud.errors import Problem
from fraud.loop.git import git, succeeds

MARK = "Retrained-Until"  # The trailer by which the loop knows its own commits.
AUTHOR = {"NAME": "fraud loop", "EMAIL": "loop@localhost"}


def name(week: str) -> str:
    """Return the branch on which the retraining up to a week is proposed."""
    return f"retrain/{week}"


def commit(week: str, title: str) -> str:
    """Commit what the run changed, on the branch of `week`, and return the commit; the data is not in git."""
    git("checkout", "--quiet", "-B", name(week))
    git("add", "--all")
    message = f"{title}\n\n{MARK}: {week}"
    git("commit", "--quiet", "--no-verify", "-m", message, environment=_identity())
    return git("rev-parse", "HEAD")


def _identity() -> dict[str, str]:
    """Return the environment in which git knows who commits, also where nobody told it."""
    return os.environ | {
        f"GIT_{who}_{what}": os.environ.get(f"GIT_{who}_{what}") or _configured(what) or value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in AUTHOR.items()
    }


def _configured(what: str) -> str:
    return git("config", "--get", "--default", "", f"user.{what.lower()}")


def replaceable(week: str, base: str) -> str:
    """Return the commit of the branch on the server, or nothing where it has none.

    A branch to which somebody else committed is never overwritten, unless all of it is merged.
    """
    branch = name(week)
    there = git("ls-remote", "origin", f"refs/heads/{branch}").partition("\t")[0]
    if there:
        git("fetch", "--quiet", "origin", there)
        if not (succeeds("merge-base", "--is-ancestor", there, base) or _is_ours(there, base)):
            raise Problem(
                f"{branch}: somebody committed to it on the server, and it stays as it is; merge it, or delete it with "
                f"`git push origin --delete {branch}`, then run it again"
            )
    return there


def push(week: str, base: str) -> str:
    """Push the branch, unless it is there with the same files on the same commit; return the commit that is there."""
    branch, there = name(week), replaceable(week, base)
    if there and _same(there, base):
        git("reset", "--quiet", "--soft", there)
        return there
    git("push", "--quiet", f"--force-with-lease={branch}:{there}", "origin", f"HEAD:refs/heads/{branch}")
    return git("rev-parse", "HEAD")


def _is_ours(there: str, base: str) -> bool:
    """Return whether the loop committed it, as who it is here; GitHub may have merged main into it since."""
    first, *merged = git("log", "-1", "--format=%P", there).split()
    if merged:
        return succeeds("merge-base", "--is-ancestor", merged[0], base) and _is_ours(first, base)
    shown = git("log", "-1", f"--format=%cn <%ce>%n%(trailers:key={MARK},valueonly)", there).splitlines()
    mine = git("var", "GIT_COMMITTER_IDENT", environment=_identity()).rsplit(" ", 2)[0]
    return len(shown) > 1 and shown[0] == mine


def _same(there: str, base: str) -> bool:
    """Return whether a commit has the files of HEAD, and the same parent."""
    trees = {git("rev-parse", f"{one}^{{tree}}") for one in (there, "HEAD")}
    return len(trees) == 1 and git("rev-parse", f"{there}^") == git("rev-parse", base)
