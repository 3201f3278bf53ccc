"""Take main back to the model before this one, by a new commit: history stays, and nothing is pushed by force."""

import sys
from itertools import pairwise

from fraud.errors import Problem, run
from fraud.loop import past_settings
from fraud.loop.files import CARD, GRAPH, LOCK, MODEL, PARAMS, RAW, REPORTS, RETRAIN, SCHEMAS
from fraud.loop.git import git, resolved, shown
from fraud.loop.lockfile import model_at, recorded, stages
from fraud.loop.progress import outputs
from fraud.loop.transfer import pull
from fraud.outputs import whole

REMOTE, MAIN = "origin", "main"


def before() -> str:
    """Return the newest commit of main's line with the model before this one, of those that main never went back from.

    A pin that returns takes away what came after it, whoever brought it back: this, `git revert`, or a merge.
    """
    if git("rev-parse", "--is-shallow-repository") == "true":
        raise Problem("git: this history is cut off, and may hide a way back; `git fetch --unshallow`, or give TO=")
    changes = git("log", "--first-parent", "--reverse", "--format=%H", "--", LOCK).split()
    line: dict[str | None, str] = {}  # The commit after each model.
    for commit, after in pairwise([*changes, "HEAD"]):
        model, models = model_at(commit), list(line)
        kept = models[: models.index(model)] if model in line else models
        line = {one: line[one] for one in kept} | {model: after}
    others = [one for one in line if one not in (model_at("HEAD"), None)]
    if not others:
        raise Problem(f"{LOCK}: this history pins no other model that main did not go back from; name one with TO=")
    return git("rev-parse", f"{line[others[-1]]}^1")  # Just before the change, so that nothing else goes with it.


def restored(commit: str) -> list[str]:
    """Return the files to take from that commit, or to remove where it has none: what a retraining commits.

    They are the lock, the reports and model card that either lock pins, the pointers of the batches that either reads,
    and the report of the retraining.
    """
    locks = [{"stages": stages(shown(one, LOCK))} for one in (commit, "HEAD")]
    paths = {path for lock in locks for path in recorded(lock)}
    reports = {path for path in paths if path.startswith(f"{REPORTS}/") or path == CARD}
    pointers = {f"{path}.dvc" for path in paths if path.startswith(f"{RAW}/")}
    known = {name for tree in (commit, "HEAD") for name in git("ls-tree", "-r", "--name-only", tree).splitlines()}
    return [path for path in (LOCK, *sorted(reports | pointers | {RETRAIN})) if path in known]


def batches_back(commit: str) -> str:
    """Return which batches go back, and how those that came since return; nothing where none came."""
    pointers = [path for path in restored(commit) if path.startswith(f"{RAW}/")]
    moved = git("diff", "--name-only", "--no-renames", commit, "HEAD", "--", *pointers).split() if pointers else []
    if not moved:
        return ""
    return (
        f"The batches go back too ({', '.join(moved)}):\nthe next round of the loop brings weeks that came since again "
        f"from where they come from;\nthose that you added yourself stand in commit {git('rev-parse', 'HEAD')[:12]}."
    )


def roll_back(commit: str) -> str:
    """Commit the files of `commit` once its model is here, and return the md5; otherwise leave all as it was."""
    md5, now = model_at(commit), model_at("HEAD")
    if md5 is None or md5 == now:
        found = f"the model that is pinned now, {now}" if md5 else f"no {MODEL} in its {LOCK}"
        raise Problem(f"TO={commit}: found {found}; name a commit that pins another one")
    files, params, batches = restored(commit), past_settings.merged(commit), batches_back(commit)
    git("restore", f"--source={commit}", "--staged", "--worktree", "--", *files)
    try:
        with whole(PARAMS) as draft:
            draft.write_bytes(params.encode())
        pull(MODEL)
    except BaseException:
        git("restore", "--source=HEAD", "--staged", "--worktree", "--", *files, PARAMS)
        raise
    git("add", PARAMS)
    # No hook may stop it: code that changed since makes the lock of then stale, and main says so.
    told = [f"Go back to model {md5[:6]}", f"From {(now or 'none')[:6]}, as in {commit}.", batches]
    git("commit", "--no-verify", "-qm", "\n\n".join(told))
    return md5


def stale(commit: str) -> list[str]:
    """Return the code that this commit's lock pins and that changed since."""
    lock = shown(commit, LOCK)
    moved = git("diff", "--name-only", commit, "HEAD", "--", "src", GRAPH, SCHEMAS).split()
    return [name for name in moved if f"path: {name}\n" in lock or name == GRAPH]


def named(name: str) -> str:
    """Return the commit that a person names; it has to be in main's history, so that nobody's fork is served."""
    commit = resolved(name)
    if commit not in git("rev-list", "HEAD").split():
        raise Problem(f"TO={name}: it is not in the history of what is checked out; name a commit that is")
    return commit


def check_newest() -> None:
    """Stop where main has moved on, so that nothing is committed that cannot be pushed."""
    git("fetch", "-q", REMOTE, MAIN)
    if git("rev-list", "-n1", f"HEAD..{REMOTE}/{MAIN}"):
        raise Problem(f"{MAIN} has moved on at {REMOTE}; `git pull --rebase`, look at it, then run it again")


def push(md5: str) -> dict[str, str]:
    """Push to main where that is allowed, else to a branch that waits for a merge; return which of them it was."""
    sha = git("rev-parse", "HEAD")
    try:
        git("push", "-q", REMOTE, f"HEAD:refs/heads/{MAIN}")
    except Problem as problem:
        branch = f"rollback/{md5[:8]}-{sha[:8]}"
        git("push", "-q", REMOTE, f"HEAD:refs/heads/{branch}")
        print(f"{MAIN} takes no direct push ({problem}); {branch} waits to be merged", file=sys.stderr)
        return {"pushed": "false", "branch": branch, "sha": sha}
    return {"pushed": "true", "branch": MAIN, "sha": sha}


def main(*arguments: str) -> None:
    """Go back to the model before, or to that of TO=commit; with PUSH=1 push it."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    if git("status", "--porcelain", "--untracked-files=no"):
        raise Problem("this working copy has changes; commit or stash them, then run it again")
    if given.get("PUSH"):
        check_newest()
    commit = named(given["TO"]) if given.get("TO") else before()
    changed, batches, (back, stay) = stale(commit), batches_back(commit), past_settings.moved(commit)
    md5 = roll_back(commit)
    print(f"{LOCK} pins {md5} again, as in {commit[:12]}; one commit says so")
    if back:
        print(f"settings that go back with it, as it was made with them: {', '.join(back)}")
    if stay:
        print(f"settings that stay, as no stage reads them: {', '.join(stay)}")
    if batches:
        print(batches.replace("\n", " "))
    if changed:
        print(f"code of the graph changed since ({', '.join(changed)}): `make check` says so until `make repro`; "
              "a server does not mind")  # fmt: skip
    if given.get("PUSH"):
        outputs(push(md5))
    else:
        print(f"next: `git push {REMOTE} HEAD:{MAIN}`, then `make deploy`")


if __name__ == "__main__":
    run(main)
