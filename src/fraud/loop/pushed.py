"""Say whether a push to main brought anything but a retraining, for a workflow that would only train the same again.

It runs with a bare Python, before the environment is made.
"""

import json
import re

from fraud.errors import run
from fraud.loop.git import git, is_here, shown, succeeds
from fraud.loop.progress import outputs

MOVED = {"params.yaml", "dvc.lock"}  # What a retraining changes, ...
FOLLOWS = re.compile(r"reports/.+|docs/model-card\.md|data/raw/[^/]+\.dvc")  # ... and what may change with these.
STARTS = ("data", "params.yaml", "dvc.yaml", "src")  # What starts the workflow when it changes.
UNTIL = re.compile(r"[-+]  until: .*")  # The window's end, the only such key of params.yaml.


def is_retraining(before: str) -> bool:
    """Return whether all that HEAD changed since a commit is the window's end, and what the graph made of that.

    It has to be made from main as it was at that commit: else main's code or data came later, was not trained on, and
    the round that its own push should have had may have been dropped from the queue in favour of this one.
    """
    changed = set(git("diff", "--name-only", "--no-renames", before, "HEAD").splitlines())
    if not changed >= MOVED or not all(map(FOLLOWS.fullmatch, changed - MOVED)):
        return False
    lines = git("diff", "--unified=0", before, "HEAD", "--", "params.yaml").splitlines()
    edited = [line for line in lines if line[:1] in {"-", "+"} and line[:4] not in {"--- ", "+++ "}]
    return len(edited) == 2 and all(map(UNTIL.fullmatch, edited)) and _was_made_from(before)


def _was_made_from(before: str) -> bool:
    try:
        base = str(json.loads(shown("HEAD", "reports/retrain.json"))["base"])
    except (ValueError, KeyError, TypeError):
        return False
    return is_here(base) and succeeds("diff", "--quiet", base, before, "--", *STARTS)


def main(*arguments: str) -> None:
    """Compare with commit SINCE=…; where git does not know it, or nothing was pushed, the loop has its round."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    since = given.get("SINCE", "")
    idle = is_here(since) and is_retraining(since)
    outputs({"round": str(not idle).lower()})
    if idle:
        print(f"since {since[:12]} main was only retrained; there is nothing to train anew")


if __name__ == "__main__":
    run(main)
