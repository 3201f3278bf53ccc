"""The clone that the loop works in: it knows the remotes of the branch that is deployed, and the secrets of here."""

from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.retraining import scratch
from repositories import Repository

FOLDER = "['remote \"weekly-creditcard\"']\n    url = ../../weekly\n"
BUCKET = "['remote \"weekly-creditcard\"']\n    url = s3://bank/weekly\n    endpointurl = http://127.0.0.1:1\n"
NAME = "weekly-creditcard"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Repository]:
    """Stand in a working copy."""
    here = Repository(tmp_path / "here")
    (here.path / ".dvc").mkdir(parents=True)
    (here.path / ".gitignore").write_text("/.dvc/tmp\n/.dvc/config.local\n")
    here.run("git", "init", "-q", "-b", "main")
    with chdir(here.path):
        yield here


def committed(here: Repository, config: str) -> str:
    (here.path / ".dvc/config").write_text(config)
    here.commit()
    return here.run("git", "rev-parse", "HEAD").strip()


@pytest.mark.parametrize(("main", "checkout"), [(BUCKET, FOLDER), (FOLDER, BUCKET), (FOLDER, "")])
def test_weeks_come_from_where_main_says_whatever_is_checked_out(here: Repository, main: str, checkout: str) -> None:
    commit = committed(here, main)
    committed(here, checkout)
    with chdir(scratch.clone(commit, "main")):
        found = remote.settings_of(NAME)
        assert found["url"] == (str(here.path.parent / "weekly") if main == FOLDER else "s3://bank/weekly")
        assert ("endpointurl" in found) == (main == BUCKET)


def test_what_is_set_here_for_this_machine_goes_first(here: Repository) -> None:
    commit = committed(here, FOLDER)
    (here.path / ".dvc/config.local").write_text("['remote \"weekly-creditcard\"']\n    url = ../mounted\n")
    with chdir(scratch.clone(commit, "main")):
        assert remote.folder(NAME) == here.path / "mounted"


def test_a_key_for_a_remote_that_main_does_not_have_is_one_line(here: Repository) -> None:
    commit = committed(here, "")
    committed(here, BUCKET)
    (here.path / ".dvc/config.local").write_text("['remote \"weekly-creditcard\"']\n    access_key_id = a-key\n")
    with pytest.raises(Problem, match=r"^.dvc/config.local: does not go with .dvc/config of the branch") as problem:
        scratch.clone(commit, "main")
    assert "\n" not in str(problem.value)
