"""make propose: one open pull request for the newest week, whatever happens in between; and make status."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import github as fake
from fraud.errors import Problem
from fraud.loop import propose, retrain, status
from fraud.loop.gate import Judgement
from fraud.loop.retraining.candidate import Proposed
from fraud.loop.retraining.window import Cause
from github import NAME, PERSON, Reply, Request
from proposals import NEW, Loop, inside

W11, W12, W13 = "BRANCH=retrain/2026-W11", "BRANCH=retrain/2026-W12", "BRANCH=retrain/2026-W13"
OTHER = "3" * 32  # Another model.


def state(work: Loop) -> list[Any]:
    """Return what there is to see on GitHub, without the numbers of comments."""
    return [
        (number, pull["state"], pull["title"], pull["body"], pull["head"]["ref"], work.server.said(number))
        for number, pull in sorted(work.server.pulls.items())
    ]


def test_a_branch_that_was_pushed_becomes_a_pull_request(work: Loop) -> None:
    commit = work.branch("2026-W12")
    assert work.loop("propose", W12) == f"#1 opened: https://{work.server.host}/{NAME}/pull/1\n"
    (pull,) = work.server.open()
    assert (pull["head"]["sha"], pull["base"]["ref"]) == (commit, "main")
    assert pull["title"] == "Retrain on 2026-W05 to 2026-W08: drift fired"
    assert f"model={NEW}" in pull["body"]
    assert work.changes() == ["POST pulls"]


def test_run_again_it_changes_nothing(work: Loop) -> None:
    work.branch("2026-W12")
    work.loop("propose", W12)
    work.changes()
    assert "says so already" in work.loop("propose", W12)
    assert work.changes() == []


def test_another_model_of_the_same_week_updates_the_same_pull_request(work: Loop) -> None:
    work.branch("2026-W12")
    work.loop("propose", W12)
    work.changes()
    work.branch("2026-W12", model=OTHER)
    assert work.loop("propose", W12).startswith("#1 updated")
    assert work.changes() == ["PATCH pulls/1"]
    assert OTHER in work.server.pulls[1]["body"]


def test_what_a_person_wrote_into_the_body_stays_until_the_proposal_changes(work: Loop) -> None:
    work.branch("2026-W12")
    work.loop("propose", W12)
    work.server.pulls[1]["body"] += "Looked at by ann.\r\n"
    assert "says so already" in work.loop("propose", W12)
    assert work.server.pulls[1]["body"].endswith("Looked at by ann.\r\n")


def test_a_newer_week_supersedes_the_older_ones_and_says_so_there(work: Loop) -> None:
    for week in ("2026-W10", "2026-W11"):
        work.branch(week)
        work.server.user = fake.BOT
        work.loop("propose", f"WEEK={week}")
    assert [pull["number"] for pull in work.server.open()] == [2]
    work.branch("2026-W12")
    assert work.loop("propose", W12).splitlines()[1:] == ["#2 closed: superseded by #3"]
    assert [pull["number"] for pull in work.server.open()] == [3]
    assert work.server.said(2) == ["<!-- fraud-superseded -->\nSuperseded by #3, which is for a newer week."]


def test_an_older_week_is_not_proposed_beside_a_newer_one(work: Loop) -> None:
    for week in ("2026-W9", "2026-W12"):
        work.branch(week)
    work.loop("propose", W12)
    work.changes()
    assert work.loop("propose", "WEEK=2026-W9") == ("retrain/2026-W9 is not proposed: #1 is open for a newer week\n")
    assert work.changes() == []


def test_pull_requests_of_others_are_left_alone(work: Loop) -> None:
    marked = f"<!-- fraud-retrain model={NEW} text=abc -->"
    for week in ("2026-W09", "2026-W10", "2026-W11", "2026-W13"):
        work.branch(week)
    work.run("git", "push", "-q", "origin", "retrain/2026-W09:refs/heads/my-own", "main:refs/heads/release")
    for number, (head, base, body, home) in enumerate(
        [
            ("my-own", "main", marked, NAME),  # no branch of the loop
            ("retrain/2026-W09", "main", "mine", NAME),  # made by hand
            ("retrain/2026-W10", "release", marked, NAME),  # into another branch
            ("retrain/2026-W11", "main", marked, "mallory/fraud"),  # of a fork
            ("retrain/2026-W13", "main", marked, "mallory/fraud"),
        ],
        start=1,
    ):
        asked = {"head": head, "base": base, "title": "a title", "body": body}
        fake._create_pull(work.server, Request("POST", "pulls", {}, asked))
        work.server.pulls[number]["head"]["repo"] = {"full_name": home}
    work.server.pulls[5]["head"]["repo"] = None  # The fork is gone.
    work.branch("2026-W12")
    work.loop("propose", W12)
    assert work.changes() == ["POST pulls"]
    assert len(work.server.open()) == 6


def test_a_pull_request_of_the_branch_that_was_opened_by_hand_is_taken_over(work: Loop) -> None:
    work.branch("2026-W12")
    asked = {"head": "retrain/2026-W12", "base": "main", "title": "by hand", "body": None}
    fake._create_pull(work.server, Request("POST", "pulls", {}, asked))
    assert work.loop("propose", W12).startswith("#1 updated")
    assert "model=" in work.server.pulls[1]["body"]


def test_what_a_person_closed_is_not_opened_again_unless_forced(work: Loop) -> None:
    work.branch("2026-W12")
    work.loop("propose", W12)
    work.server.close(1)
    work.changes()
    said = work.loop("propose", W12)
    assert said == (
        "retrain/2026-W12 is not proposed: a person closed #1 with this very model; FORCE=1 proposes it again\n"
    )
    assert work.changes() == []
    assert work.loop("propose", W12, "FORCE=1").startswith("#2 opened")
    assert work.server.pulls[1]["state"] == "closed"


def test_what_a_person_merged_is_not_proposed_again_though_main_went_back_since(work: Loop) -> None:
    work.branch("2026-W12")
    work.loop("propose", W12)
    work.server.merge(1)
    assert "#1 with this very model was merged" in work.loop("propose", W12)
    assert len(work.server.pulls) == 1


def test_retraining_passes_on_its_base_and_its_force_and_hears_whether_there_is_a_pull_request(
    work: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.run("git", "push", "-q", "origin", "main:develop")
    work.run("git", "branch", "-q", "develop")
    work.branch("2026-W12")
    one = Proposed(Cause("force", "it was asked for"), "2026-W12", Judgement("not worse", "", None, NEW))
    with inside(work, monkeypatch):
        assert retrain.propose(one, retrain.options(["--base", "develop"]))
        assert [pull["base"]["ref"] for pull in work.server.open()] == ["develop"]
        work.server.close(1)
        assert not retrain.propose(one, retrain.options(["--base", "develop"]))
        assert retrain.propose(one, retrain.options(["--base", "develop", "--force"]))
        assert not retrain.propose(one, retrain.options(["--base", "develop", "--dry-run"]))
    assert len(work.server.open()) == 1


def test_another_model_than_the_one_that_a_person_closed_is_proposed(work: Loop) -> None:
    work.branch("2026-W12")
    work.loop("propose", W12)
    work.server.close(1)
    work.branch("2026-W12", model=OTHER)
    assert work.loop("propose", W12).startswith("#2 opened")


def test_what_the_loop_itself_closed_is_no_rejection(work: Loop) -> None:
    for week in ("2026-W11", "2026-W12"):
        work.branch(week)
        work.loop("propose", f"WEEK={week}")
    work.server.close(2)
    assert work.loop("propose", W11).startswith("#3 opened")


def test_without_a_name_the_newest_branch_is_proposed(work: Loop) -> None:
    for week in ("2026-W12", "2026-W9", "2026-W11"):
        work.branch(week)
    work.run("git", "branch", "-qD", "retrain/2026-W12")  # It is known from the remote alone.
    work.loop("propose", "WEEK=", "BRANCH=")
    assert [pull["head"]["ref"] for pull in work.server.open()] == ["retrain/2026-W12"]


def test_a_branch_that_another_machine_pushed_is_fetched(work: Loop, tmp_path: Path) -> None:
    work.run("git", "clone", "-q", f"{tmp_path}/origin.git", f"{tmp_path}/other")
    other = Loop(tmp_path / "other")
    commit = other.branch("2026-W12")
    assert commit not in work.run("git", "rev-list", "--all")
    assert work.loop("propose", W12).startswith("#1 opened")


def test_a_branch_that_was_not_pushed_is_one_line(work: Loop) -> None:
    said = work.loop("propose", W12, code=1)
    assert said == ("retrain/2026-W12: bank/fraud has no such branch; `git push origin retrain/2026-W12` first\n")


@pytest.mark.parametrize("name", ["main", "retrain/", "retrain/../main", "retrain/a b", "retrain/$(id)", "retrain/-x"])
def test_no_other_branch_can_be_named(work: Loop, name: str) -> None:
    assert work.loop("propose", f"BRANCH={name}", code=1).endswith("like retrain/2026-W12, or rollback/<model>\n")
    assert work.server.requests == []


def test_without_any_branch_a_word_says_what_makes_one(work: Loop) -> None:
    assert "found no branch retrain/<week>; `make retrain` makes one" in work.loop("propose", code=1)


def test_a_dry_run_prints_title_and_body_and_asks_nobody(work: Loop) -> None:
    work.branch("2026-W12")
    work.run("git", "push", "-q", "origin", ":retrain/2026-W12")
    said = work.loop("propose", W12, "DRY_RUN=1", GITHUB_RUN_ID="7")
    assert said.startswith("Retrain on 2026-W05 to 2026-W08: drift fired\n\n<!-- fraud-retrain")
    assert f"https://{work.server.host}/{NAME}/actions/runs/7#artifacts" in said
    assert work.server.requests == []


def test_nothing_is_ever_merged_and_no_branch_deleted(work: Loop) -> None:
    for week in ("2026-W11", "2026-W12", "2026-W13"):
        work.branch(week)
        work.loop("propose", f"WEEK={week}")
    asked = {(request.method, request.path.rpartition("/")[2]) for request in work.server.requests}
    assert "DELETE" not in {method for method, _ in asked}
    assert "merge" not in {end for _, end in asked}


def killed_after(work: Loop, count: int, *arguments: str) -> bool:
    """Run `make propose`, and kill -9 it and its gh once so many changes were made; return whether it came so far."""
    command = [sys.executable, "-m", "fraud.loop.propose", *arguments]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=work.path, env=work.environment(), stdout=quiet, stderr=quiet, start_new_session=True
    ) as process:

        def kill(_: Request) -> Reply | None:
            if sum(request.method != "GET" for request in work.server.requests) < count:
                return None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return Reply(0)

        work.server.requests.clear()
        work.server.after = kill
        code = process.wait(60)
    work.server.after = lambda _: None
    assert code in (0, -signal.SIGKILL)
    return code != 0


def test_killed_after_any_change_the_next_run_finishes_and_changes_nothing_twice(work: Loop) -> None:
    for week in ("2026-W11", "2026-W12"):
        work.branch(week)
    work.loop("propose", W11)
    before, kills = state(work), 0
    work.loop("propose", W12)
    wanted = state(work)
    for count in range(1, 20):
        work.server.comments.clear()
        work.server.pulls = {number: pull for number, pull in work.server.pulls.items() if number == 1}
        work.server.pulls[1]["state"] = "open"
        assert state(work) == before
        died = killed_after(work, count, W12)
        work.loop("propose", W12)
        assert state(work) == wanted, f"killed after change {count}"
        if not died:
            break
        kills += 1
    assert kills == 3  # It opened one, said so in the other, and closed that.


def test_two_that_propose_at_once_open_one_pull_request(work: Loop) -> None:
    work.branch("2026-W12")
    command = [sys.executable, "-m", "fraud.loop.propose", W12]
    started = [subprocess.Popen(command, cwd=work.path, env=work.environment(), stdout=subprocess.PIPE) for _ in "ab"]
    said = [process.communicate(timeout=60)[0] for process in started]
    assert all(b"#1 " in words for words in said)
    assert len(work.server.pulls) == 1


def test_a_status_is_set_once_and_links_to_its_run(work: Loop) -> None:
    commit = work.branch("2026-W12")
    for _ in "ab":
        said = work.loop("status", "STATE=pending", "SHA=retrain/2026-W12", "DESCRIPTION=", GITHUB_RUN_ID="7")
    assert said == f"fraud/checks of {commit[:9]} is pending\n"
    work.loop("status", "STATE=success", f"SHA={commit}", f"DESCRIPTION={'all is well, ' * 20}", GITHUB_RUN_ID="7")
    newest, first = work.server.statuses[commit]
    assert (newest["context"], newest["state"], len(newest["description"])) == ("fraud/checks", "success", 140)
    assert newest["target_url"] == f"https://{work.server.host}/{NAME}/actions/runs/7"
    assert first["state"] == "pending"


def test_a_status_of_head_is_meant_where_no_commit_is_named(work: Loop) -> None:
    work.loop("status", "STATE=failure", "SHA=")
    assert list(work.server.statuses) == [work.head()]


def test_a_status_that_is_none_or_a_commit_that_is_none_is_one_line(work: Loop) -> None:
    assert work.loop("status", "STATE=sucess", code=1) == (
        "STATE: found sucess, expected success, failure, pending, error (did you mean 'success'?)\n"
    )
    assert work.loop("status", "STATE=success", "SHA=--all", code=1).startswith("git: found no commit '--all'")
    assert work.server.requests == []


def test_a_person_may_propose_too(work: Loop) -> None:
    work.server.user = PERSON
    work.branch("2026-W12")
    assert work.loop("propose", W12).startswith("#1 opened")


def test_the_newest_week_is_found_by_number() -> None:
    assert propose.newest(["retrain/2026-W9", "retrain/2026-W12", "retrain/2025-W50"]) == "retrain/2026-W12"
    with pytest.raises(Problem, match="expected retrain/<week>"):
        propose.asked_branch({"WEEK": "a week"})
    assert status.STATES[0] == "success"


def test_a_way_back_is_proposed_beside_the_newest_week(work: Loop) -> None:
    work.branch("2026-W12")
    work.loop("propose", W12)
    work.run("git", "switch", "-q", "-c", "rollback/333333-abc", "main")
    work.model(OTHER)
    work.commit_all("Go back")
    work.run("git", "push", "-q", "origin", "HEAD")
    assert "#2 opened" in work.loop("propose", "BRANCH=rollback/333333-abc")
    assert [pull["title"] for pull in work.server.open()][1] == "Go back to model 333333"
    assert OTHER in work.server.pulls[2]["body"]
    assert work.loop("propose", W12).startswith("#1 is open and says so already")
