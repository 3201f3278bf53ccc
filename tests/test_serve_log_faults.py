"""The request log when things break: what was acknowledged is there in the end, and there once."""

import fcntl
import json
import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path

import pytest

from examples import ROOT
from fraud.errors import Problem
from logs import acknowledged, logged, opened, row, rows, writer
from postgres import Postgres, database
from serve.journal.log import Log, Unlogged
from serve.journal.reach import Away
from serve.journal.spool import Spool, read
from waiting import until


@pytest.fixture(scope="module")
def frail() -> Iterator[Postgres]:
    """A PostgreSQL that the tests of this file stop, freeze and kill."""
    with database() as server:
        yield server


def breaking(moment: Callable[[], None], process: subprocess.Popen[str]) -> None:
    """Let something happen again and again as long as a process runs."""
    while process.poll() is None:
        time.sleep(0.4)
        moment()


def settle(url: str, folder: Path) -> None:
    """Let the log replay all that is left in the spool."""
    with opened(url, folder) as log:
        until(lambda: log.pending() == 0 and log.state() == "writable")


def holds(url: str, answers: list[list[str]]) -> None:
    """Check that what was acknowledged is in the table, and nothing twice."""
    ids = logged(url)
    assert len(ids) == len(set(ids))
    assert {stands for _, _, stands in answers} <= set(ids)


def test_fifty_kills_under_load_lose_no_acknowledged_row(url: str, tmp_path: Path) -> None:
    answers = acknowledged(writer(url, tmp_path, rounds=50, pause=0.0005))
    settle(url, tmp_path)
    assert len(answers) > 500
    holds(url, answers)


def test_kills_of_writers_and_database_together_lose_no_acknowledged_row(frail: Postgres, tmp_path: Path) -> None:
    url = frail.create("killed")
    with opened(url, tmp_path):
        pass
    process = writer(url, tmp_path, rounds=10, seconds=[0.05, 0.3], pause=0.003)
    moments: Iterator[Callable[[], None]] = cycle([frail.kill, partial(frail.stop, "immediate"), frail.stop])

    def crash() -> None:
        next(moments)()
        frail.start()

    thread = threading.Thread(target=breaking, args=(crash, process))
    thread.start()
    answers = acknowledged(process)
    thread.join()
    settle(url, tmp_path)
    assert len(answers) > 100
    holds(url, answers)


@contextmanager
def gone(url: str, folder: Path) -> Iterator[Log]:
    """Open a log, and take its SQLite file away from it as an exclusive lock does."""
    path = url.removeprefix("sqlite:///")
    with opened(url, folder) as log:
        log.add([row()])
        holder: sqlite3.Connection = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        yield log
        holder.execute("ROLLBACK")
        holder.close()
        until(lambda: log.state() == "writable" and log.pending() == 0)


def test_answers_go_on_while_sqlite_is_locked_and_are_replayed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/requests.db"
    written = rows(3)
    with gone(url, tmp_path) as log:
        start = time.monotonic()
        assert log.add(written[:2]) == written[:2]
        assert time.monotonic() - start < 2.5
        start = time.monotonic()
        log.add(written[2:])
        assert time.monotonic() - start < 0.2
        assert log.pending() == 3
        assert "locked" in log.state()
    assert logged(url)[1:] == [one.id for one in written]


def test_answers_go_on_while_postgresql_is_stopped_and_are_replayed(frail: Postgres, tmp_path: Path) -> None:
    url = frail.create("stopped")
    written = rows(5)
    with opened(url, tmp_path) as log, opened(url, tmp_path) as other:
        log.add(written[:1])
        frail.stop()
        log.add(written[1:2])
        other.add(written[2:3])
        log.add(written[3:])
        assert log.pending() == other.pending() == 4
        assert log.state() != "writable"
        frail.start()
        until(lambda: log.state() == other.state() == "writable" and log.pending() == 0)
        for one in written:
            assert log.queries.find(request_id=one.id) == one
    assert sorted(logged(url)) == sorted(one.id for one in written)


def test_an_idle_log_notices_that_the_database_is_away(frail: Postgres, tmp_path: Path) -> None:
    with opened(frail.create("idle"), tmp_path) as log:
        frail.stop()
        until(lambda: log.state() != "writable")
        frail.start()
        until(lambda: log.state() == "writable")


