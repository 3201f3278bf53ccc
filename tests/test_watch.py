"""make watch: retraining runs when a week is new or changed where the batches are imported from, and only then."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples import ROOT
from fraud.errors import Problem
from fraud.loop import watch
from fraud.loop.notifying import gauges
from listening import listening
from pushgateway import pushgateway
from weekly_logs import W09, Logbook, answers

# A retraining that writes down that it ran, and ends as the file `code` says, or lasts as long as it says.
RETRAIN = """
import os, signal, sys, time
from pathlib import Path
def end(*_):
    Path("ended").write_text("")
    sys.exit(9)
signal.signal(signal.SIGTERM, end)
with Path("runs").open("a") as file:
    file.write("ran\\n")
for path in Path().glob("tells"):
    os.write(int(sys.argv[-1].partition("=")[2]), path.read_bytes())
time.sleep(float(Path("lasts").read_text()))
sys.exit(int(Path("code").read_text()))
"""
WATCH = f"""
from fraud.errors import run
from fraud.loop import watch
watch.RETRAIN = ("-c", {RETRAIN!r})
watch.UNITS["s"] = 0.1
run(watch.main)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working copy that has imported one week from the folder `weekly`."""
    (tmp_path / "params.yaml").write_text("dataset: creditcard\n")
    for folder in "weekly", "data/raw/creditcard":
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "2026-W08.csv").write_text("eight")
    (tmp_path / "data/raw/creditcard.dvc").write_text("deps:\n- path: ../../weekly\nouts:\n- path: creditcard\n")
    (tmp_path / "code").write_text("0")
    (tmp_path / "lasts").write_text("0")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def watching(here: Path, urls: str = "", gateway: str = "") -> Iterator[subprocess.Popen[str]]:
    with (here / "said").open("w") as said:
        command = [sys.executable, "-c", WATCH, "EVERY=2s"]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "NOTIFY_URLS": urls, "PUSHGATEWAY": gateway}
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not seen():
        assert time.monotonic() < end, Path("said").read_text()
        time.sleep(0.02)


def runs() -> int:
    return len(Path("runs").read_text().splitlines()) if Path("runs").exists() else 0


def rounds() -> None:
    """Wait for some rounds to pass."""
    time.sleep(1)


def test_nothing_runs_while_nothing_is_new_and_once_for_each_new_or_changed_week(here: Path) -> None:
    with watching(here):
        rounds()
        (here / "weekly/2026-W09.csv.part").write_text("ni")
        (here / "weekly/NOTES.txt").write_text("nine comes soon")
        rounds()
        assert runs() == 0
        (here / "weekly/2026-W09.csv.part").rename(here / "weekly/2026-W09.csv")
        until(lambda: runs() == 1)
        rounds()
        assert runs() == 1
        (here / "weekly/2026-W08.csv").write_text("eight, with labels")
        until(lambda: runs() == 2)
        rounds()
        assert runs() == 2
    said = (here / "said").read_text()
    assert "2026-W09.csv is new; `make retrain`\nretrain: done\n" in said
    assert "2026-W08.csv changed; `make retrain`\nretrain: done\n" in said


def test_a_week_of_the_request_log_that_is_over_is_collected_first_and_retrained_on(here: Path) -> None:
    shutil.copytree(ROOT / "data/schemas", here / "data/schemas")
    (here / "params.yaml").write_text("dataset: creditcard\ncollect:\n  derive_labels: false\n")
    with watching(here):
        rounds()
        assert runs() == 0
        book = Logbook(f"sqlite:///{here}/data/requests.db")
        book.log(answers(30, W09))
        until(lambda: runs() == 1)
        rounds()
    assert len((here / "weekly/2026-W09.csv").read_text().splitlines()) == 31
    said = (here / "said").read_text()
    assert said.count("2026-W09: 30 rows, 0 with a label") == 1
    assert "2026-W09.csv is new; `make retrain`\nretrain: done\n" in said


@pytest.mark.parametrize(
    ("code", "again", "word"),
    [
        (3, False, "the gate said no"),
        (1, True, "failed with 1; the next round tries again"),
        (4, True, "another run is at work here; the next round looks again"),
    ],
)
def test_a_round_that_failed_is_reported_and_the_next_one_tries_again(
    here: Path, code: int, again: bool, word: str
) -> None:
    (here / "code").write_text(str(code))
    (here / "weekly/2026-W09.csv").write_text("nine")
    with watching(here):
        until(lambda: runs() > again)
        rounds()
    assert (runs() > 1) == again
    assert f"retrain: {word}\n" in (here / "said").read_text()


def tells(here: Path, *messages: tuple[str, str, str]) -> None:
    """Let the retraining tell this."""
    (here / "new").write_text("".join(json.dumps(message) + "\n" for message in messages))
    (here / "new").rename(here / "tells")


def test_a_fault_and_a_drift_that_last_are_told_once_and_again_when_they_change(here: Path) -> None:
    drift, away = ("drift", "Drift in 2026-W09", "V14"), ("failed", "The loop failed", "the bucket is away")
    (here / "code").write_text("1")
    (here / "weekly/2026-W09.csv").write_text("nine")
    tells(here, ("looked", "", ""), drift, away)
    with listening() as server, watching(here, server.url.replace("http", "json")):
        until(lambda: runs() > 3)
        tells(here, ("looked", "", ""), drift, ("failed", "The loop failed", "the token has expired"))
        until(lambda: len(server.bodies) == 3)
        tells(here, ("looked", "", ""), ("drift", "Drift in 2026-W09 and 2026-W10", "V14"), ("success", "", ""))
        until(lambda: len(server.bodies) == 4)
        tells(here, away)
        until(lambda: len(server.bodies) == 5)
        before = runs()
        until(lambda: runs() > before + 2)
    told = [(message["title"], message["message"]) for message in map(json.loads, server.bodies)]
    assert told == [
        ("Drift in 2026-W09", "V14"),
        ("The loop failed", "the bucket is away"),
        ("The loop failed", "the token has expired"),
        ("Drift in 2026-W09 and 2026-W10", "V14"),
        ("The loop failed", "the bucket is away"),
    ]


def test_a_place_that_is_away_is_told_once_and_again_when_it_was_back(here: Path) -> None:
    with listening() as server, watching(here, server.url.replace("http", "json")):
        for times in 1, 2:
            (here / "weekly").rename(here / "away")
            until(lambda times=times: len(server.bodies) == times)  # type: ignore[misc]
            rounds()
            (here / "away").rename(here / "weekly")
            rounds()
    assert [json.loads(body)["title"] for body in server.bodies] == ["New weeks cannot be looked for"] * 2


def test_a_look_that_finds_nothing_new_is_told_to_the_pushgateway_and_ends_a_failure(here: Path) -> None:
    with pushgateway(here) as gateway, watching(here, gateway=gateway.address):
        until(lambda: gateway.groups() != [])
        assert gateway.gauges().keys() == {gauges.LOOK, gauges.SUCCESS}
        (here / "weekly").rename(here / "away")
        until(lambda: gauges.FAILURE in gateway.gauges())
        failed = gateway.gauges()[gauges.FAILURE]
        (here / "away").rename(here / "weekly")
        until(lambda: gateway.gauges()[gauges.SUCCESS] > failed)
    assert runs() == 0


def test_a_place_that_cannot_be_looked_at_is_reported_and_looked_at_again(here: Path) -> None:
    record = here / "data/raw/creditcard.dvc"
    content = record.read_text()
    record.unlink()
    (here / "weekly/2026-W09.csv").write_text("nine")
    with watching(here):
        until(lambda: "found no such file" in (here / "said").read_text())
        record.write_text(content)
        until(lambda: runs() == 1)


def test_a_folder_that_weeks_leave_again_asks_for_a_retraining_when_one_comes_and_not_when_one_goes(here: Path) -> None:
    (here / "data/raw/creditcard.dvc").write_text("outs:\n- path: creditcard\n")
    (here / ".dvc").mkdir()
    (here / ".dvc/config").write_text("['remote \"weekly-creditcard\"']\n    url = ../weekly\n")
    (here / "weekly/2026-W08.csv").unlink()
    with watching(here):
        rounds()
        assert runs() == 0
        (here / "weekly/2026-W09.csv").write_text("nine")
        until(lambda: runs() == 1)
        (here / "weekly/2026-W09.csv").unlink()
        rounds()
        (here / "weekly").rmdir()
        until(lambda: "weekly: found no such folder; mount it" in (here / "said").read_text())
    assert runs() == 1
    assert "is gone" not in (here / "said").read_text()


@pytest.mark.parametrize("lasts", ["0", "60"])
def test_sigterm_ends_it_and_what_it_started(here: Path, lasts: str) -> None:
    (here / "lasts").write_text(lasts)
    (here / "weekly/2026-W09.csv").write_text("nine")
    with watching(here) as process:
        until(lambda: runs() == 1 and (lasts == "60" or "retrain: done" in (here / "said").read_text()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert (here / "ended").exists() == (lasts == "60")
    assert (here / "said").read_text().endswith("watch: ended\n")


@pytest.mark.parametrize("every", ["", "15", "m", "0m", "1w", "1.5h"])
def test_a_time_that_is_none_is_refused(every: str) -> None:
    with pytest.raises(Problem, match=f"^EVERY={every}: expected a time like 15m"):
        watch.seconds(every)


def test_times_are_read_in_their_unit() -> None:
    assert [watch.seconds(text) for text in ("90s", "15m", "6h", "1d")] == [90, 900, 21_600, 86_400]
