"""make comment: one comment on pull requests that touch dvc.lock, kept current."""

from pathlib import Path

import pytest

import github as fake
from github import PERSON, Reply, Request
from proposals import NEW, OLD, Loop

MARKER = "<!-- fraud-difference -->"


@pytest.fixture
def work(work: Loop) -> Loop:
    """Be on a branch beside GitHub."""
    work.run("git", "checkout", "-q", "-b", "idea")
    return work


def push(work: Loop) -> None:
    """Commit and push, and open a pull request the first time."""
    work.commit_all()
    work.run("git", "push", "-q", "origin", "idea")
    if not work.server.pulls:
        asked = {"head": "idea", "base": "main", "title": "an idea", "body": ""}
        fake._create_pull(work.server, Request("POST", "pulls", {}, asked))


def better(work: Loop, recall: float = 0.9) -> None:
    """Let the working copy hold another model, metric and parameter."""
    work.model(NEW)
    work.json("reports/metrics.json", lambda metrics: metrics | {"recall": recall})
    params = work.path / "params.yaml"
    params.write_text(params.read_text().replace("trees: 100 ", "trees: 200 "))


def test_a_pull_request_that_touches_the_lock_gets_its_difference(work: Loop) -> None:
    better(work)
    push(work)
    assert work.loop("comment", "PR=1") == "#1: commented\n"
    (said,) = work.server.said(1)
    assert said.startswith(f"{MARKER}\nThe model is another one.")
    assert "| `recall` | 0.854 | 0.900 | 0.796 to 0.912 | +0.046 |" in said
    assert "| `train.trees` | `100` | `200` |" in said
    assert f"| model | `{OLD}` | `{NEW}` | changed |" in said


def test_the_next_push_updates_the_same_comment_and_the_same_difference_asks_for_nothing(work: Loop) -> None:
    better(work)
    push(work)
    work.loop("comment", "PR=1")
    work.changes()
    (work.path / "NOTES.md").write_text("a note")
    push(work)
    assert work.loop("comment", "PR=1") == "#1: comment says so already\n"
    assert work.changes() == []
    better(work, 0.95)
    push(work)
    assert work.loop("comment", "PR=1") == "#1: comment updated\n"
    assert work.changes() == ["PATCH issues/comments/1000"]
    assert "| `recall` | 0.854 | 0.950 |" in work.server.said(1)[0]


def test_other_ends_of_lines_are_no_difference(work: Loop) -> None:
    better(work)
    push(work)
    work.loop("comment", "PR=1")
    (comment,) = work.server.comments.values()
    comment["body"] = comment["body"].replace("\n", "\r\n")
    work.changes()
    assert work.loop("comment", "PR=1") == "#1: comment says so already\n"
    assert work.changes() == []


def test_where_the_lock_is_untouched_nothing_is_said(work: Loop) -> None:
    (work.path / "NOTES.md").write_text("a note")
    push(work)
    assert work.loop("comment", "PR=1") == "#1 leaves dvc.lock as it is: nothing to say\n"
    assert work.changes() == []


def test_a_comment_that_no_longer_holds_says_so(work: Loop) -> None:
    better(work)
    push(work)
    work.loop("comment", "PR=1")
    work.run("git", "checkout", "-q", "main", "--", ".")
    (work.path / "NOTES.md").write_text("a note")
    push(work)
    for _ in "ab":
        work.loop("comment", "PR=1")
    assert work.server.said(1) == [
        f"{MARKER}\nBy now this pull request leaves dvc.lock as it is: no metric, no data and no model changes."
    ]


def test_what_came_to_main_meanwhile_is_not_taken_for_a_change_of_this_one(work: Loop) -> None:
    (work.path / "NOTES.md").write_text("a note")
    push(work)
    work.run("git", "checkout", "-q", "main")
    better(work)
    work.commit_all()
    work.run("git", "push", "-q", "origin", "main")
    assert work.loop("comment", "PR=1") == "#1 leaves dvc.lock as it is: nothing to say\n"


def test_a_comment_of_somebody_else_that_looks_like_ours_is_left_alone(work: Loop) -> None:
    better(work)
    push(work)
    work.server.say(1, f"{MARKER}\nAll is well.", PERSON, "CONTRIBUTOR")
    work.server.say(1, f"> {MARKER}\nIs that so?", PERSON, "OWNER")
    assert work.loop("comment", "PR=1") == "#1: commented\n"
    assert len(work.server.said(1)) == 3


def test_a_comment_that_a_colleague_made_on_a_laptop_is_updated(work: Loop) -> None:
    better(work)
    push(work)
    work.server.say(1, f"{MARKER}\r\nolder", PERSON, "MEMBER")
    assert work.loop("comment", "PR=1") == "#1: comment updated\n"
    assert len(work.server.said(1)) == 1


def test_a_comment_whose_answer_was_lost_is_there_once(work: Loop) -> None:
    better(work)
    push(work)
    lost: list[Request] = []

    def lose(request: Request) -> Reply | None:
        if request.method == "GET" or lost:
            return None
        lost.append(request)
        return Reply(502, {"message": "Bad Gateway"})

    work.server.after = lose
    assert work.loop("comment", "PR=1") == "#1: commented\n"
    assert len(work.server.said(1)) == 1


def test_commits_that_are_not_here_are_fetched(work: Loop, tmp_path: Path) -> None:
    better(work)
    push(work)
    work.run("git", "clone", "-q", "--single-branch", f"{tmp_path}/origin.git", f"{tmp_path}/other")
    work.server.git("update-ref", "refs/pull/1/head", "refs/heads/idea")  # As GitHub keeps it, of forks too.
    other = Loop(tmp_path / "other")
    other.server = work.server
    assert other.loop("comment", "PR=1") == "#1: commented\n"


def test_a_history_that_is_cut_off_is_one_line(work: Loop, tmp_path: Path) -> None:
    better(work)
    push(work)
    work.run("git", "clone", "-q", "--depth=1", "--branch=idea", f"file://{tmp_path}/origin.git", f"{tmp_path}/other")
    other = Loop(tmp_path / "other")
    other.server = work.server
    assert other.loop("comment", "PR=1", code=1).endswith("`git fetch origin`, or check out with fetch-depth: 0\n")
    assert work.changes() == []


def test_a_number_that_is_none_or_of_no_pull_request_is_one_line(work: Loop) -> None:
    for given, found in (("PR=", "nothing"), ("PR=1; id", "1; id"), ("PR=../2", "../2")):
        assert work.loop("comment", given, code=1) == (
            f"PR: found {found}, expected the number of a pull request, like PR=12\n"
        )
    assert "found nothing at GET pulls/7, or the token may not see it; check the number" in (
        work.loop("comment", "PR=7", code=1)
    )
