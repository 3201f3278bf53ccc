"""Open the pull request of a branch that was pushed, or update it, and close those that it supersedes; never merge."""

import re
from typing import Any, NamedTuple

from fraud.batches import in_order
from fraud.errors import Problem, run
from fraud.loop import notify
from fraud.loop.git import bring, git, resolved
from fraud.loop.lockfile import model_at
from fraud.loop.proposing import facts, github, proposal, remark
from fraud.loop.proposing.gh import Refused
from fraud.loop.proposing.github import Repository, ensured
from fraud.loop.proposing.proposal import MARKER, Text

PREFIX = "retrain/"
BRANCH = re.compile(r"(retrain|rollback)/[A-Za-z0-9][A-Za-z0-9._-]*")
BACK = "rollback/"
Pull = dict[str, Any]


class Wanted(NamedTuple):
    """The pull request that there should be."""

    branch: str
    base: str
    text: Text
    model: str  # Its md5.
    force: bool = False  # Even though one with this very model was merged, or closed by a person.


class Outcome(NamedTuple):
    """What became of it: the pull request that is open now, if one is, and what was done, in sentences."""

    pull: Pull | None
    sentences: list[str]
    new: bool = False


def propose(repository: Repository, wanted: Wanted) -> Outcome:
    """Leave the pull request of the newest week open, and none of an older one; what is done is not done again."""
    found = repository.listed("pulls", state="open", base=wanted.base)
    mine = [one for one in found if _is_inside(repository, one) and one["head"]["ref"] == wanted.branch]
    # A way back is of no week, and so newer than none.
    rivals = [] if wanted.branch.startswith(BACK) else found
    others = [one for one in rivals if _is_ours(repository, one) and one not in mine]
    newer = [one for one in others if newest([wanted.branch, one["head"]["ref"]]) != wanted.branch]
    if newer:
        why = f"#{newer[0]['number']} is open for a newer week"
        return Outcome(None, [f"{wanted.branch} is not proposed: {why}"])
    pull, sentence = (mine[0], _update(repository, mine[0], wanted)) if mine else _opened(repository, wanted)
    if pull is None:
        return Outcome(None, [sentence])
    said = [sentence, *(_supersede(repository, old["number"], pull["number"]) for old in others)]
    return Outcome(pull, said, new=not mine)


def newest(branches: list[str]) -> str:
    """Return the branch of the newest week."""
    return in_order(branches)[-1]


def _is_ours(repository: Repository, pull: Pull) -> bool:
    """Return whether the loop made a pull request; one from a fork may only look like it."""
    branch, body = pull["head"]["ref"], pull["body"] or ""
    named = branch.startswith(PREFIX) and BRANCH.fullmatch(branch) and MARKER.search(body)
    return bool(named) and _is_inside(repository, pull)


def _is_inside(repository: Repository, pull: Pull) -> bool:
    home = (pull["head"]["repo"] or {}).get("full_name", "")
    return home.casefold() == repository.name.casefold()


def _opened(repository: Repository, wanted: Wanted) -> tuple[Pull | None, str]:
    """Return a new pull request, or none where a person decided on it already; and what was done, in words."""
    if not wanted.force and (decided := _decided(repository, wanted)):
        return None, f"{wanted.branch} is not proposed: {decided}; FORCE=1 proposes it again"
    asked = {"head": wanted.branch, "base": wanted.base, **wanted.text._asdict()}
    pull = ensured(lambda: _find(repository, wanted), lambda: repository.ask("POST", "pulls", asked))
    return pull, f"#{pull['number']} opened: {pull['html_url']}"


def _find(repository: Repository, wanted: Wanted) -> Pull | None:
    return next(iter(_of_branch(repository, wanted, "open")), None)


def _of_branch(repository: Repository, wanted: Wanted, state: str) -> list[Pull]:
    head = f"{repository.owner}:{wanted.branch}"
    found = repository.listed("pulls", state=state, base=wanted.base, head=head)
    return [pull for pull in found if _is_inside(repository, pull)]


def _update(repository: Repository, pull: Pull, wanted: Wanted) -> str:
    """Replace title and body unless they were made from the same text; a person's touch to that stays."""
    where = f"#{pull['number']}"
    written, now = (MARKER.search(body or "") for body in (pull["body"], wanted.text.body))
    if written and now and written.groups() == now.groups():
        return f"{where} is open and says so already: {pull['html_url']}"
    repository.ask("PATCH", f"pulls/{pull['number']}", wanted.text._asdict())
    return f"{where} updated: {pull['html_url']}"


