"""The container `watch`: its script on a real repository, as the container would run it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from examples import ROOT
from repositories import BIN, ENVIRONMENT, Repository
from s3 import empty
from stack.composed import filled

SETTINGS = filled("watch")["environment"]


class Watch:
    """A folder in the place of the volume; the loop ends at once, as its pause is no time."""

    def __init__(self, folder: Path, origin: Repository) -> None:
        folder.mkdir()
        self.folder, self.origin = folder, origin

    def start(self, **settings: str) -> subprocess.CompletedProcess[str]:
        given = {"WATCH_REPOSITORY": str(self.origin.path), "GH_TOKEN": "a-token", "EVERY": "often"}
        kept = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("GIT_")}
        place = {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": f"{ROOT}/src", "HOME": str(self.folder)}
        return subprocess.run(
            ["/bin/sh", ROOT / "ops/watch.sh"],
            cwd=self.folder,
            env=kept | SETTINGS | place | given | settings,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def here(self) -> Repository:
        return Repository(self.folder / "repository")


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    origin = empty(tmp_path / "origin")
    shutil.copy2(ROOT / ".gitignore", origin.path)
    for name, endpoint in {"storage": "http://127.0.0.1:8333", "elsewhere": "https://s3.example.com"}.items():
        origin.run("dvc", "remote", "add", name, f"s3://fraud/{name}")
        origin.run("dvc", "remote", "modify", name, "endpointurl", endpoint)
    origin.commit()
    return Watch(tmp_path / "volume", origin)


def test_it_clones_once_comes_up_to_date_at_each_start_and_begins_to_watch(watch: Watch) -> None:
    assert "EVERY=often: expected a time like 15m" in watch.start().stderr
    (watch.origin.path / "new").write_text("a commit since")
    watch.origin.commit()
    assert "EVERY=often: expected a time like 15m" in watch.start().stderr
    assert (watch.here.path / "new").exists()
    assert watch.here.run("git", "status", "--porcelain") == ""
    assert watch.here.run("git", "config", "user.name") == "fraud watch\n"
    assert "a-token" not in (watch.here.path / ".git/config").read_text()


def test_the_bucket_that_this_machine_knows_on_loopback_is_the_service_s3_in_there(watch: Watch) -> None:
    watch.start()
    said = watch.here.run("dvc", "config", "--list")
    assert "remote.storage.endpointurl=http://s3:8333\n" in said
    assert "remote.elsewhere.endpointurl=https://s3.example.com\n" in said
    assert "http://s3:8333" not in (watch.here.path / ".dvc/config").read_text()


@pytest.mark.parametrize("missing", ["WATCH_REPOSITORY", "GH_TOKEN"])
def test_without_repository_or_token_one_line_names_it(missing: str, watch: Watch) -> None:
    said = watch.start(**{missing: ""})
    assert said.returncode != 0
    assert f"{missing}: set it in .env" in said.stderr
    assert said.stderr.count("\n") == 1


def test_it_is_healthy_while_the_repository_can_be_reached(watch: Watch) -> None:
    watch.start()
    kind, *words = filled("watch")["healthcheck"]["test"]
    here = [word.replace("/loop/", f"{watch.folder}/") for word in words]
    assert (kind, subprocess.run(here, capture_output=True, check=False).returncode) == ("CMD", 0)
    watch.origin.path.rename(watch.origin.path.with_name("gone"))
    assert subprocess.run(here, capture_output=True, check=False).returncode != 0
