"""A working copy with what the loop commits, its bare remote, and the fake GitHub that stands before that remote."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from examples import ROOT
from github import GitHub
from loopback import serving
from needed import needed
from repositories import Repository, warmed

OUTSIDE = ("GH_", "GITHUB_", "SSL_CERT_")
OLD, NEW = "0" * 32, "1" * 32  # The models of main and of a proposal.
TABLE = """\
| metric | champion | candidate | difference | 95 % interval | tolerance | verdict |
|---|---:|---:|---:|---|---:|---|
| recall | 0.8540 | 0.8759 | +0.0219 | +0.0000 to +0.0638 | 0.05 | cannot tell with 137 frauds |"""
GATE = {
    "verdict": "not worse",
    "sentence": "Not worse, as far as 137 frauds can tell: they leave open how recall differ from the model of main.",
    "champion": OLD,
    "candidate": NEW,
    "rows": 20000,
    "frauds": 137,
    "table": TABLE,
}


class Loop(Repository):
    """A working copy whose programs reach the fake GitHub and nothing else of the kind."""

    server: GitHub

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in warmed().items() if not name.startswith(OUTSIDE)}
        needed(shutil.which("gh", path=kept["PATH"]), "gh")
        return kept | self.server.environment | {"PYTHONPATH": str(ROOT / "src")} | more

    def loop(self, verb: str, *arguments: str, code: int = 0, **more: str) -> str:
        """Do what `make <verb>` does, and return all that it prints."""
        done = subprocess.run(
            ["python", "-m", f"fraud.loop.{verb}", *arguments],
            cwd=self.path,
            env=self.environment(**more),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == code, f"{verb} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def changes(self) -> list[str]:
        """Return the requests that changed something on GitHub, and forget all."""
        lines = [request.line for request in self.server.requests if request.method != "GET"]
        self.server.requests.clear()
        return lines

    def commit_all(self, message: str = "a test") -> str:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)
        return self.head()

    def head(self) -> str:
        return self.run("git", "rev-parse", "HEAD").strip()

    def json(self, path: str, change: Callable[[Any], Any]) -> None:
        """Change a report."""
        value = json.loads((self.path / path).read_text())
        (self.path / path).write_text(json.dumps(change(value) or value))

    def model(self, md5: str) -> None:
        """Let dvc.lock pin another model."""
        yaml = YAML(typ="safe")
        lock = yaml.load((self.path / "dvc.lock").read_text())
        for stage in lock["stages"].values():
            for entry in (*stage.get("deps", ()), *stage.get("outs", ())):
                if entry["path"] == "models/model.onnx":
                    entry["md5"] = md5
        (self.path / "dvc.lock").write_text(json.dumps(lock))  # JSON is YAML.

    def branch(self, week: str, model: str = NEW, gate: Mapping[str, Any] = GATE, **retrain: Any) -> str:
        """Push branch retrain/<week> as `make retrain` would, and return its commit; main is checked out after."""
        self.run("git", "checkout", "-q", "-B", f"retrain/{week}", "main")
        base = self.head()
        text = (self.path / "params.yaml").read_text().replace("until: 2026-W08", f"until: {week}")
        (self.path / "params.yaml").write_text(text)
        self.model(model)
        report = {"reason": "drift", "week": week, "until": {"from": "2026-W08", "to": week}, "drifted": ["2026-W10"]}
        report |= {"base": base, "gate": {**gate, "candidate": model}, **retrain}
        (self.path / "reports/retrain.json").write_text(json.dumps(report))
        commit = self.commit_all(f"Retrain on {week}")
        self.run("git", "push", "-qf", "origin", f"retrain/{week}")
        self.run("git", "checkout", "-q", "main")
        return commit


def working_copy(folder: Path) -> Loop:
    """Return a working copy with the reports, parameters and lock of this repository, pushed to a bare remote."""
    work = Loop(folder / "work")
    for name in (
        "dvc.lock",
        "params.yaml",
        *(f"reports/{part}.json" for part in ("drift", "metrics", "estimate", "split", "ingest")),
    ):
        (work.path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, work.path / name)
    work.model(OLD)
    work.run("git", "init", "-q", "-b", "main")
    work.run("git", "init", "-q", "--bare", "-b", "main", f"{folder}/origin.git")
    work.run("git", "remote", "add", "origin", f"{folder}/origin.git")
    work.commit_all()
    work.run("git", "push", "-q", "origin", "main")
    return work


@contextmanager
def beside_github(folder: Path, certificate: Path) -> Iterator[Loop]:
    """Yield a working copy beside GitHub."""
    work = working_copy(folder)
    with serving(GitHub(folder / "origin.git", certificate)) as server:
        work.server = server
        yield work


@contextmanager
def inside(work: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """Let this very process stand in the working copy, with its environment."""
    for name in [name for name in os.environ if name.startswith(OUTSIDE)]:
        monkeypatch.delenv(name)
    for name, value in work.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(work.path)
    yield work
