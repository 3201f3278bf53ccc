"""Real servers on loopback: copies of this repository with a small model, started as users start them."""

import atexit
import hashlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from examples import COST, ROOT, params
from fraud.features import Matrix, matrix
from fraud.onnx_file import to_onnx
from fraud.rows import labelled
from fraud.schema import BATCH, Schema, load
from fraud.scoring import Model
from fraud.stages import simulate, train
from s3 import free_port

TOKEN, ADMIN = "a-token-of-a-caller", "a-token-of-an-admin"
SCHEMAS = {name: load(ROOT / f"data/schemas/{name}.yaml") for name in ("creditcard", "payments")}
RULE = {"false_alarms_per_year": 1, "min_effect": 0.02, "history": 8}
PYTHON = ROOT / ".venv-serve/bin/python"


class Example(NamedTuple):
    """A model file, and rows that it was not trained on."""

    content: bytes
    schema: Schema
    rows: pa.Table

    @property
    def md5(self) -> str:
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()

    @property
    def loaded(self) -> Model:
        return Model(self.content)

    @property
    def features(self) -> Matrix:
        return matrix(self.rows, self.schema)

    def payments(self) -> list[dict[str, Any]]:
        """Return the rows as a caller sends them: features by name."""
        return self.rows.select(list(self.schema.features)).to_pylist()


@cache
def example(dataset: str = "creditcard", model: str = "extra_trees", seed: int = 7, min_leaf: int = 1) -> Example:
    """Return a small model of a data set."""
    schema = SCHEMAS[dataset]
    weeks = simulate.Params(weeks=4, rows_per_week=800, fraud_rate=0.03, drift="none", drift_from=1, seed=seed)
    made = [simulate.simulate(schema, weeks, week) for week in range(1, 5)]
    trained_on = [week.append_column(BATCH, [[f"w{number}"] * len(week)]) for number, week in enumerate(made[:3])]
    rows = labelled(pa.concat_tables(trained_on), schema, COST)
    section = params(model=model, seed=seed, min_leaf=min_leaf)
    trained = train.train(rows, schema, section, COST)
    content = to_onnx(trained.pipeline, trained.calibration, train.contract(trained, rows, schema, section, "0" * 32))
    return Example(content, schema, made[3])


@cache
def _code() -> Path:
    """Return a copy of the server's code that is compiled once, and not at the start of each server."""
    folder = Path(tempfile.mkdtemp(prefix="server-"))
    atexit.register(shutil.rmtree, folder)
    others = shutil.ignore_patterns("__pycache__", "loop", "operations", "simulators", "stages")
    for name in "serve", "src":
        shutil.copytree(ROOT / name, folder / name, ignore=others)
    subprocess.run([_python(), "-m", "compileall", "-q", folder], check=True)
    return folder


def _python() -> Path:
    return PYTHON if PYTHON.exists() else Path(sys.executable)


def home(path: Path, served: Example | None = None) -> Path:
    """Return a copy of what the server needs of this repository, with a model that its dvc.lock pins."""
    shutil.copytree(_code(), path, dirs_exist_ok=True)
    (path / ".dvc").mkdir(exist_ok=True)
    (path / ".dvc/config").write_text("[core]\n    remote = local\n['remote \"local\"']\n    url = ../remote\n")
    pin(path, served or example())
    return path


def pin(path: Path, served: Example, content: bytes | None = None) -> None:
    """Let dvc.lock pin a model, and put its bytes, or others, beside it."""
    out = {"path": "models/model.onnx", "hash": "md5", "md5": served.md5, "size": len(served.content)}
    stages = {
        "drift": {"cmd": "drift", "params": {"params.yaml": {"drift": RULE}}},
        "train": {"cmd": "train", "outs": [out]},
    }
    (path / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))  # JSON is YAML.
    (path / "models").mkdir(exist_ok=True)
    (path / "models/model.onnx").write_bytes(served.content if content is None else content)


