"""Bring the stack of ops/compose.yaml up and down, once its secrets are good and there is an engine to do it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from fraud.errors import Problem, run
from fraud.loop import image
from fraud.operations.stack_secrets import COMPOSE, SETTINGS, check, required, settings, write

PROFILES = ("--profile", "s3", "--profile", "watch")
YES = "delete"


def engine() -> None:
    """Refuse a machine that cannot start containers."""
    if not shutil.which("docker"):
        raise Problem("docker: is not installed; install Docker Engine with its Compose plugin, then run it again")
    if _fails("docker", "compose", "version"):
        raise Problem("docker: has no Compose plugin; install 2.20.2 or newer, then run it again")
    if _fails("docker", "info"):
        raise Problem("docker: the engine does not answer; start it, or join its group, then run it again")


def _fails(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode != 0


def compose(*words: str, **more: str) -> None:
    """Run Compose; its output goes where ours goes."""
    command = ["docker", "compose", "--file", str(COMPOSE), *words]
    code = subprocess.run(command, check=False, env={**os.environ, **more}).returncode
    if code:
        raise Problem(f"`docker compose` ended with {code}; mend what it says above")


def up() -> None:
    """Build what is needed, start everything, and return when all is healthy."""
    check(settings(os.environ))
    engine()
    made = image.image()
    image.check(made)
    compose("up", "--detach", "--build", "--wait", MODEL_MD5=made.md5, GIT_REV=made.revision)
    print(f"up: `docker compose -f {COMPOSE} ps` lists it, `make stack-down` stops it and keeps its data")


def down(*words: str) -> None:
    """Stop everything; Compose wants all secrets even for that, so those that are gone are made up."""
    engine()
    given = settings(os.environ)
    compose(*PROFILES, "down", *words, **{name: "gone" for name in required() if not given.get(name)})


def clean() -> None:
    """Stop everything and delete its data, once a person has said so."""
    if os.environ.get("YES") != "1":
        print(
            f"deletes the request log, MLflow's runs and all else that the stack keeps; type {YES} to go on: ", end=""
        )
        sys.stdout.flush()
        if sys.stdin.readline().strip() != YES:
            raise Problem("nothing was deleted")
    down("--volumes")


def env() -> None:
    """Write .env."""
    print(f"{SETTINGS}: has {write()} random secrets now, and git ignores it; next: `make stack-up`")


VERBS: dict[str, Callable[[], None]] = {"env": env, "up": up, "down": down, "clean": clean}


def main(verb: str = "") -> None:
    """Do what `make stack-<verb>` asks for."""
    if verb not in VERBS:
        raise Problem(f"found '{verb}', expected {', '.join(VERBS)}")
    VERBS[verb]()


if __name__ == "__main__":
    run(main)
