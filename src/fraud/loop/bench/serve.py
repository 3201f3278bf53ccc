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

from fraud.calibration import Calibration
from fraud.errors import Problem, run
from fraud.features import Matrix, Values, matrix
from fraud.loop.bench import peers
from fraud.loop.bench.forest import write
from fraud.loop.bench.peers import ASKED, Server, constant, installed, started
from fraud.loop.bench.serve_table import CONNECTIONS, FULL, OURS, Goal, Visit, goals, table
from fraud.loop.bench.wrk import load, wrk
from fraud.loop.files import MODEL, TEST
from fraud.loop.running import Running, resident
from fraud.scoring import load as load_model
from fraud.tables import read_table

ROUNDS, SECONDS, WARMING = 3, 3, 1
LATEST = 480  # Seconds after which no further round begins, so that a slow machine is done in a quarter of an hour.
CHECKED, TOLERANCE = 20, 1e-6  # Answers of each server that must agree with the model file, and how well.
MANY, REPEATS, STARTS = 10_000, 7, 5
BUSY = 1.5  # A load average above which times say little.


class Bench(NamedTuple):
    """The payments to ask about and what the model file says of them; where the peers find the forest."""

    names: list[str]
    asked: Matrix
    expected: Values
    calibration: Calibration
    forest: Path


def prepare(folder: Path) -> Bench:
    """Write the forest for the peers, and look up in the model file what it says of the test rows."""
    model, forest = load_model(MODEL), folder / "forest.joblib"
    write(model.contract, forest)
    asked = matrix(read_table(TEST), model.contract.schema)
    return Bench(model.contract.features, asked, model.probabilities(asked), model.contract.calibration, forest)


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
    ours, visits, begun = peers.ours(OURS), list[Visit](), time.monotonic()
    order = [server for place, other in enumerate(others) for server in ((other,) if place % 2 else (ours, other))]
    skipped = {one.name: "its packages did not install" for one in others if not installed(one)}
    for turn in range(ROUNDS):
        if time.monotonic() - begun > LATEST:
            break
        for server in order:
            if server.name not in skipped:
                try:
                    visits.append(visit(turn, server, bench))
                except Problem as problem:
                    if server.programs == peers.SERVE:
                        raise
                    skipped[server.name] = str(problem)
                rates = ", ".join(f"{one.rate:.0f}" for one in visits[-1].loads.values())
                print(f"round {turn + 1}, {server.name}: {skipped.get(server.name, rates)}", file=sys.stderr)
    return [one for one in visits if one.name not in skipped], skipped


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
