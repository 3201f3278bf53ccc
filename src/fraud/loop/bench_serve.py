"""Load the server and its peers in turns, all with the same forest, and say which goals it reaches.

One server is up at a time, as it shares the processors with wrk. Quote the ratios, which are of one run.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import numpy as np

from fraud import params
from fraud.calibration import Calibration
from fraud.cost import Cost
from fraud.errors import Problem, run
from fraud.estimator import Params, estimator
from fraud.features import Matrix, Values, matrix
from fraud.loop import peers
from fraud.loop.peers import ASKED, MODEL, TEST_ROWS, Server, constant, installed, plain, save, started
from fraud.loop.running import Running, resident
from fraud.loop.wrk import Load, load, wrk
from fraud.onnx_file import settle
from fraud.rows import read_rows
from fraud.scoring import load as load_model
from fraud.tables import read_table

CONNECTIONS = (1, 16, 64)
ROUNDS, SECONDS, WARMING = 3, 3, 1
LATEST = 480  # Seconds after which no further round begins, so that a slow machine is done in a quarter of an hour.
CHECKED, TOLERANCE = 20, 1e-6  # Answers of each server that must agree with the model file, and how well.
MANY, REPEATS, STARTS = 10_000, 7, 5
BUSY = 1.5  # A load average above which times say little.
OURS, FULL = "this server", "this server, LOG_SYNC=full"


class Bench(NamedTuple):
    """The payments to ask about and what the model file says of them; where the peers find the forest."""

    names: list[str]
    asked: Matrix
    expected: Values
    calibration: Calibration
    forest: Path


class Visit(NamedTuple):
    """What one server did in one round: loads by connections, and MB of its largest worker after them."""

    round: int
    name: str
    loads: dict[int, Load]
    memory: float


class Goal(NamedTuple):
    """What was promised, and what was measured."""

    words: str
    found: float
    limit: float
    least: bool  # Whether the limit is the least that is wanted, or the most.

    def __str__(self) -> str:
        """Return one line."""
        kept = self.found >= self.limit if self.least else self.found <= self.limit
        sign = "≥" if self.least else "≤"
        return f"{'reached' if kept else 'FELL SHORT'}: {self.words}: {self.found:,.4g} (goal {sign} {self.limit:,g})"


def prepare(folder: Path) -> Bench:
    """Fit the forest of params.yaml on the training rows, as train does, and write it for the peers."""
    model, cost, section = load_model(MODEL), params.load("cost", Cost), params.load("train", Params)
    schema = model.contract.schema
    if not all(column.type == "number" and not column.missing for column in schema.features.values()):
        raise Problem("params.yaml: the peers take numbers only; set `dataset: creditcard` and run `make repro`")
    rows = read_rows("data/split/train.parquet", schema, cost)
    pipeline = estimator(section, schema, int(rows.labels.sum()), -1).fit(rows.features, rows.labels)
    settle(pipeline["model"])
    save(plain(pipeline, model.contract.features), model.contract.features, folder / "forest.joblib")
    asked = matrix(read_table(TEST_ROWS), schema)
    return Bench(
        model.contract.features, asked, model.probabilities(asked), model.contract.calibration, folder / "forest.joblib"
    )


def body(server: Server, bench: Bench, row: Values) -> bytes:
    """Return a request about one payment."""
    return msgspec.json.encode(server.body(bench.names, row.tolist()))


def check(server: Server, process: Running, bench: Bench) -> None:
    """Stop at a server that answers otherwise than the model file; a constant answer is none."""
    answers = [msgspec.json.decode(process.post(body(server, bench, row))) for row in bench.asked[:CHECKED]]
    if server.vote is None:
        found = np.array([answer["fraud_probability"] for answer in answers])
    else:
        found = bench.calibration.probabilities(np.array([server.vote(answer) for answer in answers]))
    worst = float(np.abs(found - bench.expected[:CHECKED]).max())
    if not worst <= TOLERANCE:
        raise Problem(f"answers {worst:.1g} beside the model file; run `make repro` if models/model.onnx is old")


def visit(turn: int, server: Server, bench: Bench) -> Visit:
    """Start a server, check its answers, load it, and stop it."""
    with started(server, bench.forest) as process, TemporaryDirectory() as folder:
        process.first_answer(body(server, bench, bench.asked[0]))
        if "ANSWER" not in server.settings:
            check(server, process, bench)
        bodies = Path(folder) / "bodies.txt"
        bodies.write_bytes(b"\n".join(body(server, bench, row) for row in bench.asked[:ASKED]))
        load(process, bodies, 16, WARMING)
        loads = {connections: load(process, bodies, connections, SECONDS) for connections in CONNECTIONS}
        return Visit(turn, server.name, loads, max(map(resident, process.workers())))


def tour(others: Sequence[Server], bench: Bench) -> tuple[list[Visit], dict[str, str]]:
    """Return all visits, ours before each two others, and a word on each that could not be timed."""
    ours, visits, begun = peers.ours(OURS), [], time.monotonic()
    skipped = {one.name: "its packages did not install" for one in others if not installed(one)}
    for turn in range(ROUNDS):
        if time.monotonic() - begun > LATEST:
            break
        for place, other in enumerate(others):
            for server in (ours, other) if place % 2 == 0 else (other,):
                if server.name in skipped:
                    continue
                try:
                    visits.append(visit(turn, server, bench))
                except Problem as problem:
                    if server.programs == peers.SERVE:
                        raise
                    skipped[server.name] = str(problem)
                rates = ", ".join(f"{one.rate:.0f}" for one in visits[-1].loads.values())
                print(f"round {turn + 1}, {server.name}: {skipped.get(server.name, rates)}", file=sys.stderr)
    return [one for one in visits if one.name not in skipped], skipped


def rate(visits: Sequence[Visit], name: str, connections: int, turn: int | None = None) -> float:
    """Return the median of a server's answers a second, of one round or of all."""
    return median(
        one.loads[connections].rate for one in visits if one.name == name and (turn is None or one.round == turn)
    )


