"""Which commits pinned a model, when main did, and by which pull request it came: from git alone."""

from pathlib import Path

import pytest

from fraud.errors import Problem
from fraud.loop.tracing.lock_history import pins, read
from s3 import Copy, empty
from traces import FIRST, IDEA, OTHER, World, locked, pin


def test_spans_of_main_begin_with_a_merge_a_squash_or_a_revert_and_end_where_another_model_comes(inside: World) -> None:
    at = inside.revisions
    spans = pins(read(), inside.model.md5).spans
    assert [(one.first.revision, one.until and one.until.revision, one.commits) for one in spans] == [
        (at["merged"], at["squashed"], 1),
        (at["reverted"], at["trailer"], 2),
    ]
    assert [(one.first.pull_request, one.until and one.until.pull_request) for one in spans] == [(12, 14), (15, 17)]
    assert [f"{one.first.committed:%Y-%m-%dT%H:%M}" for one in spans] == ["2026-10-05T08:00", "2026-10-11T08:00"]


@pytest.mark.usefixtures("inside")
def test_a_model_that_main_pins_today_has_a_span_without_an_end() -> None:
    spans = pins(read(), OTHER).spans
    assert [one.until is None for one in spans] == [False, True]


@pytest.mark.usefixtures("inside")
def test_a_commit_of_a_branch_has_the_pull_request_of_the_merge_that_brought_it(world: World) -> None:
    found = {one.commit.revision: one for one in pins(read(), world.model.md5).commits}
    at = world.revisions
    assert list(found) == [at[name] for name in ("proposed", "merged", "reverted", "words")]
    assert found[at["proposed"]].pull_request == 12
    assert found[at["proposed"]].brought == found[at["merged"]].commit
    assert found[at["words"]].pull_request is None


@pytest.mark.usefixtures("inside")
def test_a_model_that_only_a_branch_pins_is_found_there_and_was_never_on_main(world: World) -> None:
    found = pins(read(), IDEA)
    assert [(one.commit.revision, one.brought) for one in found.commits] == [(world.revisions["idea"], None)]
    assert found.spans == []


@pytest.mark.usefixtures("inside")
def test_the_origin_is_the_first_commit_even_where_later_ones_pin_the_model_again(world: World) -> None:
    origin = pins(read(), world.model.md5).origin
    assert origin
    assert origin.revision == world.revisions["proposed"]


@pytest.mark.parametrize(
    ("subject", "body", "number"),
    [
        ("Merge pull request #12 from bank/retrain", "", 12),
        ("Retrain on 2026-W08 (#7)", "", 7),
        ('Revert "Retrain (#7)" (#9)', "", 9),
        ('Revert "Retrain (#7)"', "", None),
        ('Revert "Merge pull request #12 from bank/retrain"', "", None),
        ("Mend (#3) at last", "", None),
        ("Retrain", "Pull-Request: #17", 17),
        ("Retrain", "Pull-request: https://github.com/bank/fraud/pull/18", 18),
        ("Retrain", "It mends #19.", None),
    ],
)
def test_the_number_of_a_pull_request_is_read_from_the_message_alone(
    subject: str, body: str, number: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Copy(tmp_path)
    copy.run("git", "init", "-q", "-b", "main")
    copy.run("git", "commit", "-q", "--allow-empty", "-m", f"{subject}\n\n{body}")
    monkeypatch.chdir(tmp_path)
    assert read().main[0].pull_request == number


@pytest.mark.parametrize(("ours", "theirs", "trunk"), [(0, 1, "origin/main"), (1, 0, "main"), (1, 1, "origin/main")])
def test_main_is_the_newer_of_ours_and_the_remotes(
    ours: int, theirs: int, trunk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = empty(tmp_path / "there")
    here = there.clone(tmp_path / "here")
    for copy, commits in ((there, theirs), (here, ours)):
        for number in range(commits):
            pin(copy, "2026-10-02T08:00:00Z", f"{copy.path.name} {number}", locked(FIRST, str(copy.path)))
    here.run("git", "fetch", "-q")
    monkeypatch.chdir(here.path)
    assert read().trunk == trunk


def test_outside_of_a_repository_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(Problem, match=r"^git: not a git repository.*; run it in a clone"):
        read()
