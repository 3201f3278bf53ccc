"""Loading a server with wrk."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples import ROOT
from fraud.errors import Problem
from fraud.loop.bench.wrk import Pace, load, wrk
from fraud.loop.running import Running
from listening import Listener, listening
from needed import needed


@pytest.fixture
def program() -> str:
    return needed(shutil.which("wrk"), "wrk")


@pytest.fixture
def ended() -> Iterator[subprocess.Popen[bytes]]:
    """A process that did nothing, in the place of a server's."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        yield process


@pytest.fixture
def bodies(tmp_path: Path) -> Path:
    path = tmp_path / "bodies.txt"
    path.write_text("\n".join(f'{{"amount": {place}}}' for place in range(7)))
    return path


def run(server: Listener, ended: subprocess.Popen[bytes], bodies: Path) -> Running:
    (bodies.parent / "output.txt").write_text("the server's last word\n\n")
    return Running(ended, server.url, "a-token", bodies.parent / "output.txt")


@pytest.mark.usefixtures("program")
def test_bodies_are_posted_in_turn_with_the_token(
    ended: subprocess.Popen[bytes], bodies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with listening() as server:
        found = load(run(server, ended, bodies), bodies, 1, 1)
    assert server.tokens == {"Bearer a-token"}
    lines = bodies.read_bytes().split(b"\n")
    first = lines.index(server.bodies[0])
    assert server.bodies == [lines[(first + place) % 7] for place in range(len(server.bodies))]
    assert 20 < found.answers <= len(server.bodies)
    assert 0 < found.p50 <= found.p99 < found.seconds
    assert found.rate == found.answers / found.seconds


@pytest.mark.usefixtures("program")
def test_answers_that_are_no_success_are_a_problem_that_counts_them(
    ended: subprocess.Popen[bytes], bodies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with listening(503) as server, pytest.raises(Problem, match=r"of (\d+) answers \1 were no success.*last word$"):
        load(run(server, ended, bodies), bodies, 2, 1)


@pytest.mark.usefixtures("program")
def test_a_paced_load_rests_between_requests_and_counts_every_one_that_was_answered(
    ended: subprocess.Popen[bytes], bodies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with listening() as server:
        found = load(run(server, ended, bodies), bodies, 4, 2, Pace(20, 1))
    assert found.answers == len(server.bodies)
    assert 4 <= found.answers <= 4 * 1000 / 20


def test_where_wrk_is_missing_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Problem, match=r"^wrk is not installed; install it with `apt-get install wrk`"):
        wrk()
