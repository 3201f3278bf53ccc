"""make soak: what counts as growth."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.errors import Problem
from fraud.loop.bench.soak import Sample, faults, growth, main

MINUTES = np.arange(0, 10, 5 / 60)


def worker(
    memory: Callable[[float], float], files: Callable[[float], int] = lambda _: 40, pid: int = 7
) -> list[Sample]:
    return [Sample(minute, pid, memory(minute), files(minute)) for minute in MINUTES]


@given(slope=st.floats(-20, 50), noise=st.floats(0, 2), seed=st.integers(0, 10_000))
def test_memory_that_grows_by_more_than_a_megabyte_a_minute_is_found_through_noise_and_no_other(
    slope: float, noise: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    found = faults(worker(lambda minute: 150 + slope * minute + rng.normal(0, noise)))
    if slope > 1.5:
        assert len(found) == 1
        assert found[0].startswith("worker 7: memory grew by ")
    if slope < 0.5:
        assert found == []


def test_a_slope_that_chance_explains_is_no_growth() -> None:
    rng = np.random.default_rng(17)
    even = worker(lambda _: rng.normal(150, 30))
    assert growth(even)[0] > 1.5
    assert faults(even) == []


def test_growth_in_the_first_fifth_is_warming_up() -> None:
    assert faults(worker(lambda minute: 100 + 30 * min(minute, 1.9), lambda minute: 20 + int(minute < 1.9))) == []


def test_open_files_that_come_and_go_are_no_growth_and_those_that_stay_are() -> None:
    assert faults(worker(lambda _: 100, lambda minute: 40 + int(12 * minute) % 3)) == []
    assert faults(worker(lambda _: 100, lambda minute: 40 + int(minute))) == [
        "worker 7: open files grew from 43 at most to 48 at least"
    ]


def test_a_worker_that_was_replaced_is_named_and_the_others_are_still_looked_at() -> None:
    first, second = worker(lambda _: 100)[:60], worker(lambda _: 100, pid=8)[61:]
    other = worker(lambda minute: 100 + 3 * minute, pid=9)
    assert faults(sorted([*first, *second, *other])) == [
        "worker 7 was there from minute 0.0 to 4.9 only",
        "worker 8 was there from minute 5.1 to 9.9 only",
        "worker 9: memory grew by 3.0 MB a minute, to 130 MB",
    ]


@pytest.mark.parametrize("minutes", ["0.5", "ten", "nan", "inf"])
def test_a_length_that_says_nothing_is_refused(minutes: str) -> None:
    with pytest.raises(Problem, match=f"^MINUTES={minutes}: found no number of 1 or more"):
        main(minutes)
