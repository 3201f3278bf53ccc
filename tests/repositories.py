"""Small working copies of this very repository, in which the real `dvc repro` runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from examples import ROOT
from fraud.params_file import Value, change
from warm import programs

BIN = Path(sys.executable).parent
SMALL: dict[str, Value] = {
    "simulate.weeks": 9,
    "simulate.rows_per_week": 1500,
    "simulate.fraud_rate": 0.03,
    "split.until": "2026-W08",
    "train.trees": 5,
    "train.folds": 2,
    "evaluate.samples": 50,
}
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_", "AWS_"))} | {
    "PATH": f"{BIN}:{os.environ['PATH']}",
    "PYTHONPATH": "src",
    "GIT_AUTHOR_NAME": "a test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "a test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
}


def warmed() -> dict[str, str]:
    """Return the environment in which `dvc` and `python -m` start at once."""
    return ENVIRONMENT | {"PATH": f"{programs()}:{ENVIRONMENT['PATH']}"}


class Repository:
    """A working copy, and the programs that run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *command: str, code: int = 0) -> str:
        """Return all that a command prints, once it ended with `code`."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=warmed(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == code, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=ENVIRONMENT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def repro(self, code: int = 0) -> str:
        """Do what `make repro` does once the environment is there."""
        return self.run("python", "-m", "fraud.loop.repro", code=code)

    def set(self, values: Mapping[str, Value]) -> None:
        """Change params.yaml."""
        change(values, self.path / "params.yaml")

    def commit(self) -> None:
        """Commit all that git does not ignore."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "a test")

    def lock(self) -> str:
        return (self.path / "dvc.lock").read_text()

    def copy(self, path: Path) -> "Repository":
        """Return a copy, DVC's cache and all."""
        shutil.copytree(self.path, path, symlinks=True)
        return Repository(path)


def small(path: Path) -> Repository:
    """Return a copy of the files that git knows or would take, with parameters that run in seconds, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(("dvc.lock", "reports/", "docs/model-card.md")):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path / name)
    repository = Repository(path)
    repository.set(SMALL)
    repository.run("git", "init", "-q", "-b", "main")
    repository.commit()
    return repository
