"""make demo: the whole story, with a real graph, a real git remote and a real server."""

import os
import re
import shutil
import subprocess
import sys

from examples import ROOT
from fraud.loop.demo import PLACE
from repositories import BIN

CHAPTERS = [
    "A first model: eight ordinary weeks, trained, pinned, pushed, served",
    "An ordinary week arrives",
    "Two weeks arrive in which customers pay otherwise; with the ninth, three come after the window",
    "The pull request that would be opened",
    "A person merges it; the server reloads",
    "Where did that answer come from?",
]


def told() -> str:
    """Return what the demo prints."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_", "GITHUB_"))}
    environment = outside | {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": "src"}
    command = [sys.executable, "-m", "fraud.loop.demo"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    shutil.rmtree(ROOT / PLACE, ignore_errors=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_story_goes_from_a_first_model_to_an_answer_that_is_traced_to_the_bit() -> None:
    story = told()  # One test, as it takes a minute.
    assert re.findall("^== (.*)$", story, re.MULTILINE) == CHAPTERS
    assert story.count("no drift and no other reason to train: nothing to do") == 1
    assert "Retrain on 2026-W08 to 2026-W11: drift in V14" in story
    (first,) = re.findall(r"dvc.lock on main pins (\w{6})", story)
    (second,) = re.findall(r"serves (\w{6})", story)
    assert first != second
    assert re.search(rf"^model +{second}", story, re.MULTILINE)
    assert "equal to the last bit" in story