def test_a_frozen_postgresql_holds_up_one_answer_for_two_seconds_at_most(frail: Postgres, tmp_path: Path) -> None:
    url = frail.create("frozen")
    written = rows(20)
    with opened(url, tmp_path) as log:
        log.add(written[:1])
        frail.freeze()
        try:
            times = []
            for one in written[1:]:
                start = time.monotonic()
                log.add([one])
                times.append(time.monotonic() - start)
            assert max(times) < 2.5
            assert sorted(times)[-2] < 0.5
            with pytest.raises(Away):
                log.queries.newest(1)
        finally:
            frail.thaw()
        until(lambda: log.state() == "writable" and log.pending() == 0)
    assert sorted(logged(url)) == sorted(one.id for one in written)


def test_a_frozen_postgresql_holds_up_a_reader_for_two_seconds_at_most(frail: Postgres, tmp_path: Path) -> None:
    with opened(frail.create("frozen-reader"), tmp_path) as log:
        log.queries.newest(1)
        frail.freeze()
        try:
            start = time.monotonic()
            with pytest.raises(Away):
                log.queries.newest(1)
            assert time.monotonic() - start < 2.5
        finally:
            frail.thaw()


def test_a_label_is_refused_while_the_database_is_away(tmp_path: Path) -> None:
    with gone(f"sqlite:///{tmp_path}/requests.db", tmp_path) as log:
        (written,) = log.add([row()])
        with pytest.raises(Away):
            log.feedback(written.id, True, "a test")
        with pytest.raises(Away):
            log.queries.find(request_id=written.id)


def test_a_prediction_that_waits_in_the_spool_is_not_called_unknown(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", sync=False)
    spool.append([row()])  # Of another process, which is alive.
    with opened(f"sqlite:///{tmp_path}/requests.db", tmp_path) as log:
        with pytest.raises(Away, match="1 predictions wait"):
            log.queries.find(request_id="unknown")
        with pytest.raises(Away, match="1 predictions wait"):
            log.feedback("unknown", True, "a test")
    spool.release()


def test_a_removed_sqlite_file_takes_no_more_rows(tmp_path: Path) -> None:
    path = tmp_path / "data/requests.db"
    written = rows(3)
    with opened(f"sqlite:///{path}", tmp_path) as log:
        log.add(written[:1])
        shutil.rmtree(path.parent)
        log.add(written[1:2])
        until(lambda: log.state() == "writable" and log.pending() == 0)
        log.add(written[2:])
    assert logged(f"sqlite:///{path}") == [one.id for one in written[1:]]


def test_a_corrupt_sqlite_file_takes_no_more_rows(tmp_path: Path) -> None:
    path = tmp_path / "requests.db"
    written = rows(2)
    with opened(f"sqlite:///{path}", tmp_path) as log:
        log.add(rows(1))
        broken = tmp_path / "broken"
        broken.write_bytes(b"no database " * 1000)
        broken.rename(path)
        log.add(written)
        until(lambda: "not a database" in log.state())
        path.unlink()
        until(lambda: log.state() == "writable" and log.pending() == 0)
    assert logged(f"sqlite:///{path}") == [one.id for one in written]


def test_a_worker_starts_while_the_database_is_away_if_another_one_met_it(frail: Postgres, tmp_path: Path) -> None:
    url = frail.create("met")
    with opened(url, tmp_path):
        pass
    frail.stop()
    try:
        with pytest.raises(Problem, match="start or mend it"):
            Log(url, tmp_path / "spool", "normal", tmp_path)
        with opened(url, tmp_path) as log:
            assert log.state() != "writable"
            log.add(rows(1))
            frail.start()
            until(lambda: log.pending() == 0)
    finally:
        frail.start() if not (frail.folder / "postmaster.pid").exists() else None
    assert len(logged(url)) == 1


def test_rows_that_a_dead_process_spooled_are_replayed_once(url: str, tmp_path: Path) -> None:
    written = rows(1200)
    dead = Spool(tmp_path / "spool", sync=True)
    dead.append(written)
    (path,) = (tmp_path / "spool").glob("*.jsonl")
    copy = path.read_bytes()
    dead.release()
    settle(url, tmp_path)
    assert sorted(logged(url)) == sorted(one.id for one in written)
    path.write_bytes(copy)  # As if it had been killed between the commit and the removal of the file.
    settle(url, tmp_path)
    assert len(logged(url)) == 1200


def test_two_processes_do_not_replay_the_same_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, sync=False)
    spool.append(rows(1))
    assert list(Spool(tmp_path, sync=False).left()) == []
    spool.release()
    first = Spool(tmp_path, sync=False).left()
    assert next(first).exists()
    assert list(Spool(tmp_path, sync=False).left()) == []
    del first
    assert len(list(Spool(tmp_path, sync=False).left())) == 1


