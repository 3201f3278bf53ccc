"""Bodies that do not come: who sends them is told so, and everybody else is served."""

import json
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.access import reading as reading_module
from serve.access.reading import LEAST, PATIENCE, Reading
from serve.problems import Refusal
from servers import TOKEN, Live, example, home, running
from waiting import until

OTHER = "a-token-of-another-caller"
PAYMENT = example().payments()[0]


def stalled(live: Live, length: int) -> socket.socket:
    """Return a connection on which a caller has sent the first ten bytes of a body."""
    connection = socket.create_connection(("127.0.0.1", live.port), timeout=20)
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {length}\r\n\r\n{json.dumps(PAYMENT)[:10]}".encode())
    return connection


def told(connection: socket.socket) -> bytes:
    """Return what the server has sent by now."""
    connection.setblocking(False)
    try:
        return connection.recv(65_536)
    except BlockingIOError:
        return b""


def passes(reading: Reading, caller: str) -> bool:
    """Return whether a body may be read."""
    try:
        with reading.of(caller):
            return True
    except Refusal:
        return False


@pytest.mark.parametrize("threads", [64, 1])
def test_a_caller_with_two_hundred_stalled_bodies_is_told_and_holds_up_nobody_else(
    threads: int, tmp_path: Path
) -> None:
    with running(home(tmp_path), THREADS=str(threads), API_TOKEN=f"{TOKEN},{OTHER}") as live:
        with ExitStack() as stack:
            # Every second says that it sends too much, which is read only to be thrown away.
            lengths = [len(json.dumps(PAYMENT)), 17 << 20] * 100
            halves = [stack.enter_context(stalled(live, length)) for length in lengths]
            for path in "/health", "/ready":
                start = time.monotonic()
                assert live.get(path, token=None).status == 200
                assert time.monotonic() - start < 1
            assert {live.post("/predict", PAYMENT, token=OTHER).status for _ in range(20)} == {200}
            answers = [answer for half in halves if (answer := told(half))]
            assert len(answers) >= 200 - max(LEAST, threads)
            for answer in answers:
                assert answer.startswith(b"HTTP/1.1 429 ")
                assert b"\r\nretry-after: 1\r\n" in answer.lower()
                assert b"of your requests wait for their bodies" in answer
        until(lambda: {live.post("/predict", PAYMENT).status for _ in range(20)} == {200})


@given(st.integers(1, 64), st.lists(st.sampled_from("abcdefgh"), max_size=200))
def test_whoever_stalls_in_whatever_order_a_thread_stays_free_and_nobody_holds_more_than_are_left(
    threads: int, callers: list[str]
) -> None:
    reading, held = Reading(threads), Counter[str]()
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_module, "PATIENCE", 0)
        for caller in callers:
            try:
                stack.enter_context(reading.of(caller))
            except Refusal:
                continue
            held[caller] += 1
            left = max(LEAST, threads) - held.total()
            assert left >= max(1, held[caller])
        assert not callers or held[callers[0]] > 0
    assert all(passes(reading, caller) for caller in "abcdefgh")


def test_a_body_waits_for_another_of_its_caller_that_ends_at_once_and_a_failed_one_leaves_no_trace() -> None:
    reading = Reading(LEAST)
    first = reading.of("a")
    first.__enter__()
    ending = threading.Timer(PATIENCE / 10, first.__exit__, (None, None, None))
    ending.start()
    with pytest.raises(ValueError, match="of the block"), reading.of("a"):
        raise ValueError("of the block")
    ending.join()
    with reading.of("a"):
        assert not passes(reading, "a")
        start = time.monotonic()
        assert not passes(reading, "a")
        assert time.monotonic() - start < PATIENCE  # It was waited for once.
    assert passes(reading, "a")
