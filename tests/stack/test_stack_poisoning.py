"""Feedback poisoning: one token that sends thousands of labels is slowed down, seen, and named in the pull request."""

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from examples import ROOT
from github import certificate
from proposals import Loop, beside_github
from servers import Live, example, home, running
from waiting import until

HONEST, STOLEN = "the-token-of-an-honest-caller", "the-token-that-was-stolen"
LIMIT, SENT = 1000, 2500


def name(token: str) -> str:
    return f"token-{hashlib.sha256(token.encode()).hexdigest()[:8]}"


class Attack(NamedTuple):
    """What came of it."""

    root: Path
    honest: Counter[int]  # Statuses.
    stolen: Counter[int]
    metrics: str
    summary: dict[str, Any]
    told: str  # All that the server wrote.


def answered(live: Live) -> list[str]:
    """Return the ids of as many answers as there will be labels."""
    payments = example().payments()
    wanted = [payments[number % len(payments)] for number in range(SENT)]
    return [one["id"] for one in live.post("/predict", {"data": wanted}, token=HONEST).json["predictions"]]


def labelled(live: Live, token: str, ids: list[str], label: int) -> Counter[int]:
    """Send labels from four threads, and return how often each status came."""

    def send(part: list[str]) -> list[int]:
        with closing(live.connect()) as connection:
            bodies = [{"id": one, "actual_label": label} for one in part]
            return [live.post("/feedback", body, token=token, connection=connection).status for body in bodies]

    with ThreadPoolExecutor(4) as threads:
        return Counter(status for part in threads.map(send, [ids[start::4] for start in range(4)]) for status in part)


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Attack:
    root = home(tmp_path_factory.mktemp("server"))
    with running(root, API_TOKEN=f"{HONEST},{STOLEN}", FEEDBACK_LIMIT=f"{LIMIT}/day") as live:
        ids = answered(live)
        honest = labelled(live, HONEST, ids[:60], 1)
        stolen = labelled(live, STOLEN, ids, 0)
        late = labelled(live, HONEST, ids[-60:], 1)
        until(
            lambda: (
                live.get("/metrics", headers={"Accept": "application/json"}, token=HONEST).json["feedback"]["disputed"]
                > 0
            )
        )
        metrics = live.get("/prometheus", token=HONEST).body.decode()
        summary = live.get("/metrics", headers={"Accept": "application/json"}, token=HONEST).json
        live.stop()
    told = (root / "stdout").read_text() + (root / "stderr").read_text()
    return Attack(root, honest + late, stolen, metrics, summary, told)


def test_a_token_that_sends_thousands_of_labels_is_limited_and_no_other_one(attack: Attack) -> None:
    assert attack.stolen == {200: LIMIT, 429: SENT - LIMIT}
    assert attack.honest == {200: 120}


def test_who_sent_labels_and_who_contradicted_whom_stands_in_metrics_and_logs_without_a_token(attack: Attack) -> None:
    for token, result, count in (STOLEN, "kept", LIMIT), (STOLEN, "limited", SENT - LIMIT), (HONEST, "kept", 120):
        assert f'feedback_total{{result="{result}",source="{name(token)}"}} {count:.1f}\n' in attack.metrics
    assert f"feedback_disputed {attack.summary['feedback']['disputed']:.1f}\n" in attack.metrics
    assert attack.summary["feedback"]["disputed"] >= 60
    assert attack.told.count(f'"caller":"{name(STOLEN)}"') >= LIMIT
    assert not [token for token in (HONEST, STOLEN) if token in attack.told + attack.metrics]


def test_contradicting_labels_are_all_kept(attack: Attack) -> None:
    with closing(sqlite3.connect(attack.root / "requests.db")) as log:
        kept = log.execute("SELECT source, count(*) FROM feedback GROUP BY 1").fetchall()
        both = log.execute("SELECT request_id FROM feedback GROUP BY 1 HAVING min(actual) < max(actual)").fetchall()
    assert dict(kept) == {name(HONEST): 120, name(STOLEN): LIMIT}
    assert len(both) == attack.summary["feedback"]["disputed"]


@pytest.fixture
def work(attack: Attack, tmp_path: Path) -> Iterator[Loop]:
    """A working copy whose batches were collected from that server's log, in two weeks that are over."""
    with closing(sqlite3.connect(attack.root / "requests.db")) as log, log:
        log.execute(
            "UPDATE requests SET ts = CASE number % 2 WHEN 0 THEN '2026-02-18' ELSE '2026-02-25' END || substr(ts, 11)"
        )
    with beside_github(tmp_path, certificate(tmp_path)) as work:
        (work.path / "data/schemas").mkdir(parents=True)
        (work.path / "data/schemas/creditcard.yaml").write_bytes((ROOT / "data/schemas/creditcard.yaml").read_bytes())
        yield work


def test_the_pull_request_names_the_share_of_a_token_in_the_training_window(attack: Attack, work: Loop) -> None:
    work.loop("collect", f"LOG=sqlite:///{attack.root}/requests.db", "TO=data/raw/creditcard")
    text = (work.path / "params.yaml").read_text().replace("  weeks: 4 ", "  weeks: 2 ")
    (work.path / "params.yaml").write_text(text.replace("until: 2026-W08", "until: 2026-W09"))
    schema = "data/schemas/creditcard.yaml"
    stage(work, "ingest", schema, "data/raw/creditcard", "data/ingest", "data/quarantine", "reports/ingest.json")
    stage(work, "split", schema, "data/ingest", "data/split", "reports/split.json")
    reports = {path: (work.path / path).read_bytes() for path in ("reports/ingest.json", "reports/split.json")}
    counted = [one["sources"] for one in json.loads(reports["reports/ingest.json"])["batches"].values()]
    stolen = sum(given["labels"] for one in counted for source, given in one.items() if name(STOLEN) in source)
    share = stolen / sum(given["labels"] for one in counted for given in one.values())
    work.run("git", "checkout", "-q", "--", ".")
    work.branch("2026-W09")
    work.run("git", "checkout", "-q", "retrain/2026-W09")
    for path, content in reports.items():
        (work.path / path).write_bytes(content)
    work.run("git", "commit", "-qam", "What was collected")
    said = work.loop("propose", "BRANCH=retrain/2026-W09", "DRY_RUN=1")
    rows = {line.split("|")[1].strip(): line for line in said.splitlines() if name(STOLEN) in line}
    assert share > 0.85
    assert f"`feedback:{name(STOLEN)}`" in rows
    assert f"`changed:{name(STOLEN)}`" in rows
    assert sum(float(line.split("|")[3].strip(" %")) for line in rows.values()) == pytest.approx(100 * share, abs=0.11)
    assert f"`feedback:{name(HONEST)}`" in said or f"`changed:{name(HONEST)}`" in said


def stage(work: Loop, verb: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"fraud.stages.{verb}", *arguments],
        cwd=work.path,
        env=work.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