def test_a_torn_line_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = rows(3)
    lines = [json.dumps(one) for one in written]
    path = tmp_path / "dead.jsonl"
    path.write_text(f"{lines[0]}\n{lines[1]}\n{lines[2][:50]}")
    with caplog.at_level(logging.WARNING, "fraud.serve"):
        assert [one for batch in read(path, 2) for one in batch] == written[:2]
    assert "line 3 of dead.jsonl is torn and is left out" in caplog.text


def test_a_spooled_row_whose_transaction_was_answered_meanwhile_keeps_its_id(url: str, tmp_path: Path) -> None:
    early, late, other = row(transaction_id="t"), row(transaction_id="t"), row(transaction_id="u")
    with opened(url, tmp_path) as log:
        log.add([early])
    spool = Spool(tmp_path / "spool", sync=False)
    spool.append([late, other])
    spool.release()
    with opened(url, tmp_path) as log:
        until(lambda: log.pending() == 0)
        assert log.queries.find(request_id=late.id) == late._replace(transaction_id=None)
        assert log.queries.find(transaction_id="t") == early
        assert log.queries.find(transaction_id="u") == other


def test_a_row_that_no_database_takes_keeps_no_other_row_out(url: str, tmp_path: Path) -> None:
    good, bad = rows(3), row(fingerprint=2**70)
    with opened(url, tmp_path) as log:
        assert log.add([*good, bad]) == [*good, bad]
        assert log.state() == "writable"
        until(lambda: log.pending() == 0)
    assert sorted(logged(url)) == sorted(one.id for one in good)
    assert json.loads((tmp_path / "spool/refused.txt").read_text()) == list(bad)


def test_no_row_is_acknowledged_where_neither_disk_has_room(tmp_path: Path) -> None:
    code = f"""
import resource, signal, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
import serve
from pathlib import Path
from logs import opened, row
from serve.journal.log import Unlogged
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path({str(tmp_path)!r})
with opened(f"sqlite:///{{folder}}/requests.db", folder) as log:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    for number in range(5000):
        (one,) = rows = [row(features="x" * 500)]
        try:
            log.add(rows)
        except Unlogged as error:
            print("full", error, file=sys.stderr)
            break
        print(one.id)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (one,) = log.add([row()])
    print(one.id)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "full no place to log: database: " in done.stderr
    settle(f"sqlite:///{tmp_path}/requests.db", tmp_path)
    ids = done.stdout.split()
    assert len(ids) > 200
    assert sorted(logged(f"sqlite:///{tmp_path}/requests.db")) == sorted(ids)


def test_a_write_that_failed_half_way_leaves_the_lines_before_it_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, sync=False)
    written = rows(3)
    spool.append(written[:1])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            spool.append(rows(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    spool.append(written[1:])
    spool.release()
    (path,) = spool.left()
    assert list(read(path, 10)) == [written]


def test_a_stopped_process_with_the_turn_holds_up_others_for_two_seconds_at_most(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/requests.db"
    with opened(url, tmp_path) as log:
        log.add(rows(1))
        holder = os.open(tmp_path / "requests.db.lock", os.O_RDWR)
        fcntl.flock(holder, fcntl.LOCK_EX)
        start = time.monotonic()
        log.add(rows(1))
        assert time.monotonic() - start < 2.5
        os.close(holder)
        until(lambda: log.state() == "writable" and log.pending() == 0)
    assert len(logged(url)) == 2


def test_the_log_says_what_happens_without_any_feature(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fraud.serve"), gone(f"sqlite:///{tmp_path}/requests.db", tmp_path) as log:
        log.add([row(features='{"V1": 31415}')])
    until(lambda: "are in the database" in caplog.text)
    assert "the database is away: database is locked" in caplog.text
    assert "the database is back" in caplog.text
    assert "31415" not in caplog.text


def test_a_closed_disk_for_both_is_no_acknowledgement(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    with pytest.raises(Unlogged), gone(f"sqlite:///{tmp_path}/requests.db", tmp_path) as log:
        log.add(rows(1))
