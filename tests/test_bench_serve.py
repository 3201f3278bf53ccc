"""make bench-serve: what is compared, and how it is told."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from examples import NUMBERS, ROOT, TRAIN, payments
from fraud.calibration import Calibration
from fraud.errors import Problem
from fraud.estimator import estimator
from fraud.features import matrix
from fraud.loop.bench.forest import plain
from fraud.loop.bench.peers import constant, ours, peers
from fraud.loop.bench.serve import Bench, check
from fraud.loop.bench.serve_table import FULL, OURS, Goal, Visit, goals, ratio, table
from fraud.loop.bench.wrk import Load
from fraud.loop.running import Running
from listening import listening
from serve.settings import load

NAMES = ["speed", "amount"]
DEMO, *OTHERS = peers(NAMES)
PROGRAMS = [server.programs.name for server in (DEMO, *OTHERS)]
STILL = "a constant"


def visit(turn: int, name: str, rate: int, p99: float = 0.002, memory: float = 150.0) -> Visit:
    loads = {connections: Load(rate * connections, 1, 0, 0, p99 / 2, p99) for connections in (1, 16, 64)}
    return Visit(turn, name, loads, memory)


VISITS = [
    *(visit(turn, OURS, rate) for turn, rate in ((0, 200), (0, 240), (1, 100), (1, 120), (2, 230), (2, 210))),
    *(visit(turn, FULL, 150) for turn in range(3)),
    *(visit(turn, DEMO.name, 10) for turn in range(3)),
    *(visit(turn, STILL, 400) for turn in range(3)),
]


def test_the_forest_of_the_peers_scores_as_the_pipeline_does_with_parts_of_scikit_learn_only() -> None:
    rows = payments(NUMBERS)
    features, labels = matrix(rows, NUMBERS), np.asarray(rows["fraud"])
    ours = estimator(TRAIN, NUMBERS, int(labels.sum()), 2).fit(features, labels)
    expected = ours.predict_proba(features)
    theirs = plain(ours, NAMES)
    assert np.array_equal(theirs.predict_proba(features), expected)
    assert {type(step).__module__.partition(".")[0] for _, step in theirs.steps} == {"sklearn"}
    assert theirs[-1].n_jobs == 1


def test_a_ratio_is_that_of_the_same_round() -> None:
    assert ratio(VISITS, OURS, DEMO.name) == 22
    assert ratio(VISITS, DEMO.name, OURS) == 1 / 22


def test_each_goal_says_whether_it_was_reached() -> None:
    assert [str(goal) for goal in goals(VISITS, DEMO.name, STILL, [DEMO.name, "skipped"])] == [
        "reached: times the demos' way at 16 connections: 22 (goal ≥ 20)",
        "reached: the same with LOG_SYNC=full: 15 (goal ≥ 12)",
        "reached: times the fastest peer, at the number of connections that suits it best: 22 (goal ≥ 1)",
        "FELL SHORT: of the constant answer at 16 connections: 0.55 (goal ≥ 0.7)",
        "reached: ms p99 at 1 connection: 2 (goal ≤ 3)",
        "reached: MB resident in the largest worker: 150 (goal ≤ 200)",
    ]
    assert str(Goal("rows/s", 12_345.6, 60_000, True)) == "FELL SHORT: rows/s: 1.235e+04 (goal ≥ 60,000)"


def test_a_peer_that_was_not_timed_keeps_its_line_with_the_reason() -> None:
    lines = table(VISITS, {"MLServer": "its packages did not install"}, [OURS, DEMO.name, "MLServer"]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith(f"| {OURS} | 205, 3,280, 13,120 | 1.0, 2.0 ms |")
    assert lines[4] == "| MLServer | skipped: its packages did not install | | | | |"


@pytest.fixture
def bench() -> Bench:
    return Bench(NAMES, np.ones((30, 2)), np.full(30, 0.25), Calibration(1.0, 0.0, 0.0), Path())


@pytest.mark.parametrize(("answer", "right"), [(0.25, True), (0.25 + 5e-7, True), (0.25 + 2e-6, False)])
def test_a_server_whose_answers_differ_from_the_model_file_is_not_timed(
    bench: Bench, answer: float, right: bool
) -> None:
    content = msgspec.json.encode({"fraud_probability": answer})
    with subprocess.Popen([sys.executable, "-c", ""]) as ended, listening(200, content) as server:
        process = Running(ended, server.url, "a-token", Path())
        for kind in (ours(OURS), DEMO):
            if right:
                check(kind, process, bench)
            else:
                with pytest.raises(Problem, match=r"^answers 2e-06 beside the model file"):
                    check(kind, process, bench)
        assert msgspec.json.decode(server.bodies[0]) == {"speed": 1, "amount": 1}


def test_the_constant_answer_comes_from_as_many_workers_and_threads_as_ours() -> None:
    settings = load({})
    words = constant(b"{}").command.split()
    for option, count in (("--workers", settings.workers), ("--blocking-threads", settings.threads)):
        assert words[words.index(option) + 1] == str(count)


def test_each_peer_has_its_lock_file_and_its_environment_is_made() -> None:
    made = re.search(r"^PEERS := (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert made
    assert made[1].split() == PROGRAMS
    locked = {path.stem.removeprefix("bench-") for path in (ROOT / "requirements").glob("bench-*.txt")}
    assert locked == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_peer_reads_the_forest_with_the_scikit_learn_that_fitted_it(name: str) -> None:
    pinned = r"^(?:scikit-learn|numpy)==\S+"
    theirs, pipelines = (
        re.findall(pinned, (ROOT / f"requirements/{group}.txt").read_text(), flags=re.MULTILINE)
        for group in (f"bench-{name}", "pipeline")
    )
    assert theirs == pipelines
    assert len(theirs) == 2
