"""A real MLflow server on loopback, asked over HTTP: the tests' own environment has no MLflow."""

import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from examples import ROOT
from fraud.loop.tracking import mlflow_place
from needed import needed
from s3 import free_port
from warm import TRACKING, started

PYTHON = ROOT / mlflow_place.PYTHON


def python() -> str:
    """Return the Python that has MLflow."""
    return needed(PYTHON if PYTHON.exists() else None, PYTHON.parts[-3], "make .venv-mlflow/ready")


@cache
def warm_python() -> str:
    """Return a Python whose modules begin with MLflow imported; it lives as long as these tests."""
    return str(started(python(), TRACKING, {"python": []}, **environment()) / "python")


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that must not see the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "GIT_"))}
    return kept | mlflow_place.ENVIRONMENT | {"ORT_DISABLE_TELEMETRY": "1"} | more


class Server:
    """What it keeps, by the names of experiments and models."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def ask(self, path: str, **fields: Any) -> Any:
        """Return the answer to a POST with these fields."""
        body = json.dumps(fields).encode()
        request = urllib.request.Request(  # noqa: S310  # our own address
            f"{self.uri}/api/2.0/mlflow/{path}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # the same
            return json.load(answer)

    def look(self, what: str, **query: str) -> Any:
        """Return the answer to a GET."""
        address = f"{self.uri}/api/2.0/mlflow/{what}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310  # our own address
            return json.load(answer)

    def runs(self, experiment: str) -> list["Run"]:
        """Return all runs that are not deleted, finished or not."""
        known = self.ask("experiments/search", max_results=1000).get("experiments", [])
        ids = [one["experiment_id"] for one in known if one["name"] == experiment]
        return [Run(self, one) for one in self.ask("runs/search", experiment_ids=ids).get("runs", [])] if ids else []

    def versions(self, model: str) -> dict[str, dict[str, str]]:
        """Return the tags of each version."""
        found = self.look("model-versions/search", filter=f"name = '{model}'").get("model_versions", [])
        return {one["version"]: _by_key(one.get("tags", [])) for one in found}

    def aliases(self, model: str) -> dict[str, str]:
        found = self.look("registered-models/get", name=model)["registered_model"]
        return {one["alias"]: one["version"] for one in found.get("aliases", [])}


class Run:
    """A run as the server tells of it."""

    def __init__(self, server: Server, told: dict[str, Any]) -> None:
        self.server, self.info = server, told["info"]
        data = told["data"]
        self.params, self.tags = _by_key(data.get("params", [])), _by_key(data.get("tags", []))
        self.metrics = {one["key"]: one["value"] for one in data.get("metrics", [])}

    @property
    def id(self) -> str:
        return str(self.info["run_id"])

    @property
    def status(self) -> str:
        return str(self.info["status"])

    def history(self, metric: str) -> list[tuple[int, float]]:
        """Return steps and values of a metric."""
        found = self.server.look("metrics/get-history", run_id=self.id, metric_key=metric)["metrics"]
        return [(int(one.get("step", 0)), one["value"]) for one in found]

    def files(self, folder: str = "") -> set[str]:
        """Return the paths of all its files."""
        found: set[str] = set()
        for one in self.server.look("artifacts/list", run_id=self.id, path=folder).get("files", []):
            found |= self.files(one["path"]) if one["is_dir"] else {one["path"]}
        return found


def _by_key(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["key"]: pair.get("value", "") for pair in pairs}


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a new database until the block ends."""
    port = free_port()
    stores = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "files")]
    words = ["-m", "mlflow", "server", *stores, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen([python(), *words], cwd=folder, env=environment(), stdout=said, stderr=said)
    try:
        uri = f"http://127.0.0.1:{port}"
        until_it_answers(f"{uri}/health", process, folder / "said")
        yield Server(uri)
    finally:
        process.terminate()
        process.wait()


def until_it_answers(address: str, process: subprocess.Popen[Any], said: Path) -> bytes:
    """Return what a page says, once it is there."""
    for _ in range(2400):  # A loaded machine takes a minute.
        assert process.poll() is None, said.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310  # our own address
                return bytes(answer.read())
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer:\n{said.read_text()}")
