"""Workflows of this repository, executed by act without Docker: real steps, real make, small stand-ins for actions.

`place()` makes a repository with a bare git remote, and `Place.run()` runs one of its workflows as a push, a schedule
or a hand would. A target of make that a test does not want to run for real gets a few lines of shell in its place.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from examples import ROOT
from repositories import BIN, Repository

WORKFLOWS = ROOT / ".github/workflows"
STAND_INS = ROOT / "tests/actions"
ROLE = "arn:aws:iam::123456789012:role/retrain"
TOKEN = "a-token-of-the-workflow"  # noqa: S105  # made up
REPOSITORY = "owner/name"
USES = re.compile(r"uses: +([^.\s][^@\s]*)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$", re.MULTILINE)
MAKE = """\
#!/bin/bash
# Writes down each call and what was in its environment; then does what the test put in its place, or what make does.
for word; do case "$word" in -*|*=*) ;; *) target=$word; break;; esac; done
printf '%s %s\\n' "$GITHUB_JOB" "$*" >>"$MADE"
{ env -0; for word; do case "$word" in *=*) printf '%s\\0' "$word";; esac; done; } >"$MADE.$GITHUB_JOB.$target"
[ ! -f "$INSTEAD/$target" ] || exec bash -e "$INSTEAD/$target"
exec "$REAL_MAKE" "$@"
"""


class Run(NamedTuple):
    """What became of a workflow: each job's result, the calls of make as `job words`, and all that was printed."""

    code: int
    jobs: dict[str, str]
    made: list[str]
    log: str
    folder: Path

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def targets(self, job: str) -> list[str]:
        """Return what a job made, in order."""
        return [call.partition(" ")[2] for call in self.made if call.startswith(f"{job} ")]

    def environment(self, job: str, target: str) -> dict[str, str]:
        """Return the environment in which make was called, with its own settings."""
        text = (self.folder / f"made.{job}.{target}").read_text()
        return dict(item.split("=", 1) for item in text.split("\0") if "=" in item)


class Place:
    """A repository, its bare remote, and what GitHub would know of it: variables, secrets, the role of AWS."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository, self.folder = repository, folder
        self.remote = folder / "origin.git"
        self.variables: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.key: tuple[str, str] = ("", "")  # What AWS gives to whoever has the role.
        self.settings: dict[str, str] = {}  # More of the runner's environment.
        self._runs = 0

    def push(self) -> str:
        """Push main, and return its commit."""
        self.repository.run("git", "push", "-q", "origin", "main")
        return self.head("main")

    def head(self, branch: str) -> str:
        """Return the commit of a branch at the remote."""
        return self.repository.run("git", "ls-remote", str(self.remote), f"refs/heads/{branch}").partition("\t")[0]

    def run(
        self,
        name: str,
        event: str,
        *,
        inputs: Mapping[str, str] | None = None,
        payload: Mapping[str, Any] | None = None,
        instead: Mapping[str, str] | None = None,
    ) -> Run:
        """Run a workflow on what main is here; `instead` is shell in place of targets of make."""
        self._runs += 1
        folder = self.folder / f"run{self._runs}"
        for part in "instead", "bin", "home", "artifacts":
            (folder / part).mkdir(parents=True)
        for target, lines in (instead or {}).items():
            (folder / "instead" / target).write_text(lines)
        (folder / "bin/make").write_text(MAKE)
        (folder / "bin/make").chmod(0o755)
        (folder / "event.json").write_text(json.dumps({"inputs": dict(inputs or {}), **(payload or {})}))
        command = [str(BIN / "act"), event, *self._arguments(folder, name), *_given("--input", inputs or {})]
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home")}
        done = subprocess.run(
            command, cwd=self.repository.path, env=environment, text=True, capture_output=True, check=False, timeout=900
        )
        made = folder / "made"
        calls = made.read_text().splitlines() if made.exists() else []
        return Run(done.returncode, _results(done.stdout), calls, _said(done.stdout) + done.stderr, folder)

    def _arguments(self, folder: Path, name: str) -> list[str]:
        settings = {
            "PATH": f"{folder}/bin:{BIN}:{os.environ['PATH']}",
            "GITHUB_REPOSITORY": REPOSITORY,
            "ORIGIN": str(self.remote),
            "ENVIRONMENTS": str(ROOT),
            "ARTIFACTS": str(folder / "artifacts"),
            "INSTEAD": str(folder / "instead"),
            "MADE": str(folder / "made"),
            "REAL_MAKE": str(shutil.which("make")),
            "KNOWN_ROLE": ROLE,
            "KNOWN_KEY": self.key[0],
            "KNOWN_SECRET": self.key[1],
            "DVC_SITE_CACHE_DIR": str(folder / "site"),
        }
        return [
            *("--workflows", f".github/workflows/{name}.yml", "--eventpath", str(folder / "event.json")),
            *("--platform", "ubuntu-24.04=-self-hosted", "--action-cache-path", str(folder / "act")),
            *("--no-cache-server", "--no-skip-checkout", "--json", "--concurrent-jobs", "1"),
            *(word for action, place in _actions().items() for word in ("--local-repository", f"{action}={place}")),
            *_given("--env", settings | self.settings),
            *_given("--var", self.variables),
            *_given("--secret", {"GITHUB_TOKEN": TOKEN} | self.secrets),
        ]


def _given(option: str, values: Mapping[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in (option, f"{name}={value}")]


def _actions() -> dict[str, Path]:
    """Return the stand-in for each action from outside."""
    texts = "".join(path.read_text() for path in WORKFLOWS.glob("*.yml"))
    return {f"{action}@{commit}": STAND_INS / action.partition("/")[2] for action, commit in USES.findall(texts)}


def _lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def _results(printed: str) -> dict[str, str]:
    """Return the result of each job that ran; one that was skipped is not there."""
    return {line["jobID"]: line["jobResult"] for line in _lines(printed) if "jobResult" in line}


def _said(printed: str) -> str:
    return "".join(str(line.get("msg", "")).rstrip("\n") + "\n" for line in _lines(printed))


def place(repository: Repository, folder: Path, only: Sequence[str] = ()) -> Place:
    """Give a repository the workflows and what they call, commit it, and make its bare remote with main in it."""
    for name in only or ("Makefile", ".github", "src", "requirements"):
        source, target = ROOT / name, repository.path / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
        else:
            shutil.copy(source, target)
    with (repository.path / ".gitignore").open("a") as file:
        file.write("/.venv\n/.venv-serve\n/.venv-node\n/artifact\n__pycache__\n")
    repository.commit()
    made = Place(repository, folder)
    repository.run("git", "init", "-q", "--bare", "-b", "main", str(made.remote))
    repository.run("git", "-C", str(made.remote), "config", "uploadpack.allowAnySHA1InWant", "true")
    repository.run("git", "remote", "add", "origin", str(made.remote))
    made.push()
    return made
