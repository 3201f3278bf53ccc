"""make trace REPRODUCE=1: the graph of a commit, run again where nothing of other runs is known."""

import os
import re
import shutil
from pathlib import Path

import pytest

from fraud.loop import trace
from fraud.loop.lockfile import model_in
from repositories import Repository
from s3 import Copy, empty
from servers import example
from traces import ended, enter, log, rows, told

TINY = """\
stages:
  train:
    cmd: mkdir -p models && cat {deps} > models/model.onnx
    deps: [{listed}]
    outs: [models/model.onnx]
"""


def tiny(path: Path, batches: str = "data/simulate") -> Copy:
    """Return a clone whose graph makes its model in no time, of a file of the commit and of recorded batches."""
    copy = empty(path)
    deps = ["recipe", *([f"{batches}/2026-W01.csv"] if batches == "data/raw/cards" else [])]
    copy.write(
        {
            "params.yaml": f"batches: {batches}\n",
            "recipe": "flour",
            "dvc.yaml": TINY.format(deps=" ".join(deps), listed=", ".join(deps)),
            "requirements/pipeline.txt": "one",
            ".gitignore": "/models/\n",
        }
    )
    return copy


def reproduced(copy: Copy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Commit what the graph makes, log an answer of that model, and return its transaction_id."""
    copy.run("dvc", "repro", "-q")
    copy.commit()
    md5 = model_in((copy.path / "dvc.lock").read_text())
    enter(copy, monkeypatch, f"sqlite:///{tmp_path}/requests.db")
    log(os.environ["REQUEST_LOG"], tmp_path, rows(example(), 1, model=md5, transaction_id="t"))
    return "t"


def test_a_model_is_reproduced_from_files_and_recorded_batches_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tiny(tmp_path / "copy", "data/raw/cards")
    copy.write({"data/raw/cards/2026-W01.csv": "eggs"})
    copy.run("dvc", "add", "-q", "data/raw/cards")
    name = reproduced(copy, monkeypatch, tmp_path)
    shutil.rmtree(copy.path / "data/raw/cards")
    copy.write({"recipe": "other flour, not committed"})
    found = told(capsys, name, "--reproduce")["reproduction"]
    assert found["found"] == found["pinned"]
    assert found["differ"] == []
    trace.main(name, "--reproduce")
    assert "gave the same model again" in capsys.readouterr().out
    shutil.rmtree(copy.path / ".dvc/cache")
    code, said = ended(name, "--reproduce")
    assert code == 1
    assert re.match(r"data/raw/cards of [0-9a-f]{7} did not come: .*; `make push` where it is", said)


def test_a_lock_that_its_commit_does_not_lead_to_ends_with_3_and_names_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tiny(tmp_path / "copy")
    copy.run("dvc", "repro", "-q")
    was = model_in((copy.path / "dvc.lock").read_text())
    copy.write({"recipe": "rye"})
    name = reproduced(copy, monkeypatch, tmp_path)
    pinned = model_in((copy.path / "dvc.lock").read_text())
    copy.write({"recipe": "flour"})
    copy.run("git", "commit", "-q", "--amend", "-a", "--no-edit")
    copy.write({"requirements/pipeline.txt": "two"})
    code, said = ended(name, "--reproduce")
    assert code == 3
    assert re.match(f"reproduction: commit [0-9a-f]{{7}} pins {pinned}, but {was} came out", said)
    shown = capsys.readouterr().out
    assert f"gave {was}\n" in shown
    assert f"train: models/model.onnx is {str(was)[:9]}, was {str(pinned)[:9]}" in shown
    assert "requirements/pipeline.txt was another one then" in shown


def test_a_cache_that_holds_the_model_does_not_stand_in_for_a_graph_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tiny(tmp_path / "copy")
    shared = tmp_path / "shared"
    copy.run("dvc", "cache", "dir", str(shared))
    name = reproduced(copy, monkeypatch, tmp_path)
    copy.write({"dvc.yaml": (copy.path / "dvc.yaml").read_text().replace("cat", "false && cat")})
    copy.run("git", "commit", "-q", "--amend", "-a", "--no-edit")
    code, said = ended(name, "--reproduce")
    assert code == 1
    assert said.startswith("the graph did not run to its end in the scratch folder")
    assert "not run to its end" in capsys.readouterr().out


def test_the_real_graph_gives_the_same_model_again(tmp_path: Path, finished: Repository) -> None:
    copy = finished.copy(tmp_path / "copy")
    md5 = model_in(copy.lock())
    url = f"sqlite:///{tmp_path}/requests.db"
    log(url, tmp_path, rows(example(), 1, model=md5, transaction_id="t"))
    before = copy.run("git", "status", "--short")
    own = ["env", f"REQUEST_LOG={url}", "PYTHONHASHSEED=random"]  # Another order of sets than where it came from.
    said = copy.run(*own, "python", "-m", "fraud.loop.trace", "t", "--reproduce")
    assert "gave the same model again" in said
    assert re.search(r"trained on  2026-W05  delivered as [0-9a-f]{32}, ingested as [0-9a-f]{32}\n", said)
    assert "average_precision 0." in said
    assert copy.run("git", "status", "--short") == before
