"""Prometheus and Alertmanager for real, on loopback, with the files of ops/.

The copies differ in addresses, in waits, and in where the token lies; what is replaced has to be in the file.
"""

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from examples import ROOT
from listening import Listener
from needed import needed
from pushgateway import Pushgateway
from servers import TOKEN, Live, settings

OPS = ROOT / "ops"
PROMETHEUS, ALERTMANAGER = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
PROMTOOL, AMTOOL = shutil.which("promtool"), shutil.which("amtool")
RUNBOOKS = "https://example.org/owner/name/blob/main/"  # What a setting puts in front of a link.


class Program(NamedTuple):
    """A program that answers over HTTP."""

    url: str

    def get(self, path: str, **query: str) -> Any:
        address = f"{self.url}{path}?{urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  # our own address
            return json.loads(answer.read())["data"]

    def values(self, expression: str) -> list[float]:
        """Return what an expression is now."""
        return [float(one["value"][1]) for one in self.get("/api/v1/query", query=expression)["result"]]

    def series(self, expression: str, seconds: int) -> list[float]:
        """Return all that an expression was in the last seconds."""
        now = time.time()
        asked = {"query": expression, "start": str(now - seconds), "end": str(now), "step": "1"}
        found = self.get("/api/v1/query_range", **asked)["result"]
        return [float(value) for one in found for _, value in one["values"]]


class Watched(NamedTuple):
    """A server under watch, and who is told of it."""

    server: Live
    gateway: Pushgateway
    prometheus: Program
    files: Path  # The copy of ops/prometheus.
    webhook: Listener
    slack: Listener


@contextmanager
def started(name: str, command: Sequence[str], port: int, folder: Path) -> Iterator[Program]:
    """Run a program until the block ends."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _await(f"http://127.0.0.1:{port}/-/ready", process, folder / f"{name}.log")
        yield Program(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _await(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310  # our own address
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{address} does not answer")


def changed(text: str, changes: Mapping[str, str]) -> str:
    """Return a text with other words, each of which has to be there."""
    for word, other in changes.items():
        assert word in text, f"{word} is not there any more"
        text = text.replace(word, other)
    return text


@contextmanager
def prometheus(folder: Path, port: int, addresses: Mapping[str, str]) -> Iterator[tuple[Program, Path]]:
    """Run Prometheus with ops/prometheus, and yield it with its copy of the files."""
    files = folder / "prometheus"
    shutil.copytree(OPS / "prometheus", files)
    (folder / "secrets").mkdir()
    (folder / "secrets/metrics_token").write_text(TOKEN + "\n")
    changes = {**addresses, "/run/secrets/": f"{folder}/secrets/", " 15s": " 1s"}
    place = files / "prometheus.yml"
    place.write_text(changed(place.read_text(), changes))
    options = {"config.file": place, "storage.tsdb.path": folder / "series", "web.listen-address": f"127.0.0.1:{port}"}
    command = [needed(PROMETHEUS, "prometheus"), *(f"--{name}={value}" for name, value in options.items())]
    with started("prometheus", command, port, folder) as program:
        yield program, files


@contextmanager
def alertmanager(folder: Path, port: int, receivers: Mapping[str, str]) -> Iterator[Program]:
    """Run Alertmanager with what ops/alertmanager/configure.sh prints for some receivers."""
    place = folder / "alertmanager.yml"
    place.write_text(
        changed(configured(receivers), {"group_wait: 30s": "group_wait: 0s", "interval: 5m": "interval: 1s"})
    )
    options = {
        "config.file": place,
        "storage.path": folder / "alerts",
        "web.listen-address": f"127.0.0.1:{port}",
        "cluster.listen-address": "",
    }
    command = [
        needed(ALERTMANAGER, "prometheus-alertmanager"),
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    with started("alertmanager", command, port, folder) as program:
        yield program


def configured(receivers: Mapping[str, str]) -> str:
    """Return Alertmanager's file as a container makes it at its start."""
    command = ["sh", str(OPS / "alertmanager/configure.sh")]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", **receivers}, capture_output=True, text=True, check=True
    )
    return done.stdout


def tell(folder: Path, gateway: Pushgateway, *events: str) -> None:
    """Let the loop tell the Pushgateway of events, from a working copy in `folder`."""
    environment = settings(folder, PUSHGATEWAY=gateway.address, PYTHONPATH=str(ROOT / "src"))
    for event in events:
        command = [sys.executable, "-m", "fraud.loop.notify", f"EVENT={event}", "TITLE=a test"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""


def working_copy(folder: Path) -> Path:
    """Make a working copy of a run that saw drift and judged a candidate, with the reports of this repository."""
    folder.mkdir()
    for name in "params.yaml", "dvc.lock", "reports":
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    drift = json.loads((folder / "reports/drift.json").read_text())
    (folder / "reports/drift.json").write_text(json.dumps(drift | {"drift": True}))
    (folder / "reports/retrain.json").write_text(json.dumps({"gate": {"verdict": "not worse"}}))
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in ["init", "--quiet", "--initial-branch=main"], ["add", "dvc.lock"], [*who, "commit", "-qm", "Pin"]:
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder
