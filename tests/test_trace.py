"""make trace: from an answer back to its commits, data and approval, and what is said where something is missing."""

import json
import os
import re
import shutil
import sqlite3
from datetime import date
from pathlib import Path

import pytest

from examples import ROOT
from fraud.errors import Problem
from fraud.loop import trace
from fraud.loop.tracing import answers
from s3 import Copy, serving
from servers import Example, Live, example, home, running
from traces import FIRST, OTHER, World, ended, enter, locked, log, rows, told


def test_a_trace_tells_answer_feedback_commits_batches_params_metrics_drift_and_gate(
    world: World, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(world.copy, monkeypatch, url)
    (answer,) = rows(world.model, 1, transaction_id="t-1")
    log(url, tmp_path, [answer], (("analyst", True), ("customer", False)))
    found = told(capsys, "t-1")
    assert found == told(capsys, answer.id)
    assert found["answer"] == {
        "id": answer.id,
        "transaction_id": "t-1",
        "time": "2026-10-06T12:00:00.000001Z",
        "probability": answer.probability,
        "is_fraud": bool(answer.label),
        "threshold": answer.threshold,
        "features": world.model.payments()[0],
    }
    assert [(one["actual"], one["source"]) for one in found["feedback"]] == [(True, "analyst"), (False, "customer")]
    assert found["model"] == world.model.md5
    assert [one["from"]["pull_request"] for one in found["history"]["spans"]] == [12, 15]
    assert {one["author"] for one in found["history"]["commits"]} == {"a test"}
    assert found["training"] == {
        "dataset": "creditcard",
        "batches": [
            {"batch": "2026-W06", "delivered": "1" + "6" * 31, "ingested": "2" + "6" * 31},
            {"batch": "2026-W07", "delivered": "1" + "7" * 31, "ingested": "2" + "7" * 31},
        ],
        "rows": 2400,
        "frauds": 72,
    }
    assert found["params"]["train"] == {"model": "extra_trees", "trees": 5}
    assert found["metrics"] == {
        "recall": {"value": 0.8, "interval": [0.7, 0.9]},
        "frauds": {"value": 72, "interval": None},
    }
    assert found["drift"]["drift"] is True
    assert found["gate"]["gate"]["verdict"] == "better"
    assert found["problems"] == []


def test_in_words_it_is_the_same(inside: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (answer,) = rows(inside.model, 1)
    log(os.environ["REQUEST_LOG"], tmp_path, [answer], (("analyst", True), ("customer", False)))
    trace.main(answer.id, "--replay")
    said = capsys.readouterr().out
    at = {name: revision[:7] for name, revision in inside.revisions.items()}
    assert f"answer      {answer.id}, 2026-10-06 12:00:00 UTC\n" in said
    assert f": probability {answer.probability!r}, threshold {answer.threshold!r}\n" in said
    assert f"on main: 2026-10-05 08:00:00 UTC  {at['merged']}  a test  #12  Merge pull request #12 from" in said
    assert f"  until 2026-10-10 08:00:00 UTC  {at['squashed']}  a test  #14  Retrain on" in said
    assert f"came to main with {at['merged']}: 2026-10-04 08:00:00 UTC  {at['proposed']}  a test  #12  Retrain" in said
    assert "2026-W06  delivered as 1666" in said
    assert "recall 0.8 (0.7 to 0.9)" in said
    assert "drift in 2026-W08: V1" in said
    assert "gate        Better in recall, and worse in none.\n" in said
    assert "no fraud  (by customer), which counts\n" in said
    assert "replay      equal to the last bit\n" in said


def test_the_keys_of_the_json_are_those_of_its_documentation(
    inside: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(os.environ["REQUEST_LOG"], tmp_path, rows(inside.model, 1, transaction_id="t"))
    found = told(capsys, "t", "--replay")
    table = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs/trace.md").read_text(), flags=re.MULTILINE))
    assert list(table) == list(found)
    for key in ("answer", "history", "training", "replay"):
        assert set(found[key]) <= set(re.findall(r"`(\w+)`", table[key])), key


def test_a_report_of_a_gate_that_the_commit_only_inherited_is_not_told_as_its_own(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/requests.db"
    enter(world.copy, monkeypatch, url)
    log(url, tmp_path, rows(world.model, 1, model=OTHER, transaction_id="t"))
    assert told(capsys, "t")["gate"] is None
    trace.main("t")
    assert "there was no gate" in capsys.readouterr().out


def test_listings_that_nobody_keeps_leave_the_batches_without_md5s(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = world.copy.clone(tmp_path / "clone")
    enter(copy, monkeypatch, f"sqlite:///{tmp_path}/requests.db")
    log(os.environ["REQUEST_LOG"], tmp_path, rows(world.model, 1, transaction_id="t"))
    assert told(capsys, "t")["training"]["batches"][0] == {"batch": "2026-W06", "delivered": None, "ingested": None}
    trace.main("t")
    assert "2026-W06  md5 not known" in capsys.readouterr().out


def test_an_unknown_id_says_what_to_do(inside: World, tmp_path: Path) -> None:
    log(os.environ["REQUEST_LOG"], tmp_path, rows(inside.model, 1))
    code, said = ended("nobody")
    assert code == 1
    assert re.match("ID=nobody: the log has no prediction and no transaction with this id; check it, .*", said)


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("sqlite:///missing.db", "REQUEST_LOG=sqlite:///missing.db: there is no such file; start the server once"),
        ("sqlite:///README.md", "REQUEST_LOG=sqlite:///README.md: file is not a database; start or mend it"),
        ("sqlite:///empty.db", "REQUEST_LOG=sqlite:///empty.db: no such table: requests; start or mend it"),
        ("postgresql://u:secret@127.0.0.1:1/x?password=secret", "REQUEST_LOG=postgresql.*: connection failed.*; start"),
        ("mysql://u:secret@host/x", "REQUEST_LOG: found 'mysql', expected sqlite:///"),
        ("nonsense", "REQUEST_LOG: found no address of a database"),
    ],
)
def test_a_log_that_is_away_is_named_without_its_password(
    address: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("words " * 100)
    Path("empty.db").touch()
    monkeypatch.setenv("REQUEST_LOG", address)
    code, said = ended("t")
    assert code == 1
    assert re.match(message, said)
    assert "secret" not in said
    assert not Path("missing.db").exists()


def test_a_log_can_be_read_and_not_be_written(world: World, url: str, tmp_path: Path) -> None:
    log(url, tmp_path, rows(world.model, 1))
    for statement in (
        "DELETE FROM requests",
        "INSERT INTO feedback (ts, request_id, actual, source) VALUES ('', '', 1, '')",
    ):
        with pytest.raises(Problem, match=r"read-?only"), answers.opened({"REQUEST_LOG": url}) as connection:
            connection.exec_driver_sql(statement)


def test_the_other_name_of_the_log_takes_the_path_of_a_file(world: World, tmp_path: Path) -> None:
    log(f"sqlite:///{tmp_path}/a.db", tmp_path, rows(world.model, 1, transaction_id="t"))
    with answers.opened({"LATEST_DB": str(tmp_path / "a.db")}) as connection:
        assert answers.find(connection, "t")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "found neither ID nor WEEK; say what to trace"),
        (("--", ""), "found neither ID nor WEEK"),
        (("t", "--week", "2026-W08"), "found both ID and WEEK"),
        (("--week", "2026-W08", "--reproduce"), "WEEK=2026-W08: a week is only replayed"),
        (("--week", "2026-W54"), "WEEK=2026-W54: expected an ISO week like 2026-W08"),
        (("--week", "W08"), "WEEK=W08: expected an ISO week"),
        (("t", "--reply"), "unrecognized arguments: --reply; say what to trace"),
    ],
)
def test_a_command_line_that_asks_for_nothing_or_too_much_is_told_the_forms(
    arguments: tuple[str, ...], message: str
) -> None:
    code, said = ended(*arguments)
    assert code == 1
    assert said.startswith(message)


def test_a_log_that_is_being_written_can_be_read(world: World, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/requests.db"
    log(url, tmp_path, rows(world.model, 1, transaction_id="t"))
    with sqlite3.connect(tmp_path / "requests.db") as writer:
        writer.execute("BEGIN IMMEDIATE")
        with answers.opened({"REQUEST_LOG": url}) as connection:
            assert answers.find(connection, "t")


def test_a_model_that_no_commit_pins_any_more_is_said_and_can_still_be_replayed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = world.copy.twin(tmp_path / "copy")
    for branch in ("retrain/2026-W08", "idea"):
        copy.run("git", "branch", "-qD", branch)
    copy.run("git", "reset", "-q", "--hard", world.revisions["first"])
    enter(copy, monkeypatch, f"sqlite:///{tmp_path}/requests.db")
    log(os.environ["REQUEST_LOG"], tmp_path, rows(world.model, 1, transaction_id="t"))
    found = told(capsys, "t", "--replay", "--reproduce")
    assert (found["replay"]["rows"], found["replay"]["equal"]) == (1, 1)
    assert found["history"]["commits"] == []
    assert found["training"] is None
    assert found["reproduction"]["problem"] == "no commit here pins it"
    code, said = ended("t", "--replay")
    assert code == 1
    assert re.match(
        f"model {world.model.md5}: no commit on a branch or tag here pins it, so history was rewritten", said
    )
    (copy.path / "dvc.lock").write_text(locked(world.model.md5))
    assert "dvc.lock in this working copy pins it, but no commit does; commit it" in ended("t")[1]


def test_a_shallow_clone_says_that_it_is_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Copy(tmp_path / "shallow")
    world.copy.run("git", "clone", "-q", "--depth", "2", f"file://{world.copy.path}", str(copy.path))
    enter(copy, monkeypatch, f"sqlite:///{tmp_path}/requests.db")
    answers = [
        rows(world.model, 1, transaction_id="here")[0],
        rows(world.model, 1, transaction_id="gone", model=FIRST)[0],
    ]
    log(os.environ["REQUEST_LOG"], tmp_path, answers)
    assert "and this clone is shallow; `git fetch --unshallow`" in ended("gone")[1]
    capsys.readouterr()
    trace.main("here")
    assert "this clone is shallow, so that there may be more" in capsys.readouterr().out
    assert told(capsys, "here")["history"]["shallow"] is True


def test_a_model_comes_from_the_cache_or_the_remote_and_where_neither_has_it_that_is_said(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = world.copy.clone(tmp_path / "clone")
    enter(copy, monkeypatch, f"sqlite:///{tmp_path}/requests.db")
    log(os.environ["REQUEST_LOG"], tmp_path, rows(world.model, 1, transaction_id="t"))
    code, said = ended("t", "--replay")
    assert code == 1
    assert re.match(f"model {world.model.md5}: is neither in the cache here nor in .*dvc-remote; `make push`", said)
    assert said not in capsys.readouterr().out  # It is the last line, and told once.
    key = f"files/md5/{world.model.md5[:2]}/{world.model.md5[2:]}"
    (copy.path / ".dvc-remote" / key).parent.mkdir(parents=True)
    (copy.path / ".dvc-remote" / key).write_bytes(b"damaged")
    assert re.search(f"came damaged from .*; remove {key} there", ended("t", "--replay")[1])
    (copy.path / ".dvc-remote" / key).write_bytes(world.model.content)
    capsys.readouterr()
    trace.main("t", "--replay")
    assert "equal to the last bit" in capsys.readouterr().out


def test_a_cache_that_several_clones_share_is_looked_into(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = world.copy.clone(tmp_path / "clone")
    copy.run("dvc", "cache", "dir", "--local", str(world.copy.path / ".dvc/cache"))
    enter(copy, monkeypatch, f"sqlite:///{tmp_path}/requests.db")
    log(os.environ["REQUEST_LOG"], tmp_path, rows(world.model, 1, transaction_id="t"))
    trace.main("t", "--replay")


def test_a_model_comes_from_s3(world: World, tmp_path: Path) -> None:
    with serving(tmp_path / "s3", "bucket") as server:
        copy = world.copy.twin(tmp_path / "copy")
        copy.loop("remote", "S3=s3://bucket/deep", f"ENDPOINT={server.endpoint}")
        copy.run("dvc", "config", "--local", "core.remote", "storage")
        key = f"files/md5/{world.model.md5[:2]}/{world.model.md5[2:]}"
        (server.folder / "bucket/deep" / key).parent.mkdir(parents=True)
        shutil.move(copy.path / ".dvc/cache" / key, server.folder / "bucket/deep" / key)
        server.set(f"bucket/deep/{key}", world.model.content)
        url = f"sqlite:///{tmp_path}/requests.db"
        log(url, tmp_path, rows(world.model, 1, transaction_id="t"))
        command = ("env", f"REQUEST_LOG={url}", "python", "-m", "fraud.loop.trace", "t", "--replay")
        assert "equal to the last bit" in copy.run(*command)
        copy.proof = "wrong"
        assert "the server refuses these credentials" in copy.run(*command, code=1)


@pytest.mark.parametrize("dataset", ["creditcard", "payments"])
def test_what_a_server_answered_is_traced_and_replayed_to_the_last_bit(dataset: str, tmp_path: Path) -> None:
    served = example(dataset)
    root = home(tmp_path / "home", served)
    clone = Copy(root)
    clone.keep(served.content)
    clone.write({".gitignore": "/models/\n/src/\n/serve/\n/requests*\n/std*\n/run/\n/data/\n.dvc/cache\n.dvc/tmp\n"})
    clone.run("git", "init", "-q", "-b", "main")
    clone.commit()
    with running(root, WORKERS="1") as live:
        ids = asked(live, served)
    command = (
        "env",
        f"REQUEST_LOG=sqlite:///{root}/requests.db",
        "python",
        "-m",
        "fraud.loop.trace",
        "--json",
        "--replay",
    )
    found = json.loads(clone.run(*command, ids[0]))
    assert found["replay"] == {"model": served.md5, "rows": 1, "equal": 1, "differ": {}, "first": [], "problem": None}
    assert [one["actual"] for one in found["feedback"]] == [True, False]
    assert found["history"]["spans"][0]["until"] is None
    year, number, _ = date.fromisoformat(found["answer"]["time"][:10]).isocalendar()
    whole = json.loads(clone.run(*command, "--week", f"{year}-W{number:02}"))
    assert (whole["rows"], whole["equal"]) == (len(ids), len(ids))


def asked(live: Live, served: Example) -> list[str]:
    """Ask for predictions one by one and all at once, and label the first twice; return all ids."""
    payments = served.payments()
    ids = [live.post("/predict", payment).json["id"] for payment in payments[:5]]
    ids += [one["id"] for one in live.post("/predict", {"data": payments}).json["predictions"]]
    ids += [one["id"] for one in live.post("/predict", {"data": payments * 2}).json["predictions"]]
    for label in (True, False):
        assert live.post("/feedback", {"id": ids[0], "actual_label": label}).status in (200, 201)
    return ids
