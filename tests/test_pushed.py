"""make pushed: whether main changed by more than a retraining, told from git alone."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from examples import ROOT
from fraud.loop import pushed
from repositories import Repository

PARAMS = "batches: data/raw/x\nsplit:\n  until: {}  # the newest\ntrain:\n  trees: {}\n"


class Main(Repository):
    """A working copy on main, with the commit before a push."""

    before = ""

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def retrain(self) -> None:
        """Write what the loop would commit on top of HEAD."""
        base = self.run("git", "rev-parse", "HEAD").strip()
        self.write(**{"params.yaml": PARAMS.format("2026-W09", 5), "dvc.lock": "new", "data/raw/x.dvc": "new"})
        self.write(**{"reports/metrics.json": "{}", "reports/retrain.json": json.dumps({"base": base})})
        self.write(**{"docs/model-card.md": "new"})

    def merge(self) -> None:
        """Retrain on a branch, and merge it as GitHub's button does."""
        self.run("git", "switch", "-qc", "retrain/2026-W09")
        self.retrain()
        self.commit()
        self.run("git", "switch", "-q", "main")
        self.run("git", "merge", "-q", "--no-ff", "-m", "Merge pull request #1", "retrain/2026-W09")


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Main:
    found = Main(tmp_path)
    found.write(**{"params.yaml": PARAMS.format("2026-W08", 5), "dvc.lock": "old", "data/raw/x.dvc": "old"})
    found.write(**{"src/fraud/a.py": "", "reports/retrain.json": "{}"})
    found.run("git", "init", "-q", "-b", "main")
    found.commit()
    found.before = found.run("git", "rev-parse", "HEAD").strip()
    monkeypatch.chdir(tmp_path)
    return found


def said(before: str, capsys: pytest.CaptureFixture[str]) -> str:
    pushed.main(f"SINCE={before}")
    return capsys.readouterr().out.splitlines()[0]


def test_a_retraining_that_was_merged_needs_no_round(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    main.merge()
    assert said(main.before, capsys) == "round=false"


def test_one_that_was_squashed_needs_none_either(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    main.retrain()
    main.commit()
    assert said(main.before, capsys) == "round=false"


@pytest.mark.parametrize(
    "more",
    [
        lambda main: main.write(**{"src/fraud/a.py": "changed"}),
        lambda main: main.write(**{"params.yaml": PARAMS.format("2026-W09", 7)}),
        lambda main: main.write(**{"params.yaml": PARAMS.format("2026-W08", 5)}),
        lambda main: main.write(**{"data/schemas/x.yaml": "changed"}),
        lambda main: main.write(**{"dvc.lock": "old"}),
        lambda main: main.write(**{"reports/retrain.json": "{}"}),
    ],
    ids=["code", "a parameter", "no window", "a schema", "no lock", "no base"],
)
def test_a_push_with_more_or_less_than_a_retraining_has_its_round(
    main: Main, more: Callable[[Main], None], capsys: pytest.CaptureFixture[str]
) -> None:
    main.merge()
    more(main)
    main.commit()
    assert said(main.before, capsys) == "round=true"


def test_code_that_came_to_main_while_the_retraining_was_looked_at_has_its_round(
    main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    main.run("git", "switch", "-qc", "retrain/2026-W09")
    main.retrain()
    main.commit()
    main.run("git", "switch", "-q", "main")
    main.write(**{"src/fraud/a.py": "changed"})
    main.commit()
    before = main.run("git", "rev-parse", "HEAD").strip()
    main.run("git", "merge", "-q", "--no-ff", "-m", "Merge pull request #1", "retrain/2026-W09")
    assert said(before, capsys) == "round=true"


@pytest.mark.parametrize("before", ["", "0" * 40])
@pytest.mark.usefixtures("main")
def test_without_a_commit_to_compare_with_there_is_a_round(before: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(before, capsys) == "round=true"


def test_it_needs_nothing_but_python() -> None:
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, '{ROOT}/src'); import fraud.loop.pushed",
    ]
    subprocess.run(command, check=True)
