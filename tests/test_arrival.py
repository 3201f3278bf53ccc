"""New weeks reach the place that the branch in work names, from the request log of the working copy."""

import json
import shutil
from pathlib import Path

import pytest

from examples import ROOT
from fraud.errors import Problem
from fraud.loop.retraining import arrival
from fraud.loop.storing.storage import ATTEMPTS
from weekly_logs import W09, Logbook, answers

PARAMS = "dataset: creditcard\ncollect:\n  derive_labels: false\n"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a clone inside the working copy `home`."""
    for name in ("REQUEST_LOG", "LATEST_DB", "SPOOL"):
        monkeypatch.delenv(name, raising=False)
    clone = tmp_path / "home/.dvc/tmp/retrain"
    shutil.copytree(ROOT / "data/schemas", clone / "data/schemas")
    (clone / "params.yaml").write_text(PARAMS)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.chdir(clone)
    return clone


def of(clone: Path, url: str) -> None:
    """Let the weeks come from there."""
    (clone / ".dvc").mkdir()
    (clone / ".dvc/config").write_text(f"['remote \"weekly-creditcard\"']\n    url = {url}\n")
    (clone / "data/raw").mkdir()
    import_ = "deps:\n- path: remote://weekly-creditcard/\n" if url.startswith("s3") else ""
    (clone / "data/raw/creditcard.dvc").write_text(f"{import_}outs:\n- path: creditcard\n")


@pytest.mark.parametrize("setting", ["", "sqlite:///data/requests.db"])
def test_log_and_spool_of_the_working_copy_are_collected_to_where_the_clone_says(
    clone: Path, tmp_path: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUEST_LOG", setting)
    home, weekly = tmp_path / "home", tmp_path / "weekly"
    weekly.mkdir()
    of(clone, str(weekly))
    book = Logbook(f"sqlite:///{home}/data/requests.db")
    book.log(answers(3) + answers(2, W09))
    (home / "data/spool").mkdir()
    (home / "data/spool/1.jsonl").write_text(json.dumps([f"{W09} 00:00:09.000000"]) + "\n")
    said = arrival.collect("creditcard", home)
    assert "2026-W08: 3 rows, 0 with a label" in said
    assert "2026-W09: not collected: 1 of its rows wait in the server's spool" in said
    assert [path.name for path in weekly.glob("*.csv")] == ["2026-W08.csv"]


def test_a_bucket_that_is_away_is_a_problem_and_a_folder_that_is_away_is_none(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "a-secret", **ATTEMPTS}.items():
        monkeypatch.setenv(name, value)
    arrival.check("creditcard")
    of(clone, "s3://bank/weekly_data\n    endpointurl = http://127.0.0.1:1")
    with pytest.raises(Problem, match=r"^s3://bank/weekly_data/ at http://127.0.0.1:1: nobody answers there"):
        arrival.check("creditcard")
    shutil.rmtree(clone / ".dvc")
    shutil.rmtree(clone / "data/raw")
    of(clone, "/away")
    arrival.check("creditcard")
