"""Say whether the model that dvc.lock pins has still to be brought out, for a workflow that deploys on it."""

import sys

from fraud.errors import run
from fraud.loop.files import LOCK
from fraud.loop.lockfile import model_at, model_here
from fraud.loop.progress import outputs
from fraud.loop.server import Server


def main(*arguments: str) -> None:
    """Compare with commit SINCE=…, and with what SERVER=… serves, as an earlier deployment may not have got there.

    A commit that git does not know, such as the one before the first push, had no model.
    """
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    now, before = model_here(), model_at(given["SINCE"]) if given.get("SINCE") else None
    if now == before and given.get("SERVER"):
        before = Server(given["SERVER"], "").serves()
    outputs({"changed": str(now != before).lower(), "md5": now, "before": before or ""})
    if now == before:
        print(f"{LOCK} pins the same model as {given['SINCE'][:12]}; nothing is deployed", file=sys.stderr)


if __name__ == "__main__":
    run(main)
