"""The branch of a retraining: whose commits it takes the place of, and whose it leaves."""

from pathlib import Path

import pytest

from fraud.errors import Problem
from fraud.loop.retraining import branch
from repositories import ENVIRONMENT, Repository

WEEK = "2026-W10"
BRANCH = f"retrain/{WEEK}"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Stand in a clone whose loop has pushed a first branch, and is back on main."""
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.setenv(f"GIT_{name}", ENVIRONMENT[f"GIT_{name}"])
    clone = Repository(tmp_path / "clone")
    clone.path.mkdir()
    monkeypatch.chdir(clone.path)
    clone.run("git", "init", "-q", "-b", "main")
    clone.run("git", "commit", "-q", "--allow-empty", "-m", "Begin")
    clone.run("git", "init", "-q", "--bare", str(tmp_path / "origin.git"))
    clone.run("git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    pushed(clone, "first")
    clone.run("git", "checkout", "-q", "main")
    return clone


def pushed(clone: Repository, model: str) -> str:
    clone.run("git", "checkout", "-q", "main")
    (clone.path / "model").write_text(model)
    branch.commit(WEEK, "Retrain")
    return branch.push(WEEK, "main")


def by_a_person(clone: Repository) -> str:
    """Commit to the branch on the server, and return the commit."""
    clone.run("git", "checkout", "-q", "-B", "mine", f"origin/{BRANCH}")
    clone.run("git", "commit", "-q", "--allow-empty", "-m", "Look closer")
    clone.run("git", "push", "-q", "origin", f"HEAD:{BRANCH}")
    commit = clone.run("git", "rev-parse", "HEAD").strip()
    clone.run("git", "checkout", "-q", "main")
    return commit


def there(clone: Repository) -> str:
    return clone.run("git", "ls-remote", "origin", f"refs/heads/{BRANCH}").split()[0]


def test_what_the_loop_pushed_gives_way_to_what_it_pushes_next(clone: Repository) -> None:
    assert branch.replaceable(WEEK, "main") == there(clone)
    assert branch.replaceable("2026-W11", "main") == ""
    assert pushed(clone, "second") == there(clone)


def test_a_branch_to_which_a_person_committed_is_refused_until_it_is_merged(clone: Repository) -> None:
    commit = by_a_person(clone)
    with pytest.raises(Problem, match=f"^{BRANCH}: somebody committed to it on the server"):
        branch.replaceable(WEEK, "main")
    assert there(clone) == commit
    clone.run("git", "merge", "-q", "--no-ff", "-m", "Merge it", "mine")
    assert branch.replaceable(WEEK, "main") == commit
    assert pushed(clone, "second") == there(clone) != commit
