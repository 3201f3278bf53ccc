"""Build the image of the server with the pinned model inside, and publish it under its model and its commit."""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from fraud.errors import Problem, run
from fraud.loop.files import LOCK, MODEL
from fraud.loop.git import git
from fraud.loop.lockfile import model_here
from fraud.loop.progress import outputs
from fraud.outputs import md5_of

DOCKERFILE = "ops/Dockerfile"
# What an image is made of; changes of these that no commit has make its revision end in -dirty.
PARTS = (DOCKERFILE, ".dockerignore", LOCK, "requirements", "serve", "src/fraud")
BUILDERS = ("docker", "podman", "buildah")
LATEST = "latest"
LABEL, REVISION = "model.md5", "org.opencontainers.image.revision"


class Image(NamedTuple):
    """An image by its name without a tag, the md5 of the model in it, and the commit it is made from."""

    name: str
    md5: str
    revision: str

    @property
    def tags(self) -> list[str]:
        """Return its full names: that of the model, that of the commit, and the one that moves."""
        return [f"{self.name}:{tag}" for tag in (self.md5, self.revision, LATEST)]


def image(name: str = "") -> Image:
    """Return the image that this working copy makes."""
    return Image(name or default_name(), model_here(), revision())


def default_name() -> str:
    """Return the name of the image at GitHub's registry, which takes lower case alone; elsewhere a short one."""
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    return f"ghcr.io/{repository.lower()}" if repository else "fraud-api"


def revision() -> str:
    """Return the commit that is checked out, with -dirty behind it where a part of the image differs from it."""
    changes = git("status", "--porcelain", "--", *PARTS)
    return git("rev-parse", "HEAD").strip() + ("-dirty" if changes else "")


def builder(wanted: str = "") -> str:
    """Return the program that builds: the wanted one, or the first that is installed."""
    found = next((name for name in ([wanted] if wanted else BUILDERS) if shutil.which(name)), None)
    if not found:
        raise Problem(f"BUILDER: found no {wanted or ', '.join(BUILDERS)}; install one, or give BUILDER=path")
    return found


def build_words(program: str, made: Image, options: str = "") -> list[str]:
    """Return the command that builds an image; `options` are those of a person for their builder."""
    arguments = {"MODEL_MD5": made.md5, "GIT_REV": made.revision}
    if base := os.environ.get("BASE_IMAGE"):
        arguments["BASE_IMAGE"] = base
    words = [program, "build", "--file", DOCKERFILE]
    words += ["--format", "docker"] if Path(program).name != "docker" else []  # The other format has no HEALTHCHECK.
    words += [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    words += [part for tag in made.tags for part in ("--tag", tag)]
    return [*words, *shlex.split(options), "."]


def check(made: Image) -> None:
    """Refuse another model here than the pinned one."""
    if not Path(MODEL).exists() or (found := md5_of(Path(MODEL))) != made.md5:
        what = f"is {found[:6]}…" if Path(MODEL).exists() else "is not here"
        raise Problem(f"{MODEL} {what}, but {LOCK} pins {made.md5[:6]}…; run `make pull-model`")


def build(program: str, made: Image, options: str) -> None:
    """Build the image, once the model here is the pinned one."""
    check(made)
    ran("build", build_words(program, made, options))


def publish(program: str, made: Image) -> None:
    """Push the image under its three names, once it is seen to hold the model that dvc.lock pins."""
    if made.revision.endswith("-dirty"):
        raise Problem(
            f"git: found changes of {', '.join(PARTS)} that no commit has; commit them, then `make image publish`"
        )
    if (held := label(program, made.tags[1])) != made.md5:
        what = f"holds model {held[:6]}…" if held else "is not here, or does not say which model it holds"
        raise Problem(f"{made.tags[1]} {what}, but {LOCK} pins {made.md5[:6]}…; run `make image`")
    log_in(program, made.name)
    for tag in made.tags:
        ran("push", [program, "push", tag])


def label(program: str, tag: str) -> str:
    """Return which model an image here says it holds; its build checked that."""
    return str((config(program, tag).get("Labels") or {}).get(LABEL, ""))


def config(program: str, tag: str) -> dict[str, Any]:
    """Return what an image here says of itself; nothing where there is none."""
    words = [program, "inspect", "--type", "image", tag]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=without_token())
    try:
        said = json.loads(done.stdout)
        return dict(
            said[0]["Config"] if isinstance(said, list) else said["Docker"]["config"]
        )  # buildah has its own form
    except (ValueError, LookupError, TypeError):
        return {}


def log_in(program: str, name: str) -> None:
    """Log in to an image's registry, if there is a token; it goes by stdin, as everybody can read arguments."""
    user, token = os.environ.get("REGISTRY_USER", ""), os.environ.get("REGISTRY_TOKEN", "")
    if bool(user) != bool(token):
        raise Problem(f"{'REGISTRY_TOKEN' if user else 'REGISTRY_USER'}: not set, but the other is; set both, or none")
    if not user:
        return
    host = name.partition("/")[0]
    if "." not in host and ":" not in host:
        raise Problem(f"IMAGE={name}: names no registry; give IMAGE=host/owner/name")
    ran("login", [program, "login", "--username", user, "--password-stdin", host], token)


def ran(what: str, words: list[str], given: str | None = None) -> None:
    """Run a command of the builder; its output goes where ours goes."""
    code = subprocess.run(words, input=given, text=True, check=False, env=without_token()).returncode
    if code:
        raise Problem(f"`{Path(words[0]).name} {what}` ended with {code}; mend what it says above")


def without_token() -> dict[str, str]:
    """Return the environment that the builder needs."""
    return {name: value for name, value in os.environ.items() if name != "REGISTRY_TOKEN"}


def main(verb: str = "", *arguments: str) -> None:
    """Build or publish IMAGE=name with BUILDER=program, and print its names."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    made, program = image(given.get("IMAGE", "")), builder(given.get("BUILDER", ""))
    if verb == "build":
        build(program, made, given.get("OPTIONS", ""))
    elif verb == "publish":
        publish(program, made)
    else:
        raise Problem(f"found '{verb}', expected `make image` or `make publish`")
    outputs({"model": made.tags[0], "commit": made.tags[1], "latest": made.tags[2]})


if __name__ == "__main__":
    run(main)
