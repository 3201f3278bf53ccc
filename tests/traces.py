"""A repository with a history of models, and request logs with their answers, for tests of make trace."""

import contextlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fraud.errors import Problem
from fraud.loop import trace
from logs import opened
from repositories import Repository, warmed
from s3 import Copy, empty
from serve.answers import fingerprints
from serve.journal.tables import Row, new_ids
from serve.payload import Reader, text
from servers import Example, example

FIRST, OTHER, IDEA = "a" * 32, "c" * 32, "d" * 32  # Models of which nothing but the md5 is left.
BATCHES = {"2026-W06": "6" * 32, "2026-W07": "7" * 32}
PARAMS = {"train": {"model": "extra_trees", "trees": 5}, "split": {"until": "2026-W07", "weeks": 2}}
GATE = {
    "reason": "drift",
    "week": "2026-W08",
    "drifted": ["2026-W08"],
    "before": {"drift": {"drift": True, "sentences": ["drift in 2026-W08: V1"], "weeks": ["2026-W08"], "alarms": []}},
    "gate": {"verdict": "better", "sentence": "Better in recall, and worse in none."},
}


class World(NamedTuple):
    """A clone, and the revision of each commit by a short name."""

    copy: Copy
    revisions: dict[str, str]

    @property
    def model(self) -> Example:
        return example()


def locked(model: str, came: str = "", written: str = "") -> str:
    """Return a dvc.lock as far as a trace reads it."""
    out = {"path": "models/model.onnx", "hash": "md5", "md5": model, "size": 1}
    stages = {
        "ingest": {
            "cmd": "ingest",
            "deps": [{"path": "data/schemas/a.yaml", "md5": "0" * 32}, {"path": "data/simulate", "md5": came}],
            "outs": [{"path": "data/ingest", "md5": written}],
        },
        "train": {"cmd": "train", "params": {"params.yaml": PARAMS}, "outs": [out]},
    }
    return json.dumps({"schema": "2.0", "stages": stages})  # JSON is YAML.


def listed(copy: Copy, ending: str, first: str) -> str:
    """Put the listing of a folder of batches into the cache, and return its md5."""
    files = [{"md5": first + md5[1:], "relpath": f"{name}{ending}"} for name, md5 in BATCHES.items()]
    return copy.keep(json.dumps(files).encode(), ".dir")


def git(copy: Repository, time: str, *words: str) -> str:
    """Run git at a time, and return the commit that it leaves us on."""
    copy.run("env", f"GIT_AUTHOR_DATE={time}", f"GIT_COMMITTER_DATE={time}", "git", *words)
    return copy.run("git", "rev-parse", "HEAD").strip()


def pin(copy: Copy, time: str, message: str, lock: str) -> str:
    """Commit a dvc.lock and all else that is there."""
    copy.write({"dvc.lock": lock})
    copy.run("git", "add", "-A")
    return git(copy, time, "commit", "-qm", message)


def reports(copy: Copy) -> None:
    """Write what the stages and the loop say of the retrained model."""
    split = {"dataset": "creditcard", "train": {"batches": list(BATCHES), "rows": 2400, "frauds": 72}}
    drift = {"drift": False, "sentences": ["nothing to compare"], "weeks": [], "alarms": []}  # Of the new window.
    copy.write(
        {
            "reports/split.json": json.dumps(split),
            "reports/metrics.json": json.dumps({"recall": 0.8, "recall_interval": [0.7, 0.9], "frauds": 72}),
            "reports/drift.json": json.dumps(drift),
            "reports/retrain.json": json.dumps(GATE),
        }
    )


def history(path: Path) -> World:
    """Return a clone whose main had three models, one of them twice, by merge, squash, revert and trailer."""
    copy, now = empty(path), {}
    copy.write({".gitignore": "/models/\n/data/\n"})
    good = locked(copy.keep(example().content), listed(copy, ".csv", "1"), listed(copy, ".parquet", "2"))
    now["first"] = pin(copy, "2026-10-02T08:00:00Z", "Train the first model", locked(FIRST))
    git(copy, "2026-10-04T08:00:00Z", "checkout", "-qb", "retrain/2026-W08")
    reports(copy)
    now["proposed"] = pin(copy, "2026-10-04T08:00:00Z", "Retrain on 2026-W08", good)
    git(copy, "2026-10-05T08:00:00Z", "checkout", "-q", "main")
    words = ("merge", "-q", "--no-ff", "-m", "Merge pull request #12 from bank/retrain/2026-W08")
    now["merged"] = git(copy, "2026-10-05T08:00:00Z", *words, "retrain/2026-W08")
    now["squashed"] = pin(copy, "2026-10-10T08:00:00Z", "Retrain on 2026-W09 (#14)", locked(OTHER))
    title = 'Revert "Retrain on 2026-W09 (#14)" (#15)'
    now["reverted"] = pin(copy, "2026-10-11T08:00:00Z", title, good)
    copy.write({"README.md": "words"})
    now["words"] = pin(copy, "2026-10-12T08:00:00Z", "Say more", good)
    now["trailer"] = pin(copy, "2026-10-13T08:00:00Z", "Retrain\n\nPull-request: #17", locked(OTHER))
    git(copy, "2026-10-14T08:00:00Z", "checkout", "-qb", "idea", now["first"])
    now["idea"] = pin(copy, "2026-10-14T08:00:00Z", "Try something", locked(IDEA))
    copy.run("git", "checkout", "-q", "main")
    return World(copy, now)


def rows(served: Example, count: int, ts: str = "2026-10-06 12:00:00.000001", **given: Any) -> list[Row]:
    """Return what the server logs for the first rows of an example."""
    payments = (served.payments() * (1 + count // len(served.rows)))[:count]
    checked = Reader(served.schema, count).read(json.dumps({"data": payments}).encode())
    model, md5 = served.loaded, served.md5
    marked = zip(checked.payments, model.probabilities(checked.features), fingerprints(checked.features), strict=True)
    limit = model.contract.threshold
    return [
        Row(ts, id_, None, md5, limit, float(chance), int(chance >= limit), text(payment), mark, 1.0)._replace(**given)
        for id_, (payment, chance, mark) in zip(new_ids(count), marked, strict=True)
    ]


def log(url: str, folder: Path, rows: list[Row], feedback: tuple[tuple[str, bool], ...] = ()) -> None:
    """Let the server's own log write rows, and labels with who gave them, of the first row."""
    folder.mkdir(parents=True, exist_ok=True)
    with opened(url, folder) as journal:
        for start in range(0, len(rows), 5000):
            journal.add(rows[start : start + 5000])
        for source, actual in feedback:
            journal.feedback(rows[0].id, actual, source)


def enter(copy: Repository, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Be in a clone whose server has its log at `url`."""
    monkeypatch.chdir(copy.path)
    monkeypatch.setenv("PATH", warmed()["PATH"])
    monkeypatch.setenv("REQUEST_LOG", url)
    monkeypatch.delenv("FRAUD_THRESHOLD", raising=False)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Return the JSON of a trace, whatever it ended with."""
    capsys.readouterr()
    with contextlib.suppress(Problem):
        trace.main(*arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def ended(*arguments: str) -> tuple[int, str]:
    """Return with what a trace ended that was no success."""
    with pytest.raises(Problem) as problem:
        trace.main(*arguments)
    return problem.value.code, str(problem.value)
