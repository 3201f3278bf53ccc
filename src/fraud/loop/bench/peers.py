"""The servers that `make bench-serve` compares: how each is started, asked and understood.

All hold the same forest. Ours answers with the calibrated probability; a peer answers with the forest's vote, which
the calibration of the contract turns into a probability before the two are compared.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from fraud.loop.running import Running, free_ports, running

ENVIRONMENTS = Path(".venv-bench")
SERVE = Path(".venv-serve")
ASKED = 300  # Different payments that wrk posts in turn.
TOKEN = "a-token-for-the-bench-only"  # noqa: S105  # it opens a server on loopback, for minutes
WORKERS = 2  # The default of ours.
THREADS = 64  # Of a worker of ours, by its default.

Names = Sequence[str]
Row = Sequence[float]
Settings = dict[str, str]


class Server(NamedTuple):
    """A server to be; the words of its command and settings may name {forest}, {folder}, {port}, {port2}, {port3}."""

    name: str
    programs: Path  # Its environment.
    command: str
    settings: Settings
    path: str
    body: Callable[[Names, Row], Any]
    vote: Callable[[Any], float] | None  # None where the answer is a probability, or always the same.


def flat(names: Names, row: Row) -> dict[str, float]:
    """Return one object of named features."""
    return dict(zip(names, row, strict=True))


def _split(names: Names, row: Row) -> dict[str, Any]:
    return {"dataframe_split": {"columns": names, "data": [row]}}


def _rows(_names: Names, row: Row) -> dict[str, Any]:
    return {"rows": [row]}


def _tensor(_names: Names, row: Row) -> dict[str, Any]:
    values = {"name": "predict", "shape": [1, len(row)], "datatype": "FP64", "data": row}
    return {"inputs": [values], "outputs": [{"name": "predict_proba"}]}


def ours(name: str, **settings: str) -> Server:
    """Return our server with everything on: token, validation, log and metrics."""
    log = {"REQUEST_LOG": "sqlite:///{folder}/requests.db", "SPOOL": "{folder}/spool"}
    common = {"PYTHONPATH": ".", "PORT": "{port}", "API_TOKEN": TOKEN} | log
    return Server(name, SERVE, "python -m serve", common | settings, "/predict", flat, None)


def constant(answer: bytes) -> Server:
    """Return Flask on granian, as ours is started, with a route that answers the same whatever it is asked."""
    command = (
        f"granian --interface wsgi --host 127.0.0.1 --port {{port}} --workers {WORKERS} --blocking-threads {THREADS} "
        "--http 1 --no-ws --no-access-log constant:app"
    )
    settings = {"PYTHONPATH": "peers", "ANSWER": answer.decode()}
    return Server("the same Flask, a constant answer", SERVE, command, settings, "/predict", flat, None)


def peers(names: Names) -> list[Server]:
    """Return all others, each as its manual starts it in production; two workers, where it has a setting for them."""
    forest = {
        "PYTHONPATH": "peers",
        "FOREST": "{forest}",
        "NAMED_FOREST": "{forest}.named",
        "FEATURES": ",".join(names),
    }
    return [_demo(forest), _fastapi(forest), _mlflow(), _mlserver(), _bentoml(forest)]


def _demo(forest: Settings) -> Server:
    command = f"gunicorn --workers {WORKERS} --bind 127.0.0.1:{{port}} demo:app"
    return _like_ours("Flask + gunicorn + pandas + scikit-learn", "demo", command, forest)


def _fastapi(forest: Settings) -> Server:
    command = f"uvicorn --workers {WORKERS} --host 127.0.0.1 --port {{port}} fast:app"
    return _like_ours("FastAPI + uvicorn + scikit-learn", "fastapi", command, forest)


def _like_ours(name: str, environment: str, command: str, forest: Settings) -> Server:
    """Return a server that is asked as ours is, and answers so."""
    programs = ENVIRONMENTS / environment
    return Server(name, programs, command, forest, "/predict", flat, lambda answer: answer["fraud_probability"])


def _mlflow() -> Server:
    return Server(
        "mlflow models serve",
        ENVIRONMENTS / "mlflow",
        f"mlflow models serve -m {{forest}}.mlflow -h 127.0.0.1 -p {{port}} -w {WORKERS} --env-manager local",
        {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": "sqlite:///{folder}/mlflow.db"},
        "/invocations",
        _split,
        lambda answer: answer["predictions"][0][1],
    )


def _mlserver() -> Server:
    return Server(
        "MLServer",
        ENVIRONMENTS / "mlserver",
        "mlserver start {folder}",
        {
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{port2}",
            "MLSERVER_METRICS_PORT": "{port3}",
            "MLSERVER_METRICS_DIR": "{folder}",
            "MLSERVER_ENVIRONMENTS_DIR": "{folder}",
            "MLSERVER_DEBUG": "false",
            "MLSERVER_MODEL_NAME": "fraud",
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_sklearn.SKLearnModel",
            "MLSERVER_MODEL_URI": "{forest}",
        },
        "/v2/models/fraud/infer",
        _tensor,
        lambda answer: answer["outputs"][0]["data"][1],
    )


def _bentoml(forest: Settings) -> Server:
    return Server(
        "BentoML",
        ENVIRONMENTS / "bentoml",
        "bentoml serve bento:Fraud --host 127.0.0.1 --port {port}",
        forest | {"BENTOML_HOME": "{folder}", "BENTOML_DO_NOT_TRACK": "True"},
        "/predict",
        _rows,
        lambda answer: answer[0][1],
    )


def installed(server: Server) -> bool:
    """Say whether the packages of a peer could be installed."""
    return (server.programs / "ready").exists()


@contextmanager
def started(server: Server, forest: Path | None = None) -> Iterator[Running]:
    """Start a server and stop it when the block ends; it may not answer yet. Ours needs no forest: it has the file."""
    with TemporaryDirectory() as folder:
        ports = dict(zip(("port", "port2", "port3"), map(str, free_ports(3)), strict=True))
        places = {"folder": folder, "forest": str(forest), **ports}
        program, *arguments = (word.format_map(places) for word in server.command.split())
        settings = {
            name: value if name == "ANSWER" else value.format_map(places) for name, value in server.settings.items()
        }
        url = f"http://127.0.0.1:{ports['port']}{server.path}"
        command = [str(server.programs / "bin" / program), *arguments]
        path = f"{(server.programs / 'bin').resolve()}:/usr/local/bin:/usr/bin:/bin"
        with running(command, settings | {"PATH": path}, url, Path(folder), TOKEN) as process:
            yield process
