"""Comment on a pull request that touches dvc.lock: metrics, parameters and md5s, in one place that is kept current."""

from typing import Any

from fraud.errors import Problem, run
from fraud.loop.files import LOCK, MODEL
from fraud.loop.git import bring, git, is_here, succeeds
from fraud.loop.proposing import difference, github, remark
from fraud.loop.proposing.github import Repository
from fraud.loop.proposing.revision import Side, side

UNTOUCHED = f"By now this pull request leaves {LOCK} as it is: no metric, no data and no model changes."
OTHER_ROWS = "each side on other test rows, so they do not compare"
DEEPER = "`git fetch origin`, or check out with fetch-depth: 0"


def comment(repository: Repository, number: int) -> str:
    """Leave one comment, where there is something to say, and return in a sentence what was done."""
    pull = repository.ask("GET", f"pulls/{number}")
    before, after = ends(pull)
    found = remark.find(repository, number, remark.DIFFERENCE)
    where = f"#{number}"
    touched = not succeeds("diff", "--quiet", before, after, "--", LOCK)
    if not (touched or found):
        return f"{where} leaves {LOCK} as it is: nothing to say"
    text = said(side(before), side(after)) if touched else UNTOUCHED
    if not found:
        remark.ensure(repository, number, remark.DIFFERENCE, text)
        return f"{where}: commented"
    return f"{where}: comment {'updated' if remark.replace(repository, found, text) else 'says so already'}"


def ends(pull: dict[str, Any]) -> tuple[str, str]:
    """Return the commit at which a pull request left its base, and its newest one."""
    base, head = (str(pull[end]["sha"]) for end in ("base", "head"))
    bring(base, pull["base"]["ref"])
    bring(head, f"refs/pull/{pull['number']}/head")
    for commit in (base, head):
        if not is_here(commit):
            raise Problem(f"git: commit {commit[:12]} of #{pull['number']} is not here; {DEEPER}")
    try:
        return git("merge-base", base, head), head
    except Problem:
        raise Problem(f"git: found no commit that both sides of #{pull['number']} come from; {DEEPER}") from None


def said(before: Side, after: Side) -> str:
    """Return the comment: metrics, who gave the labels, parameters, and md5s of data and model."""
    same = before.pins.get(MODEL) == after.pins.get(MODEL)
    return "\n\n".join(
        [
            f"The model is {'the same' if same else 'another one'}. Before: where this branch left its base.",
            "### Metrics, " + ("both on the same test rows" if difference.same_rows(before, after) else OTHER_ROWS),
            difference.metrics(before, after),
            "### Where the labels come from",
            difference.labels(before, after),
            "### Parameters",
            difference.params(before, after),
            "### Data and model",
            difference.data(before, after),
            "`make gate` says whether the difference is more than chance.",
        ]
    )


def main(*arguments: str) -> None:
    """Comment on the pull request PR=number."""
    given = {name: value for name, _, value in (argument.partition("=") for argument in arguments) if value}
    if not given.get("PR", "").isdecimal():
        raise Problem(f"PR: found {given.get('PR', 'nothing')}, expected the number of a pull request, like PR=12")
    print(comment(github.here(), int(given["PR"])))


if __name__ == "__main__":
    run(main)
