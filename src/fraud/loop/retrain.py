"""The loop: bring new weeks, look for drift, train anew, hold the model against main's, and propose it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

from fraud.errors import Problem, nearest
from fraud.errors import run as told
from fraud.loop import batch_sizes, notify, remote, transfer
from fraud.loop import propose as pull_request
from fraud.loop.collecting import weekly_place
from fraud.loop.command_line import Parser
from fraud.loop.git import git
from fraud.loop.progress import outputs, step
from fraud.loop.proposing import github
from fraud.loop.retraining import arrival, branch, candidate, delivered, scratch
from fraud.loop.retraining.candidate import Proposed, Seen
from fraud.loop.retraining.single import alone
from fraud.loop.retraining.window import FOUND, GIVEN, Cause
from fraud.loop.storing.storage import listed

FORM = "make retrain [FORCE=1] [REASON=schedule] [DRY_RUN=1] [BASE=main]"
REASONS = (*GIVEN, *FOUND)


class Worse(Problem):
    """The gate said no."""

    code = 3


class Options(NamedTuple):
    """What was asked for on the command line."""

    force: bool
    reason: str | None
    dry_run: bool
    only: str | None
    base: str
    messages: int | None

    @property
    def asked(self) -> str | None:
        """The reason that a person or a workflow gives."""
        return "force" if self.force else self.reason if self.reason in GIVEN else None


def options(words: Sequence[str]) -> Options:
    """Read the command line."""
    parser = Parser("make retrain", FORM)
    parser.add_argument("--force", action="store_true", help="train without drift and without another reason")
    parser.add_argument("--reason", help="why to train; what the data tells is found anew")
    parser.add_argument("--dry-run", action="store_true", help="print the pull request; change nothing out there")
    parser.add_argument("--only", choices=("drift", "candidate"), help="stop after the verdict, or after the push")
    parser.add_argument("--base", default="main", help="the branch that is deployed")
    parser.add_argument("--messages", type=int, help="the open file that takes what people are to be told, for watch")
    asked = Options(**vars(parser.parse_args(words)))
    if asked.reason and asked.reason not in REASONS:
        close = nearest(asked.reason, REASONS)
        raise Problem(f"REASON={asked.reason}: expected one of {', '.join(REASONS)}{close}; {FORM}")
    return asked


def check(asked: Options) -> str:
    """Return the commit to start from, once nothing is in the way of what is to be done."""
    if changes := git("status", "--porcelain"):
        raise Problem(
            f"{changes.splitlines()[0][3:]}: found changes that are not committed; commit or stash them first"
        )
    if asked.dry_run or asked.only == "drift":  # Nothing is pushed; a workflow's job has no key to origin then.
        return git("rev-parse", "HEAD")
    if "origin" not in git("remote").splitlines():
        raise Problem("git: found no remote 'origin' to propose to; `git remote add origin <url>`, or try DRY_RUN=1")
    git("fetch", "--quiet", "origin", f"+refs/heads/{asked.base}:refs/remotes/origin/{asked.base}")
    commit = git("rev-parse", f"origin/{asked.base}")
    if git("rev-parse", "HEAD") != commit:
        print(f"works on {asked.base} as it is on the server, {commit[:7]}, and not on what is checked out here")
    if asked.only is None:
        github.here().check()
    return commit


def check_places(asked: Options) -> None:
    """Raise that a bucket does not answer in which weeks lie, or data and models are to be put."""
    arrival.check(weekly_place.dataset())
    if not asked.dry_run and asked.only != "drift":
        listed(remote.default())


def refuse_worse(one: Proposed, asked: Options) -> None:
    """Stop where the gate said no; no proposal leaves this machine."""
    if one.judged.worse:
        outputs({"gate": "worse"})  # make hides the exit code from a workflow.
        tell(asked, "gate", f"The gate refused the model up to {one.until}", one.judged.sentence)
        raise Worse(
            f"no pull request: worse than the model of {asked.base} in {', '.join(one.judged.worse)}; the reports are "
            f"in {scratch.PLACE}"
        )


def tell(asked: Options, event: notify.Event, title: str, text: str) -> None:
    """Notify people, or whoever started this and knows what they were told; not in a dry run."""
    if asked.dry_run:
        return
    if asked.messages is None:
        notify.notify(event, title, text)
    else:
        os.write(asked.messages, json.dumps([event, title, text]).encode() + b"\n")


def push(one: Proposed, base: str, dry_run: bool) -> str:
    """Commit, and push the data first: a branch never pins what the remote does not hold. Return the commit."""
    commit = branch.commit(one.until, f"Retrain up to {one.until}: {one.cause.reason}")
    if dry_run:
        print("dry run: nothing is pushed")
        return commit
    transfer.push()
    delivered.prove(base)
    return branch.push(one.until, base)


def propose(one: Proposed, asked: Options) -> bool:
    """Open or update the pull request, or print it; return whether it is open now."""
    name = branch.name(one.until)
    if not asked.dry_run:
        return pull_request.put(name, asked.base, asked.force)
    pull_request.show(name, asked.base)
    return False


def track(root: Path) -> None:
    """Log the run to MLflow, where its environment is there; what fails there never undoes a proposal."""
    python = root / ".venv-mlflow/bin/python"
    if not python.exists():
        print("not tracked: `make track` was never run here")
        return
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
    command = [str(python), "-m", "fraud.loop.track"]
    if subprocess.run(command, env=os.environ | {"MLFLOW_TRACKING_URI": uri}, check=False).returncode:
        print("not tracked, as the line above says; `make track` tries again", file=sys.stderr)


def loop(asked: Options) -> None:
    """Do one round."""
    root = Path.cwd()
    step("check")
    commit = check(asked)
    with chdir(scratch.clone(commit, asked.base)):
        candidate.check_params()
        check_places(asked)
        step("collect")
        print("left out of a dry run" if asked.dry_run else arrival.collect(weekly_place.dataset(), root))
        step("fetch")
        arrival.fetch(weekly_place.dataset())
        step("drift")
        seen = candidate.look(asked.asked)
        batch_sizes.tell()
        why = seen.cause
        tell(asked, "looked", "", "")
        outputs({"fired": str(bool(why)).lower(), "reason": why.reason if why else "", "week": seen.until or ""})
        if why is None:
            print("no drift and no other reason to train: nothing to do")
        elif asked.only != "drift":
            answer(asked, seen, why, root)
        if not (why and asked.only == "drift"):  # Else other jobs go on.
            tell(asked, "success", "", "")


def answer(asked: Options, seen: Seen, why: Cause, root: Path) -> None:
    """Train, judge, push and propose."""
    if why.reason == "drift":
        tell(asked, "drift", f"Drift in {' and '.join(why.weeks)}", why.sentence)
    if seen.until and not asked.dry_run:
        branch.replaceable(seen.until, asked.base)  # Before the work, not after it.
    step("retrain", why.sentence)
    one = candidate.candidate(seen, why, asked.base)
    if one is None:
        return
    tell(asked, "judged", "", "")
    refuse_worse(one, asked)
    step("push")
    sha = push(one, asked.base, asked.dry_run)
    if not asked.dry_run:
        outputs({"branch": branch.name(one.until), "sha": sha})
    if asked.only != "candidate" or asked.dry_run:
        step("propose")
        if not propose(one, asked):  # MLflow's challenger is what is proposed.
            return
    step("track")
    track(root)


def main(*words: str) -> None:
    """Do one round, alone; whoever is told of problems hears of one."""
    asked = options(words)
    with alone():
        try:
            loop(asked)
        except Worse:
            raise
        except Exception as error:
            if "GITHUB_ACTIONS" not in os.environ:  # There a step of the workflow tells of whatever fails.
                tell(asked, "failed", "The loop failed", str(error))
            raise


if __name__ == "__main__":
    told(main)
