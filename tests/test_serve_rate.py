"""The limit of requests: one for all workers, never above what it says, and no caller slows down another."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from examples import ROOT
from serve.access import rate
from serve.access.rate import Rate
from serve.problems import Refusal
from serve.values import SECONDS, Limit

SECOND = 10**9
WORKERS = """
import os, sys, threading, time
from pathlib import Path
from serve.problems import Refusal
from serve.access.rate import Rate
from serve.values import Limit

def greedy(rate, passed):
    while time.monotonic() < end:
        try:
            rate.take("greedy")
            passed.append(time.monotonic())
        except Refusal:
            time.sleep(0.0001)

def calm(rate, passed):
    while time.monotonic() < end:
        rate.take("calm")
        passed.append(time.monotonic())
        time.sleep(0.02)

def work():
    rate, much, little = Rate(Path(sys.argv[1]), Limit(400, "second")), [], []
    threads = [threading.Thread(target=greedy, args=(rate, much)) for _ in range(3)]
    threads.append(threading.Thread(target=calm, args=(rate, little)))
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    line = f"{len(much)} {min(much)} {max(much)} {len(little)}\\n"
    os.write(1, line.encode())  # As one: the processes share the pipe.

end = time.monotonic() + 1
for _ in range(3):
    if not os.fork():
        work()
        os._exit(0)
for _ in range(3):
    os.wait()
"""
HOLDER = """
import fcntl, sys, time

file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print(flush=True)
time.sleep(60)
"""


class Clock:
    """A clock that a test sets, in nanoseconds."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now


def passes(limit: Rate, client: str) -> bool:
    """Return whether a request passes; a refusal must be a 429."""
    try:
        limit.take(client)
    except Refusal as refusal:
        if refusal.status != 429:
            raise
        return False
    return True


def test_a_period_worth_of_requests_may_come_at_once_and_then_one_an_interval(tmp_path: Path) -> None:
    clock = Clock()
    limit = Rate(tmp_path / "rate", Limit(10, "second"), clock)
    assert [passes(limit, "a") for _ in range(12)] == [True] * 10 + [False] * 2
    clock.now += SECOND // 10 - 1
    assert not passes(limit, "a")
    clock.now += 1
    assert [passes(limit, "a") for _ in range(2)] == [True, False]
    clock.now += 100 * SECOND
    assert [passes(limit, "a") for _ in range(12)] == [True] * 10 + [False] * 2


def test_a_refusal_says_when_to_ask_again_and_then_it_passes(tmp_path: Path) -> None:
    clock = Clock()
    limit = Rate(tmp_path / "rate", Limit(2, "minute"), clock)
    assert [passes(limit, "a") for _ in range(2)] == [True, True]
    clock.now += SECOND // 2
    with pytest.raises(Refusal) as caught:
        limit.take("a")
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "30"})
    assert str(caught.value) == "too many requests: the limit is 2 a minute; ask again in 30 s"
    clock.now += 30 * SECOND
    assert passes(limit, "a")


def test_a_refused_request_costs_nothing(tmp_path: Path) -> None:
    clock = Clock()
    limit = Rate(tmp_path / "rate", Limit(1, "second"), clock)
    assert [passes(limit, "a") for _ in range(50)] == [True] + [False] * 49
    clock.now += SECOND
    assert passes(limit, "a")


steps = st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 7), st.sampled_from("ab")), max_size=60)


@given(steps, st.integers(7, 50), st.sampled_from(sorted(SECONDS)))
def test_never_more_than_the_burst_and_the_rate_pass(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, str]], requests: int, period: str
) -> None:
    clock = Clock()
    limit = Rate(tmp_path_factory.mktemp("rate") / "rate", Limit(requests, period), clock)
    passed: list[tuple[int, str]] = []
    for step, at_once, client in steps:
        clock.now += step
        passed += [(clock.now, client) for _ in range(at_once) if passes(limit, client)]
    for client in "ab":
        mine = [when for when, who in passed if who == client]
        for first, start in enumerate(mine):
            for last in range(first, len(mine)):
                most = requests + requests * (mine[last] - start) / (SECONDS[period] * SECOND)
                assert last + 1 - first <= most + 1e-9


def test_workers_and_threads_share_one_limit_and_do_not_slow_down_another_caller(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/src"}
    command = [sys.executable, "-c", WORKERS, str(tmp_path / "rate")]
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=True)
    assert done.stderr == ""  # A calm caller that is refused would say so.
    numbers = [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
    passed, starts, ends, calm = zip(*numbers, strict=True)
    most = 400 + 400 * (max(ends) - min(starts))
    assert 0.95 * most < sum(passed) < most + 4
    assert sum(calm) > 60  # Of 150.


def slow_clock() -> int:
    """Let other threads run in the middle of a count."""
    time.sleep(0.0005)
    return time.monotonic_ns()


def test_threads_share_one_limit(tmp_path: Path) -> None:
    limit = Rate(tmp_path / "rate", Limit(100, "day"), slow_clock)
    passed: list[bool] = []
    threads = [threading.Thread(target=lambda: passed.extend(passes(limit, "a") for _ in range(40))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(passed), sum(passed)) == (240, 100)


def test_the_caller_that_was_idle_longest_is_forgotten_where_the_table_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "BUCKETS", 1)
    clock = Clock()
    limit = Rate(tmp_path / "rate", Limit(2, "second"), clock)
    for client in "abcdefgh":
        assert [passes(limit, client) for _ in range(2)] == [True, True]
        clock.now += SECOND // 100
    clock.now += SECOND // 2
    assert passes(limit, "h")
    clock.now += SECOND // 2
    # In the place of "a", which is owed nothing any more.
    assert [passes(limit, client) for client in ("newcomer", "newcomer")] == [True, True]
    assert [passes(limit, client) for client in ("h", "h", "newcomer")] == [True, False, False]


def test_many_names_together_get_no_more_than_the_table_has_slots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "BUCKETS", 1)
    limit = Rate(tmp_path / "rate", Limit(10, "day"), Clock())
    assert sum(passes(limit, f"name {number % 40}") for number in range(2000)) == 10 * rate.SLOTS


def test_a_stopped_worker_with_the_lock_does_not_stop_the_others_and_its_lock_dies_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "LOCK_WITHIN", 0.05)
    limit = Rate(tmp_path / "rate", Limit(1, "day"))
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "rate"], stdout=subprocess.PIPE)
    try:
        assert holder.stdout
        holder.stdout.readline()
        assert [passes(limit, "a") for _ in range(3)] == [True, True, True]  # Uncounted.
    finally:
        holder.kill()
        holder.communicate()
    assert [passes(limit, "a") for _ in range(3)] == [True, False, False]


@example("\ud800")
@given(st.text(max_size=20))
def test_a_caller_may_have_any_name(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    limit = Rate(tmp_path_factory.mktemp("rate") / "rate", Limit(1, "day"))
    assert [passes(limit, name) for _ in range(2)] == [True, False]
