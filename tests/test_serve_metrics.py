"""Counters of several processes add up, whatever becomes of the processes."""

import multiprocessing
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serve.measures.counters import Counters
from serve.measures.metrics import LATENCY, PROBABILITIES, PROBABILITY, Metrics
from serve.workers import Workers

START = multiprocessing.get_context("spawn")


def count(run: str, times: int, ready: Any, end: Any) -> None:
    """Count in a process of its own, from four threads, until it is killed or told to end."""
    mine = Counters(Path(run), Workers(Path(run)), 3)

    def add() -> None:
        for _ in range(times):
            mine.add({0: 1, 2: 0.5})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ready.set()
    end.wait(30)


def test_what_living_and_killed_processes_counted_is_summed_and_files_of_the_dead_go(tmp_path: Path) -> None:
    here = Counters(tmp_path, Workers(tmp_path), 3)
    here.add({1: 7})
    ends = [(START.Event(), START.Event()) for _ in range(3)]
    processes = [START.Process(target=count, args=(str(tmp_path), 500, *events)) for events in ends]
    for process in processes:
        process.start()
    for ready, _ in ends:
        assert ready.wait(30)
    assert here.totals().tolist() == [6000, 7, 3000]
    for process in processes[:2]:
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    for _ in range(3):
        assert here.totals().tolist() == [6000, 7, 3000]
    assert len([path for path in (tmp_path / "counters").iterdir() if not path.name.startswith(".")]) == 2
    ends[2][1].set()
    processes[2].join()
    assert here.totals().tolist() == [6000, 7, 3000]


def test_a_reader_that_dies_between_summing_and_removing_counts_nothing_twice(tmp_path: Path) -> None:
    here = Counters(tmp_path, Workers(tmp_path), 2)
    dead = tmp_path / "counters/1-gone"
    dead.write_bytes(np.array([5.0, 1.0]).tobytes())
    assert here.totals().tolist() == [5, 1]
    dead.write_bytes(np.array([5.0, 1.0]).tobytes())  # As if it had not been removed.
    assert here.totals().tolist() == [5, 1]
    assert not dead.exists()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_a_histogram_counts_many_values_as_it_counts_them_one_by_one(values: list[float]) -> None:
    one_by_one = np.zeros(PROBABILITY.end)
    for value in values:
        for place, amount in PROBABILITY.one(value).items():
            one_by_one[place] += amount
    together = np.zeros(PROBABILITY.end)
    for place, amount in PROBABILITY.many(np.array(values)).items():
        together[place] += amount
    np.testing.assert_allclose(together, one_by_one)
    below = np.cumsum(together[PROBABILITY.start : PROBABILITY.end - 1])
    assert below[:-1].tolist() == [sum(value <= bound for value in values) for bound in PROBABILITIES]


def test_each_answer_is_in_one_place_of_each_metric(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, Workers(tmp_path))
    metrics.answered(np.array([0.03]), 0, 0.0007, 1)
    metrics.answered(np.array([0.9, 0.2, 0.99]), 2, 0.02, 3)
    metrics.answered(np.array([]), 0, 0.02, 2)  # Known transactions only.
    metrics.refused(422)
    metrics.refused(418)  # Nobody's.
    found = {(one.name, *one.labels.values()): one.value for family in metrics.families() for one in family.samples}
    assert found["predictions_total", "fraud"] == found["fraud_predictions_total",] == 2
    assert found["predictions_total", "legitimate"] == 2
    assert found["errors_total", "422"] == 1
    assert sum(value for (name, *_), value in found.items() if name == "errors_total") == 1
    assert found["fraud_probabilities_count",] == 4
    assert found["prediction_latency_seconds_count",] == 3
    assert found["prediction_latency_seconds_bucket", "0.001"] == 1
    assert found["single_latency_seconds_count",] == found["single_latency_seconds_bucket", "0.001"] == 1
    assert metrics.latencies() == {"p50": 0.025, "p95": 0.025, "p99": 0.025}
    assert LATENCY.bounds[0] == 0.0005
