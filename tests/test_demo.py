"""make demo: the whole story, with a real graph, a real git remote and a real server."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from examples import ROOT
from fraud.loop.demo import PLACE
from repositories import BIN

CHAPTERS = [
    "A first model: eight ordinary weeks, trained, pinned, pushed, served",
    "An ordinary week arrives",
    "Two weeks arrive in which customers pay otherwise",
    "The pull request that would be opened",
    "A person merges it; the server reloads",
    "Where did that answer come from?",
]


@pytest.fixture(scope="module")
def told() -> str:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_", "GITHUB_"))}
    environment = outside | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": "src"}
    command = [sys.executable, "-m", "fraud.loop.demo"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    shutil.rmtree(ROOT / PLACE, ignore_errors=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_tells_the_chapters_in_order(told: str) -> None:
    assert re.findall("^== (.*)$", told, re.MULTILINE) == CHAPTERS


def test_the_ordinary_week_leads_to_nothing_and_the_drifted_ones_to_a_pull_request(told: str) -> None:
    assert told.count("no drift and no other reason to train: nothing to do") == 1
    assert "Retrain on 2026-W08 to 2026-W11: drift in V14" in told


def test_the_server_changes_to_the_merged_model_and_its_answer_is_traced_to_the_bit(told: str) -> None:
    first, second = re.findall(r"dvc.lock on main pins (\w{6})|serves (\w{6})", told)
    assert first[0] != second[1]
    assert re.search(rf"^model +{second[1]}", told, re.MULTILINE)
    assert "equal to the last bit" in told