class Reply(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Live:
    """A running server; each request has a connection of its own unless one is given."""

    def __init__(
        self, root: Path, port: int, process: subprocess.Popen[bytes], tls: ssl.SSLContext | None = None
    ) -> None:
        self.root, self.port, self.process, self._tls = root, port, process, tls

    def connect(self, timeout: float = 60) -> http.client.HTTPConnection:
        if self._tls:
            return http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=self._tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = TOKEN,
        headers: dict[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> Reply:
        """Return the answer to a request; a body that is not bytes is sent as JSON."""
        given = {"Content-Type": "application/json"} if body is not None else {}
        given |= {"Authorization": f"Bearer {token}"} if token else {}
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        using = connection or self.connect()
        try:
            using.request(method, path, content, given | (headers or {}))
            found = using.getresponse()
            return Reply(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            if connection is None:
                using.close()

    def get(self, path: str, **more: Any) -> Reply:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Reply:
        return self.ask("POST", path, body, **more)

    def metric(self, line: str) -> float:
        """Return the value of a line of the metrics, such as `predictions_total{label="fraud"}`."""
        lines = self.get("/prometheus").body.decode().splitlines()
        return float(next(found for found in lines if found.startswith(line + " ")).rpartition(" ")[2])

    def workers(self) -> list[int]:
        return [worker["pid"] for worker in self.get("/health").json["workers"]]

    def log(self) -> list[dict[str, Any]]:
        """Return the lines that it wrote to stdout."""
        return [json.loads(line) for line in (self.root / "stdout").read_text().splitlines()]

    def stop(self) -> int:
        """Ask it to end, and return how it ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Traffic:
    """Asks for predictions in several threads until the block ends, and keeps what became of each request."""

    def __init__(self, live: Live, payment: dict[str, Any], threads: int = 4) -> None:
        self.live, self.ended = live, False
        self.body = json.dumps(payment).encode()
        self.seen = Counter[Any]()  # By status and model.
        self.ids: list[str] = []  # Of the answers that came whole.
        self.refused = 0  # Requests that were never sent, as nobody took the connection.
        self.cut = 0  # Requests that were sent and got no answer.
        self.torn = 0  # Those of them that got a part of one.
        self.threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def _ask(self) -> None:
        connection = self.live.connect()
        while not self.ended:
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:
                self.refused += 1
                time.sleep(0.01)
                continue
            try:
                reply = self.live.post("/predict", self.body, connection=connection)
            except (OSError, http.client.HTTPException) as error:
                self.cut += 1
                self.torn += isinstance(error, http.client.IncompleteRead)
                connection.close()
                continue
            self.seen[reply.status, reply.json.get("model")] += 1
            if reply.status == 200:
                self.ids.append(reply.json["id"])
        connection.close()

    @property
    def statuses(self) -> set[int]:
        return {status for status, _ in self.seen}

    def __enter__(self) -> "Traffic":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Return when the last answer is there."""
        self.ended = True
        for thread in self.threads:
            thread.join()


def settings(root: Path, **changes: str) -> dict[str, str]:
    """Return an environment in which nothing of ours is set but what a test needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"API_TOKEN": TOKEN, "ADMIN_TOKEN": ADMIN, "REQUEST_LOG": f"sqlite:///{root}/requests.db"} | changes


@contextmanager
def running(root: Path, *command: str, ready: str = "/ready", **changes: str) -> Iterator[Live]:
    """Run the server in `root` until the block ends; `command` is another way to start it."""
    port = int(changes.setdefault("PORT", str(free_port())))
    words = [str(_python()), "-m", *(command or ["serve"])]
    with (root / "stdout").open("wb") as out, (root / "stderr").open("wb") as problems:
        process = subprocess.Popen(
            [word.replace("PORT", str(port)) for word in words],
            cwd=root,
            env=settings(root, **changes),
            stdout=out,
            stderr=problems,
            start_new_session=True,
        )
        live = Live(root, port, process, _trusting(changes.get("TLS_CERT")))
        try:
            _await(live, ready, int(changes.get("WORKERS", "2")))
            yield live
        finally:
            _end(process)


def _trusting(certificate: str | None) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=certificate) if certificate else None


def _await(live: Live, path: str, workers: int) -> None:
    """Wait until all workers are there, as a test that kills or counts them has to know them."""
    for _ in range(2400):  # A loaded machine takes a minute.
        assert live.process.poll() is None, (live.root / "stderr").read_text()
        try:
            if live.get(path, token=None).status == 200 and len(live.workers()) == workers:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the server does not answer:\n{(live.root / 'stderr').read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
