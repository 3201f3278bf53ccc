"""Say whether the model that dvc.lock pins changed since another commit, for a workflow that deploys on it."""

import sys

from fraud.errors import run
from fraud.loop.files import LOCK
from fraud.loop.lockfile import model_at, model_here
from fraud.loop.progress import outputs


def main(*arguments: str) -> None:
    """Compare with commit SINCE=…; one that git does not know, such as the first push of a branch, had no model."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    now, before = model_here(), model_at(given["SINCE"]) if given.get("SINCE") else None
    outputs({"changed": str(now != before).lower(), "md5": now, "before": before or ""})
    if now == before:
        print(f"{LOCK} pins the same model as {given['SINCE'][:12]}; nothing is deployed", file=sys.stderr)


if __name__ == "__main__":
    run(main)