def ratio(visits: Sequence[Visit], name: str, other: str, connections: int = 16) -> float:
    """Return how many times as many answers one server gives as another: the median of the rounds."""
    rounds = sorted({one.round for one in visits if one.name == other})
    return median(rate(visits, name, connections, turn) / rate(visits, other, connections, turn) for turn in rounds)


def table(visits: Sequence[Visit], skipped: dict[str, str], names: Sequence[str]) -> str:
    """Return the Markdown table for README."""
    lines = [
        "| one payment a request | requests/s at 1, 16, 64 connections | p50, p99 at 1 | p99 at 16 "
        "| this server / it | a worker |",
        "|---|---|---|---|---|---|",
    ]
    for name in names:
        of = [one for one in visits if one.name == name]
        if not of:
            lines.append(f"| {name} | skipped: {skipped[name]} | | | | |")
            continue
        rates = ", ".join(f"{rate(visits, name, connections):,.0f}" for connections in CONNECTIONS)
        p50, p99, p99_16 = (
            1e3 * median(getattr(one.loads[connections], which) for one in of)
            for connections, which in ((1, "p50"), (1, "p99"), (16, "p99"))
        )
        times = f"{p50:.1f}, {p99:.1f} ms | {p99_16:.0f} ms"
        memory = median(one.memory for one in of)
        lines.append(f"| {name} | {rates} | {times} | {ratio(visits, OURS, name):.2g} | {memory:.0f} MB |")
    return "\n".join(lines)


def start_times(server: Server, bench: Bench) -> float:
    """Return the seconds from the start to the first answer."""
    found = []
    for _ in range(STARTS):
        start = time.perf_counter()
        with started(server, bench.forest) as process:
            process.first_answer(body(server, bench, bench.asked[0]))
            found.append(time.perf_counter() - start)
            time.sleep(1)  # A signal to a worker that still starts is lost, and ours then waits for it.
    return median(found)


def many_rows(server: Server, bench: Bench) -> float:
    """Return how many rows a second are scored when many come in one request."""
    content, found = msgspec.json.encode({"data": bench.asked[:MANY].tolist()}), []
    with started(server, bench.forest) as process:
        process.first_answer(body(server, bench, bench.asked[0]))
        for _ in range(REPEATS):
            start = time.perf_counter()
            answer = process.post(content)
            found.append(time.perf_counter() - start)
    answers: list[dict[str, Any]] = msgspec.json.decode(answer)["predictions"]
    probabilities = np.array([one["fraud_probability"] for one in answers])
    if np.abs(probabilities - bench.expected[:MANY]).max() > TOLERANCE:
        raise Problem(f"{MANY} rows in one request are scored otherwise than by the model file")
    return len(probabilities) / median(found)


def goals(visits: Sequence[Visit], demo: str, still: str, others: Sequence[str]) -> list[Goal]:
    """Return what can be said from the visits."""
    seen = {one.name for one in visits}
    found = []
    if demo in seen:
        found += [
            Goal("times the demos' way at 16 connections", ratio(visits, OURS, demo), 20, True),
            Goal("the same with LOG_SYNC=full", ratio(visits, FULL, demo), 12, True),
        ]
    ahead = [ratio(visits, OURS, name, connections) for name in others if name in seen for connections in CONNECTIONS]
    if ahead:
        found.append(
            Goal("times the fastest peer, at the number of connections that suits it best", min(ahead), 1, True)
        )
    alone = [1e3 * one.loads[1].p99 for one in visits if one.name == OURS]
    memory = [one.memory for one in visits if one.name in (OURS, FULL)]
    return [
        *found,
        Goal("of the constant answer at 16 connections", ratio(visits, OURS, still), 0.7, True),
        Goal("ms p99 at 1 connection", median(alone), 3, False),
        Goal("MB resident in the largest worker", max(memory), 200, False),
    ]


def main() -> None:
    """Print the table and a line a goal."""
    wrk()
    busy = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        bench = prepare(Path(folder))
        ours = peers.ours(OURS)
        with started(ours, bench.forest) as process:
            answer = process.first_answer(body(ours, bench, bench.asked[0]))
        demo, *rest = peers.peers(bench.names)
        others = [demo, peers.ours(FULL, LOG_SYNC="full"), constant(answer), *rest]
        visits, skipped = tour(others, bench)
        alone = [
            Goal(f"rows/s, {MANY:,} rows in one request", many_rows(ours, bench), 60_000, True),
            Goal("s from start to first answer", start_times(ours, bench), 2, False),
        ]
    names = [OURS, *(server.name for server in others)]
    print(table(visits, skipped, names), end="\n\n")
    said = goals(visits, demo.name, others[2].name, [one.name for one in (demo, *rest)])
    print(*said, *alone, sep="\n")
    rounds = max(one.round for one in visits) + 1
    print(f"{rounds} rounds; load average before: {busy:.1f}" + (", so trust the ratios only" if busy > BUSY else ""))


if __name__ == "__main__":
    run(main)