def _decided(repository: Repository, wanted: Wanted) -> str:
    """Return what a person decided on this very model, if anything; what the loop closed itself is no decision."""
    for pull in _of_branch(repository, wanted, "closed"):
        marker = MARKER.search(pull["body"] or "")
        if marker and marker[1] == wanted.model:
            if pull["merged_at"]:
                return f"#{pull['number']} with this very model was merged"
            if not remark.find(repository, pull["number"], remark.SUPERSEDED):
                return f"a person closed #{pull['number']} with this very model"
    return ""


def _supersede(repository: Repository, old: int, new: int) -> str:
    """Say in the old one which is newer, and then close it: killed in between, the next run closes it."""
    remark.ensure(repository, old, remark.SUPERSEDED, f"Superseded by #{new}, which is for a newer week.")
    repository.ask("PATCH", f"pulls/{old}", {"state": "closed"})
    return f"#{old} closed: superseded by #{new}"


def pushed(repository: Repository, branch: str) -> str:
    """Return the commit of a branch on GitHub, and fetch it unless it is here."""
    try:
        commit = str(repository.ask("GET", f"git/ref/heads/{branch}")["object"]["sha"])
    except Refused as refused:
        if refused.status != 404:
            raise
        raise Problem(f"{branch}: {repository.name} has no such branch; `git push origin {branch}` first") from None
    bring(commit, branch)
    return commit


def asked_branch(given: dict[str, str]) -> str:
    """Return the branch that WEEK or BRANCH names, or that of the newest week that git knows of here."""
    branch = given.get("BRANCH") or (PREFIX + given["WEEK"] if "WEEK" in given else "")
    if not branch:
        kept = [f"refs/heads/{PREFIX}", f"refs/remotes/origin/{PREFIX}"]
        names = git("for-each-ref", "--format=%(refname)", *kept).split()
        if not names:
            raise Problem(f"git: found no branch {PREFIX}<week>; `make retrain` makes one, or name one with WEEK=")
        branch = newest([PREFIX + name.rpartition("/")[2] for name in names])
    if not BRANCH.fullmatch(branch):
        raise Problem(f"BRANCH={branch}: expected {PREFIX}<week>, like {PREFIX}2026-W12, or {BACK}<model>")
    return branch


def main(*arguments: str) -> None:
    """Propose what the arguments NAME=value name, or print what would be said with DRY_RUN=1."""
    given = {name: value for name, _, value in (argument.partition("=") for argument in arguments) if value}
    branch, base = asked_branch(given), given.get("BASE", "main")
    if "DRY_RUN" in given:
        show(branch, base)
    else:
        put(branch, base, "FORCE" in given)


def show(branch: str, base: str) -> None:
    """Print the pull request of a branch, and ask nobody."""
    print(*_text(branch, _known(branch), base)[0], sep="\n\n")


def put(branch: str, base: str, force: bool) -> bool:
    """Open or update the pull request of a branch, and return whether it is open now; `force` is that of `Wanted`."""
    repository = github.here()
    repository.check()
    commit = pushed(repository, branch)
    text, model = _text(branch, commit, base)
    outcome = propose(repository, Wanted(branch, base, text, model, force))
    print(*outcome.sentences, sep="\n")
    if outcome.pull and outcome.new:
        notify.notify("pull-request", text.title, str(outcome.pull["html_url"]))
    return outcome.pull is not None


def _text(branch: str, commit: str, base: str) -> tuple[Text, str]:
    """Return what the pull request of a branch says, and the md5 of the model that it would bring."""
    if branch.startswith(BACK):
        return proposal.of_rollback(branch, commit), model_at(commit) or ""
    one = facts.read(branch, commit)
    return proposal.text(one, base, _artifacts()), one.model


def _artifacts() -> str | None:
    address = github.run_address()
    return address and f"{address}#artifacts"


def _known(branch: str) -> str:
    """Return the commit of a branch here, or of the one that was fetched."""
    try:
        return resolved(f"refs/heads/{branch}")
    except Problem:
        return resolved(f"refs/remotes/origin/{branch}")


if __name__ == "__main__":
    run(main)
