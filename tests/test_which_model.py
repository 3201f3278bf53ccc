"""make which-model: what main pinned at a time, and which models answered around it."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from fraud.errors import Problem
from fraud.loop import which_model
from fraud.loop.which_model import moment
from s3 import empty
from traces import FIRST, OTHER, World, enter, locked, log, pin, rows


@pytest.fixture
def late(inside: World, tmp_path: Path) -> World:
    """Return where we are, with answers of a server that follows main a day later."""
    given = {"2026-10-02": FIRST, "2026-10-05": FIRST, "2026-10-06": inside.model.md5, "2026-10-11": OTHER}
    answers = [rows(inside.model, 1, f"{day} 12:00:00.000000", model=md5)[0] for day, md5 in given.items()]
    log(os.environ["REQUEST_LOG"], tmp_path, answers)
    return inside


def told(capsys: pytest.CaptureFixture[str], at: str) -> dict[str, Any]:
    which_model.main(at, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("at", "commit", "model"),
    [
        ("2026-10-04T12:00", "first", FIRST),  # It stood on a branch by then, and not on main.
        ("2026-10-05T07:59:59", "first", FIRST),
        ("2026-10-05T08:00", "merged", None),
        ("2026-10-05T10:00+02:00", "merged", None),
        ("2026-10-05T09:59+02:00", "first", FIRST),
        ("2026-10-10", "merged", None),
        ("2026-10-10T08:00Z", "squashed", OTHER),
        ("2026-10-12T09:00", "words", None),
        ("2030-01-01", "trailer", OTHER),
    ],
)
def test_main_pinned_what_its_own_line_of_commits_says(
    at: str, commit: str, model: str | None, late: World, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, at)
    assert found["model"] == (model or late.model.md5)
    assert found["commit"]["revision"] == late.revisions[commit]


def test_the_span_is_the_one_around_that_time(late: World, capsys: pytest.CaptureFixture[str]) -> None:
    spans = [told(capsys, at)["span"] for at in ("2026-10-06", "2026-10-12T09:00", "2026-10-14")]
    at = late.revisions
    assert [one["from"]["revision"] for one in spans] == [at["merged"], at["reverted"], at["trailer"]]
    assert [one["until"] and one["until"]["revision"] for one in spans] == [at["squashed"], at["trailer"], None]


def test_the_answers_around_show_how_late_the_server_was(late: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "2026-10-05T13:00")
    assert (found["before"]["model"], found["before"]["time"]) == (FIRST, "2026-10-05T12:00:00.000000Z")
    assert found["after"]["model"] == found["first_by_it"]["model"] == late.model.md5
    which_model.main("2026-10-05T13:00")
    said = capsys.readouterr().out
    assert f"main at 2026-10-05 13:00:00 UTC: {late.model.md5}\n" in said
    assert f"last answer up to then: {FIRST} at 2026-10-05 12:00:00 UTC, another model\n" in said
    assert f"first answer after it: {late.model.md5} at 2026-10-06 12:00:00 UTC\n" in said
    assert f"it answered first {28 * 3600} s after it was pinned\n" in said


@pytest.mark.usefixtures("late")
def test_where_nothing_was_answered_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    which_model.main("2026-10-14T00:00")
    said = capsys.readouterr().out
    assert "first answer after it: none in the log\n" in said
    assert said.endswith("the log has no answer by that model since then\n")


@pytest.mark.usefixtures("late")
def test_a_time_that_is_still_to_come_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    which_model.main("2999-01-01")
    assert "  until now; the time that was asked for is still to come\n" in capsys.readouterr().out


@pytest.mark.usefixtures("late")
def test_a_time_before_main_began_is_a_problem() -> None:
    with pytest.raises(Problem, match=r"^AT=2020-01-01T00:00Z: main begins .* here; ask for a later time"):
        which_model.main("2020-01-01")


def test_in_a_shallow_clone_it_is_said_that_more_may_be_elsewhere(
    late: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late.copy.run("git", "clone", "-q", "--depth", "1", f"file://{late.copy.path}", str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    with pytest.raises(Problem, match="this clone is shallow: `git fetch --unshallow`"):
        which_model.main("2026-10-06")


def test_a_log_that_is_away_does_not_hide_what_git_knows(
    late: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REQUEST_LOG", "sqlite:///nowhere.db")
    with pytest.raises(Problem, match="there is no such file") as problem:
        which_model.main("2026-10-06")
    assert problem.value.code == 1
    assert late.model.md5 in capsys.readouterr().out


def test_a_commit_with_a_clock_that_runs_ahead_gives_way_to_those_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = empty(tmp_path / "copy")
    for time, md5 in (("10:00", "1"), ("18:00", "2"), ("11:00", "3")):
        pin(copy, f"2020-01-01T{time}:00Z", md5, locked(md5 * 32))
    enter(copy, monkeypatch, f"sqlite:///{tmp_path}/requests.db")
    log(os.environ["REQUEST_LOG"], tmp_path, rows(World(copy, {}).model, 1))
    assert told(capsys, "2020-01-01T12:00")["model"] == "3" * 32
    assert told(capsys, "2020-01-01T19:00")["model"] == "3" * 32


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "12:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Problem, match=f"^AT={re.escape(text)}: expected a time like 2026-11-03T12:00"):
        moment(text)
