"""make resolve-lock: a real merge conflict in dvc.lock, in a small repository with the real graph."""

from pathlib import Path

import pytest

from repositories import Repository, small


def lock(repository: Repository, code: int = 0) -> str:
    return repository.run("python", "-m", "fraud.loop.resolve_lock", code=code)


@pytest.fixture(scope="module")
def branches(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository in which two branches changed the model, each in its own way."""
    made = small(tmp_path_factory.mktemp("resolve") / "made")
    made.repro()
    made.commit()
    for branch, values in {"seeds": {"train.seed": 8}, "costs": {"cost.alert": 7}}.items():
        made.run("git", "checkout", "-qb", branch, "main")
        made.set(values)
        made.repro()
        made.commit()
    return made


@pytest.fixture
def conflict(branches: Repository, tmp_path: Path) -> Repository:
    repository = branches.copy(tmp_path / "copy")
    repository.run("git", "merge", "-q", "seeds", code=1)
    assert "<<<<<<<" in repository.lock()
    return repository


def staged(repository: Repository) -> set[str]:
    return set(repository.run("git", "diff", "--staged", "--name-only").split())


def test_the_lock_is_that_of_the_merged_settings_and_is_staged_with_the_reports(
    conflict: Repository, branches: Repository, tmp_path: Path
) -> None:
    said = lock(conflict)
    assert "next: `git diff --staged dvc.lock`" in said
    assert conflict.run("git", "diff", "--name-only", "--diff-filter=U") == ""
    assert {"dvc.lock", "params.yaml", "reports/metrics.json", "docs/model-card.md"} <= staged(conflict)
    assert conflict.run("git", "diff", "--name-only") == ""
    assert "up to date" in conflict.run("dvc", "status")
    conflict.run("git", "-c", "core.editor=true", "merge", "--continue")

    fresh = branches.copy(tmp_path / "fresh")
    fresh.set({"train.seed": 8})
    fresh.repro()
    assert conflict.lock() == fresh.lock()


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml"])
def test_settings_and_graph_are_merged_first(conflict: Repository, name: str) -> None:
    before = conflict.lock()
    path = conflict.path / name
    path.write_text(f"<<<<<<< HEAD\n{path.read_text()}=======\nother\n>>>>>>> seeds\n")
    conflict.run("git", "add", name)  # As somebody does who has not looked.
    said = lock(conflict, code=1)
    assert f"{name}: not merged yet; mend and `git add` that first, then `make resolve-lock`" in said
    assert conflict.lock() == before


def test_what_else_people_write_is_merged_first(branches: Repository, tmp_path: Path) -> None:
    repository = branches.copy(tmp_path / "copy")
    for branch in "seeds", "costs":
        repository.run("git", "checkout", "-q", branch)
        (repository.path / "README.md").write_text(branch)
        repository.commit()
    repository.run("git", "merge", "-q", "seeds", code=1)
    assert "README.md: not merged yet" in lock(repository, code=1)


def test_a_run_that_was_stopped_goes_on(conflict: Repository) -> None:
    lock_before = conflict.lock()
    (conflict.path / "dvc.lock").unlink()  # As a run leaves it that was killed in the first stage.
    lock(conflict)
    assert conflict.lock() != lock_before
    assert "up to date" in conflict.run("dvc", "status")


def test_without_a_conflict_there_is_nothing_to_do(branches: Repository, tmp_path: Path) -> None:
    repository = branches.copy(tmp_path / "copy")
    said = lock(repository, code=1)
    assert "git knows of no conflict in it; where the graph is stale, run `make repro`" in said
    assert repository.run("git", "status", "--porcelain") == ""
