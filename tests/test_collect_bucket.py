"""make collect into a bucket: a real S3 server, and DVC, which sees the weeks that come and change there."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import EndpointConnectionError  # type: ignore[import-untyped]  # It comes with dvc-s3.

from examples import ROOT
from fraud.errors import Problem
from fraud.loop import collect
from fraud.loop.collecting.s3_shelf import Bucket
from fraud.loop.collecting.shelf import Mark, Moved
from needed import needed
from repositories import BIN
from s3 import KEY, SECRET, Copy, Server, empty, free_port, serving
from test_collect import PARAMS, checked
from weekly_logs import W09, Logbook, answers

NAME = "2026-W08.csv"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3"), "bank") as server:
        yield server


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return an empty place in the bucket, and be in a working copy that knows its key."""
    for name in ("REQUEST_LOG", "LATEST_DB", "SPOOL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(ROOT / "data/schemas", tmp_path / "data/schemas")
    (tmp_path / "params.yaml").write_text(PARAMS.format("false"))
    monkeypatch.chdir(tmp_path)
    return uuid4().hex


@pytest.fixture
def log(prefix: str, tmp_path: Path) -> Logbook:
    assert prefix
    return Logbook(f"sqlite:///{tmp_path}/data/requests.db")


def collected(server: Server, log: Logbook, prefix: str) -> dict[str, bytes]:
    collect.main(f"LOG={log.url}", f"TO=s3://bank/{prefix}/", f"ENDPOINT={server.endpoint}")
    return files(server, prefix)


def files(server: Server, prefix: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (server.folder / "bank" / prefix).rglob("*") if path.is_file()}


def test_a_week_goes_into_the_bucket_once_and_again_when_a_label_came(
    server: Server, log: Logbook, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = answers(20)
    log.log(rows)
    first = collected(server, log, prefix)
    assert set(first) == {NAME}
    assert collected(server, log, prefix) == first
    log.label((rows[0], 1))
    second = collected(server, log, prefix)
    assert checked(second[NAME]).table["Class"].to_pylist() == [1] + [None] * 19
    said = [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines() if line.startswith("2026-W08")]
    assert [one.partition(":")[0].partition(",")[0] for one in said] == ["20 rows", "nothing new", "a new version"]


@pytest.mark.parametrize("name", [NAME, f"{NAME}.gz"])
def test_a_week_that_was_delivered_by_hand_stays(server: Server, log: Logbook, prefix: str, name: str) -> None:
    log.log(answers(5) + answers(5, W09))
    server.set(f"bank/{prefix}/{name}", b"mine")
    with pytest.raises(Problem, match=f"^s3://bank/{prefix}/ at {server.endpoint}: {name} was not written by collect"):
        collected(server, log, prefix)
    assert set(files(server, prefix)) == {name, "2026-W09.csv"}
    assert files(server, prefix)[name] == b"mine"


def test_an_older_state_of_the_log_never_replaces_a_newer_one(
    server: Server, log: Logbook, prefix: str, tmp_path: Path
) -> None:
    rows = answers(5)
    log.log(rows)
    shutil.copy(tmp_path / "data/requests.db", tmp_path / "old.db")
    log.label((rows[0], 1))
    newest = collected(server, log, prefix)
    assert collected(server, Logbook(f"sqlite:///{tmp_path}/old.db"), prefix) == newest


def test_a_week_is_whole_whenever_a_run_is_killed(server: Server, log: Logbook, prefix: str) -> None:
    log.log(answers(2000))
    path = server.folder / "bank" / prefix / NAME
    place = {"to": f"s3://bank/{prefix}/", "endpoint": server.endpoint, "path": str(path)}
    settings = {"url": log.url, **place, "rounds": 30}
    command = [sys.executable, str(ROOT / "tests/killed_collect.py"), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed"] > 5
    assert told["seen"] == sorted(told["seen"])
    assert len(set(told["seen"])) > 1
    content = collected(server, log, prefix)
    assert set(content) == {NAME}
    assert checked(content[NAME]).table["Class"].null_count == 2000 - 30


def put(bucket: Bucket, content: bytes, labels: int, before: Any) -> None:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    bucket.put(NAME, BytesIO(content), Mark(1, labels, "id", "recipe", md5), before)


def test_a_bucket_refuses_a_version_that_was_made_for_another_state_of_it(server: Server, prefix: str) -> None:
    bucket = Bucket({"url": f"s3://bank/{prefix}", "endpointurl": server.endpoint})
    put(bucket, b"first", 1, None)
    first = bucket.find(NAME)
    assert first
    assert first.mark == Mark(1, 1, "id", "recipe", hashlib.md5(b"first", usedforsecurity=False).hexdigest())
    put(bucket, b"second", 2, first)
    for late in None, first:
        with pytest.raises(Moved):
            put(bucket, b"late", 1, late)
    assert files(server, prefix) == {NAME: b"second"}


def test_runs_at_the_same_time_leave_the_newest_version(server: Server, log: Logbook, prefix: str) -> None:
    rows = answers(500)
    log.log(rows)
    where = {"url": f"s3://bank/{prefix}", "endpointurl": server.endpoint}
    log.label((rows[0], 1))

    def run() -> None:
        with suppress(Problem):
            collect.main(f"LOG={log.url}", f"TO={where['url']}", f"ENDPOINT={server.endpoint}")

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(files(server, prefix)) == [NAME]
    assert checked(files(server, prefix)[NAME]).table["Class"].null_count == 499


@pytest.mark.parametrize(
    ("place", "secret", "found"),
    [
        ("s3://nowhere/weekly/", SECRET, "found no such bucket; make it, or mend its name"),
        ("s3://bank/weekly/", "wrong", "the server refuses these credentials"),
        ("s3://bank/weekly/", "", "found no credentials; set AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_bucket_that_does_not_take_weeks_is_told_in_one_line_before_there_is_one(  # noqa: PLR0917
    server: Server, log: Logbook, monkeypatch: pytest.MonkeyPatch, place: str, secret: str, found: str
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    if not secret:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Problem, match=f"^{place} at {server.endpoint}: {found}"):
        collect.main(f"LOG={log.url}", f"TO={place}", f"ENDPOINT={server.endpoint}")


def test_a_server_that_is_away_is_told_in_one_line(log: Logbook) -> None:
    with pytest.raises(Problem, match=r"^s3://bank/ at http://127.0.0.1:1: nobody answers there"):
        collect.main(f"LOG={log.url}", "TO=s3://bank", "ENDPOINT=http://127.0.0.1:1")


def test_without_to_the_weeks_go_where_they_are_imported_from_and_dvc_sees_them(
    server: Server, log: Logbook, prefix: str, tmp_path: Path
) -> None:
    rows = answers(5)
    log.log(rows)
    collected(server, log, prefix)
    copy = Copy(empty(tmp_path / "copy").path)
    shutil.copytree(ROOT / "data/schemas", copy.path / "data/schemas")
    weeks = "  until: null\n  weeks: 4\n"
    copy.write({"params.yaml": f"{PARAMS.format('false')}batches: data/simulate\nsplit:\n{weeks}"})
    copy.loop("data", f"S3=s3://bank/{prefix}/", f"ENDPOINT={server.endpoint}")
    log.log(answers(5, W09))
    log.label((rows[0], 1))
    said = copy.loop("collect", f"LOG={log.url}")
    assert f"s3://bank/{prefix}/ at {server.endpoint}" in said
    assert "2026-W08: a new version: 5 rows" in said
    updated = copy.loop("data", "UPDATE=1")
    assert "2026-W08.csv changed (" in updated
    assert "2026-W09.csv is new (" in updated
    assert copy.loop("collect", f"LOG={log.url}").count(": nothing new\n") == 2
    assert ": nothing new" in copy.loop("data", "UPDATE=1")
    brought = {Path(name).name: content for name, content in copy.files("data/raw/creditcard").items()}
    assert brought == files(server, prefix)


@pytest.fixture
def conditional(prefix: str) -> Iterator[Bucket]:
    """A bucket of a server that knows conditions, as Amazon's does; it takes any key."""
    program = needed(shutil.which("moto_server", path=f"{BIN}:{os.environ['PATH']}"), "moto_server")
    port = free_port()
    process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        bucket = Bucket({"url": f"s3://bank/{prefix}", "endpointurl": f"http://127.0.0.1:{port}"})
        make(bucket, process)
        yield bucket
    finally:
        process.terminate()
        process.wait()


def make(bucket: Bucket, process: subprocess.Popen[bytes]) -> None:
    """Make the bucket as soon as its server is there."""
    for _ in range(600):
        assert process.poll() is None, "moto ended"
        try:
            bucket._client.create_bucket(Bucket="bank")
        except EndpointConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("moto does not answer")


def test_a_version_that_came_between_the_look_and_the_write_stays(
    conditional: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(conditional, b"first", 1, None)
    first = conditional.find(NAME)
    put(conditional, b"second", 2, first)
    second = conditional.find(NAME)
    for seen in None, first:
        with monkeypatch.context() as patch:
            patch.setattr(conditional, "find", lambda _, seen=seen: seen)
            with pytest.raises(Moved):
                put(conditional, b"late", 1, seen)
    assert conditional.find(NAME) == second
