"""Time the graph side by side with what it is compared to, in turns; quote the ratios, as machines differ."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from fraud.errors import Problem, run
from fraud.loop.files import GRAPH, PARAMS, SCHEMAS
from fraud.loop.twice import copy
from fraud.params_file import change

TURNS = 5
KAGGLE_ROWS = 284_807
MODELS = ("extra_trees", "random_forest", "logistic_regression", "hist_gradient_boosting")
SCHEMA = f"{SCHEMAS}/creditcard.yaml"
READ = "import sys, pandas; pandas.read_csv(sys.argv[1])"
FLOOR = "\n".join(
    f"  s{stage}: {{cmd: touch out{stage}, deps: [{f'out{stage - 1}' if stage else 'start'}], outs: [out{stage}]}}"
    for stage in range(8)
)


class Used(NamedTuple):
    """What a process used: wall-clock seconds, and its peak memory in MB."""

    seconds: float
    memory: float


def process(folder: Path, *command: str) -> Used:
    """Run a command to its end and return what it used, the start of its interpreter included."""
    environment = os.environ | {"PYTHONPATH": str(Path("src").resolve())}
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as child:
        errors = child.stderr.read() if child.stderr else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise Problem(f"{' '.join(command)}: {errors.strip().splitlines()[-1]}")
    return Used(time.perf_counter() - start, usage.ru_maxrss / 1024)


def stage(folder: Path, name: str, *arguments: str) -> Used:
    """Run a stage in `folder`."""
    return process(folder, sys.executable, "-m", f"fraud.stages.{name}", *arguments)


def in_turns(title: str, ours: Callable[[], float], theirs: Callable[[], float]) -> None:
    """Print both medians and the median ratio of pairs."""
    pairs = [(ours(), theirs()) for _ in range(TURNS)]
    ratio = median(a / b for a, b in pairs)
    print(
        f"{title}: {median(a for a, _ in pairs):.2f} s against {median(b for _, b in pairs):.2f} s, ratio {ratio:.2f}"
    )


def no_op(folder: Path) -> None:
    """Compare a `dvc repro` with nothing to do with that of as many stages that do nothing at all."""
    floor = folder / "floor"
    floor.mkdir()
    process(floor, "git", "init", "-q")
    process(floor, "dvc", "init", "-q")
    (floor / "start").touch()
    (floor / GRAPH).write_text(f"stages:\n{FLOOR}\n", encoding="utf-8")
    ours = folder / "ours"
    ours.mkdir()
    copy(ours)
    change({"simulate.rows_per_week": 2000, "train.trees": 10}, ours / PARAMS)
    for graph in (ours, floor):
        process(graph, "dvc", "repro", "-q")
    in_turns(
        "no-op dvc repro against eight empty stages",
        lambda: process(ours, "dvc", "repro", "-q").seconds,
        lambda: process(floor, "dvc", "repro", "-q").seconds,
    )


def one_file(folder: Path) -> None:
    """Compare ingest, split and drift of one large file with a bare pandas.read_csv of it; test rows are current."""
    _simulate(folder, weeks=1, rows=KAGGLE_ROWS)
    settings = {"split.until": None, "split.weeks": 1, "split.method": "stratified", "train.model": MODELS[2]}
    change(settings, folder / PARAMS)
    ingest = ["ingest", "simulated", "kept", "quarantine", "ingest.json"]
    split, *others, drift = after_ingest("kept", "split/train.parquet", "split/test.parquet", "split/test.parquet")
    for name, *arguments in (ingest, split, *others):
        stage(folder, name, SCHEMA, *arguments)

    def ours() -> float:
        timed = (stage(folder, name, SCHEMA, *arguments) for name, *arguments in (ingest, split, drift))
        return sum(used.seconds for used in timed)

    file = "simulated/2026-W01.csv"
    title = f"{KAGGLE_ROWS} x 31 through ingest, split and drift against pandas.read_csv"
    in_turns(title, ours, lambda: process(folder, sys.executable, "-c", READ, file).seconds)


def after_ingest(kept: str, train: str, test: str, current: str) -> list[list[str]]:
    """Return the stages split, train, estimate and drift, each with its arguments after the schema."""
    return [
        ["split", kept, "split", "split.json"],
        ["train", train, "model.onnx"],
        ["estimate", "model.onnx", kept, "split.json", test, current, "scores.parquet", "estimate.json", "plots"],
        [
            "drift",
            train,
            current,
            kept,
            "scores.parquet",
            "plots/importance.csv",
            "drift.json",
            "drift.csv",
            "drawn.json",
        ],
    ]


def memory(folder: Path) -> None:
    """Print the peak memory of ingest and drift while the number of batches doubles."""
    for weeks in (6, 12, 24):
        _simulate(folder, weeks, rows=20_000)
        used = stage(folder, "ingest", SCHEMA, "simulated", f"kept{weeks}", f"quarantine{weeks}", "ingest.json")
        print(f"peak memory of ingest, {weeks} batches of 20000 rows: {used.memory:.0f} MB")
    change({"split.until": "2026-W20", "train.model": MODELS[2]}, folder / PARAMS)
    steps = after_ingest("kept24", *(f"split/{part}.parquet" for part in ("train", "test", "current")))
    for history in (4, 8, 16):
        change({"drift.history": history}, folder / PARAMS)
        used = [stage(folder, name, SCHEMA, *arguments) for name, *arguments in steps][-1]
        print(f"peak memory of drift, {history} past batches of 20000 rows: {used.memory:.0f} MB")


def models(folder: Path) -> None:
    """Print how long each model trains on the training rows of the simulated data, as params.yaml sets it."""
    _simulate(folder, weeks=8, rows=20_000)
    stage(folder, "ingest", SCHEMA, "simulated", "kept", "quarantine", "ingest.json")
    stage(folder, "split", SCHEMA, "kept", "split", "split.json")
    for model in MODELS:
        change({"train.model": model}, folder / PARAMS)
        used = stage(folder, "train", SCHEMA, "split/train.parquet", "model.onnx")
        size = (folder / "model.onnx").stat().st_size / 1e6
        print(f"train {model} on 60000 rows: {used.seconds:.1f} s, {used.memory:.0f} MB, file {size:.1f} MB")


def _simulate(folder: Path, weeks: int, rows: int) -> None:
    (folder / SCHEMAS).mkdir(parents=True, exist_ok=True)
    for name in (SCHEMA, PARAMS):
        (folder / name).write_bytes(Path(name).read_bytes())
    change({"simulate.weeks": weeks, "simulate.rows_per_week": rows}, folder / PARAMS)
    stage(folder, "simulate", SCHEMA, "simulated")


def main() -> None:
    """Print all comparisons."""
    for part in (no_op, one_file, memory, models):
        with tempfile.TemporaryDirectory() as folder:
            part(Path(folder))


if __name__ == "__main__":
    run(main)
