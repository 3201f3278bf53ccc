"""make notify: messages over real HTTP and gauges in a real Pushgateway; whatever fails there, the run goes on."""

import html
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import ROOT
from fraud.errors import Problem
from fraud.loop import notify
from fraud.loop.git import git
from fraud.loop.notifying import gauges
from listening import Listener, listening
from post_office import PostOffice, post_office
from pushgateway import Pushgateway, pushgateway
from s3 import free_port

SECRET = "a-secret-in-an-address"  # noqa: S105  # made up
METRICS = {"average_precision": 0.876832, "alerts_per_1000": 6.0, "rows": 20000, "frauds": 137, "recall": 0.854015}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Return a working copy as far as a notification looks at one."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "params.yaml").write_text("dataset: payments\n")
    (tmp_path / "reports/metrics.json").write_text(json.dumps(METRICS))
    (tmp_path / "reports/drift.json").write_text('{"drift": true}')
    return tmp_path


def told(
    here: Path, event: str, urls: str = "", gateway: str = "", patience: float = 30
) -> subprocess.CompletedProcess[str]:
    """Do what `make notify` does."""
    code = """
import sys
from fraud.loop import notify
notify.PATIENCE = float(sys.argv.pop(1))
notify.main(*sys.argv[1:])
sys.exit(3)
"""
    words = [f"EVENT={event}", "TITLE=week 9", 'TEXT=V14\'s "shift" is 0.3 $(id)']
    settings = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/src"} | {"NOTIFY_URLS": urls, "PUSHGATEWAY": gateway}
    command = [sys.executable, "-c", code, str(patience), *words]
    done = subprocess.run(command, cwd=here, env=settings, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 3, done.stderr  # The run went on, to its own end.
    return done


def webhook(server: Listener, user: str = "") -> str:
    return server.url.replace("http://", f"json://{user}")


@pytest.mark.parametrize(("event", "kind"), [item for item in notify.KINDS.items() if item[0] != "success"])
def test_each_address_gets_title_text_and_kind(here: Path, event: str, kind: str) -> None:
    with listening() as one, listening() as other:
        done = told(here, event, f"{webhook(one)},\n {webhook(other)}")
    assert (done.stdout, done.stderr) == ("", "")
    for server in one, other:
        (body,) = map(json.loads, server.bodies)
        assert (body["title"], body["message"], body["type"]) == ("week 9", 'V14\'s "shift" is 0.3 $(id)', kind)


def mail_to(office: PostOffice) -> str:
    return f"mailto://127.0.0.1:{office.port}?from=loop@example.com&to=team@example.com&mode=insecure"


def test_an_e_mail_arrives(here: Path) -> None:
    with post_office() as office:
        done = told(here, "drift", mail_to(office))
    assert (done.stdout, done.stderr) == ("", "")
    (mail,) = office.mail
    body = mail.get_body(("plain", "html"))
    assert (mail["Subject"], mail["To"]) == ("week 9", "team@example.com")
    assert body is not None
    assert 'V14\'s "shift" is 0.3 $(id)' in html.unescape(body.get_content())


def test_an_e_mail_that_is_refused_costs_a_line(here: Path) -> None:
    with post_office(refuses=True) as office:
        done = told(here, "drift", mail_to(office))
    assert "address 1 of NOTIFY_URLS (mailto) did not take the message" in done.stderr
    assert office.mail == []


def test_a_success_is_no_message(here: Path) -> None:
    with listening() as server:
        told(here, "success", webhook(server))
    assert server.bodies == []


PARTS = st.text("abz09:/@.?=&_-", min_size=1, max_size=12).map(lambda text: text.replace("://", "/"))
URLS = st.builds(
    "{}://{}".format, st.sampled_from(["json", "slack", "mailto"]), st.lists(PARTS, min_size=1).map(",".join)
)


@given(st.lists(URLS), st.sampled_from([",", " ", "\n", ", ", " ,\n"]))
def test_addresses_stand_between_commas_or_spaces_and_may_hold_commas(urls: list[str], separator: str) -> None:
    assert notify.addresses(separator.join(urls)) == urls
    assert notify.addresses(f"{separator}{separator.join(urls)}{separator}") == urls


@pytest.mark.parametrize(
    "url",
    [
        f"slakc://{SECRET}/{SECRET}",
        SECRET,
        f"json://user:{SECRET}@",
        f"json://user:{SECRET}@127.0.0.1:1/{SECRET}",
        f"slack://{SECRET}",
        f"mailto://user:{SECRET}@127.0.0.1:1",
        f"json://user:{SECRET}@no-such-host.invalid/{SECRET}",
    ],
)
def test_an_address_that_does_not_work_costs_one_line_without_its_secret(here: Path, url: str) -> None:
    with listening() as server:
        done = told(here, "failed", f"{url} {webhook(server)}")
        assert len(server.bodies) == 1
    assert SECRET not in done.stdout + done.stderr
    assert re.fullmatch(r"notify: address 1 of NOTIFY_URLS \(.*\) .*; the run goes on without it\n", done.stderr)


def test_a_server_that_refuses_costs_one_line_without_the_secret(here: Path) -> None:
    with listening(500, SECRET.encode()) as server:
        done = told(here, "gate", webhook(server, f"user:{SECRET}@"))
    assert done.stderr == (
        "notify: address 1 of NOTIFY_URLS (json) did not take the message; check the address, its token and the "
        "network; the run goes on without it\n"
    )


@contextmanager
def dripping() -> Iterator[int]:
    """Answer each request one byte at a time, without end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    while not ended.wait(0.1):
                        connection.send(b"H")
                except OSError:
                    pass

        def accept() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_never_ends_its_answer_is_left_behind(here: Path) -> None:
    with dripping() as port, listening() as server:
        begun = time.monotonic()
        urls = f"json://{SECRET}:x@127.0.0.1:{port} {webhook(server)}"
        done = told(here, "drift", urls, patience=8)
        assert time.monotonic() - begun < 20
        assert len(server.bodies) == 1
    lines = done.stderr.splitlines()
    assert [line.split(" was")[0] for line in lines] == ["notify: address 1 of NOTIFY_URLS (json)"]
    assert all("was not told within 8 s" in line for line in lines)
    assert SECRET not in done.stderr


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushgateway]:
    with pushgateway(tmp_path_factory.mktemp("pushgateway")) as server:
        yield server


def test_what_was_looked_at_is_pushed_and_a_run_that_ends_adds_only_when_and_how(
    here: Path, gateway: Pushgateway
) -> None:
    begun = time.time()
    assert told(here, "looked", gateway=gateway.address).stderr == ""
    (here / "reports/drift.json").write_text('{"drift": false}')
    assert told(here, "success", gateway=gateway.address).stderr == ""
    (group,) = gateway.groups()
    assert group["labels"] == {"job": "fraud_retrain", "dataset": "payments"}
    found = gateway.gauges()
    succeeded = found.pop(gauges.SUCCESS)
    assert begun <= succeeded <= found.pop(gauges.LOOK) <= time.time()
    assert found == {"model_accuracy": 0.99885, "model_average_precision": 0.876832, "drift_detected": 1}

    told(here, "failed", gateway=gateway.address)
    after = gateway.gauges()
    failed, looked = after.pop(gauges.FAILURE), after.pop(gauges.LOOK)
    assert looked <= failed <= time.time()
    assert after == found | {gauges.SUCCESS: succeeded}
    told(here, "looked", gateway=gateway.address)
    last = gateway.gauges()
    assert last.pop(gauges.LOOK) > failed
    assert last == found | {"drift_detected": 0, gauges.SUCCESS: succeeded, gauges.FAILURE: failed}


def test_the_runbook_deletes_what_the_pushgateway_keeps_of_a_data_set_that_is_no_longer_used(
    here: Path, gateway: Pushgateway
) -> None:
    (here / "params.yaml").write_text("dataset: creditcard\n")
    told(here, "success", gateway=gateway.address)
    assert [group for group in gateway.groups() if group["labels"]["dataset"] == "creditcard"]
    line = re.search(r'`curl -fsS -X DELETE "\$PUSHGATEWAY(/.*)"`', (ROOT / "docs/runbook.md").read_text())
    assert line
    asked = urllib.request.Request(gateway.address + line[1], method="DELETE")  # noqa: S310  # our own address
    urllib.request.urlopen(asked, timeout=5).close()  # noqa: S310  # our own address
    assert not [group for group in gateway.groups() if group["labels"]["dataset"] == "creditcard"]


def test_a_pushgateway_that_is_away_costs_one_line(here: Path) -> None:
    done = told(here, "looked", gateway=f"http://user:{SECRET}@127.0.0.1:{free_port()}")
    assert re.fullmatch(
        r"notify: PUSHGATEWAY ended with \w+; check the address; the run goes on without it\n", done.stderr
    )


@pytest.mark.parametrize("content", [None, "", "[]", '{"average_precision": null, "recall": null}', '{"rows": 0}'])
def test_what_the_reports_do_not_tell_is_left_out(
    here: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    if content is None:
        (here / "reports/metrics.json").unlink()
    else:
        (here / "reports/metrics.json").write_text(content)
    assert gauges.values("looked").keys() == {"drift_detected", gauges.LOOK}
    assert gauges.values("judged").keys() == {gauges.CANDIDATE}


def test_the_reports_of_a_run_tell_weeks_drift_by_feature_and_what_was_promised(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    weeks = [("2026-W08", 0.8), ("2026-W09", 0.7), ("2026-W10", None)]
    reports = {
        "split": {"train": {"batches": ["a", "b"]}, "test": {"batches": ["c"]}, "current": {"batches": []}},
        "drift": {"drift": True, "features": [checked("V1", 0.04), checked("V1", 0.01), checked("V2", 0.03)]},
        "estimate": {"weeks": [estimated(week, realised) for week, realised in weeks]},
        "retrain": {"gate": {"verdict": "not worse"}},
    }
    for name, report in reports.items():
        (here / f"reports/{name}.json").write_text(json.dumps(report))
    found = gauges.values("looked")
    assert found["retrain_weeks"] == {"train": 2, "test": 1, "current": 0}
    assert found["drift_score"] == {"V1": 2, "V2": 1.5}
    assert found["week_average_precision"] == {"estimated": 0.9, "low": 0.6, "high": 0.95, "realised": 0.7}
    assert gauges.values("judged")["retrain_gate_verdict"] == {"not worse": 1}


def checked(name: str, effect: float) -> dict[str, object]:
    return {"name": name, "effect": effect, "threshold": 0.02}


def estimated(week: str, realised: float | None) -> dict[str, object]:
    promise = {"average_precision": [0.9, 0.6, 0.95]}
    return {"week": week, "estimated": promise, "realised": {"average_precision": realised}}


def test_the_age_of_a_model_counts_from_when_main_pinned_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    assert gauges.pinned_since() == {}
    git("init", "--quiet", "--initial-branch=main")
    for day, model in enumerate(["a", "b", "a", "a"], start=1):
        out = {"path": "models/model.onnx", "md5": 32 * model}
        Path("dvc.lock").write_text(json.dumps({"day": day, "stages": {"train": {"outs": [out]}}}))
        git("add", "dvc.lock")
        when = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"2026-11-0{day}T12:00:00Z")
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        git(*who, "commit", "--quiet", "--message=another day", environment=os.environ | when)
    assert gauges.pinned_since() == {32 * "a": datetime(2026, 11, 3, 12, tzinfo=UTC).timestamp()}


@given(*[st.integers(0, 200_000)] * 4)
def test_accuracy_is_the_share_of_right_decisions(caught: int, missed: int, false: int, passed: int) -> None:
    rows, frauds = caught + missed + false + passed, caught + missed
    report = {
        "rows": rows,
        "frauds": frauds,
        "alerts_per_1000": round(1000 * (caught + false) / rows, 6) if rows else None,
        "recall": round(caught / frauds, 6) if frauds else None,
    }
    assert gauges.accuracy(report) == (pytest.approx((caught + passed) / rows, abs=1e-12) if rows else None)


def test_an_event_that_nobody_knows_is_refused() -> None:
    with pytest.raises(
        Problem, match="EVENT=drfit: expected one of drift, gate, pull-request, failed, looked, judged, success"
    ):
        notify.main("EVENT=drfit")


def test_a_message_without_words_is_refused() -> None:
    with pytest.raises(Problem, match="TITLE, TEXT: found neither, expected what people are to be told; make notify"):
        notify.main("EVENT=drift", "TITLE=", "TEXT=")


def test_a_run_without_addresses_imports_nothing_of_apprise() -> None:
    code = "import sys, fraud.loop.notify; print({'apprise', 'requests', 'prometheus_client'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src")
    assert done.stdout == "set()\n"
