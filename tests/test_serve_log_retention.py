"""Retention: what is older than the setting goes, little by little, and nobody waits for it."""

import fcntl
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from logs import logged, opened, query, row, rows
from postgres import Postgres
from serve.journal import retention
from servers import Traffic, example, home, running
from waiting import until

PAYMENT = example().payments()[0]


def ago(days: float) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d %H:%M:%S.%f}"


def test_old_rows_and_their_labels_go_and_the_others_stay(url: str, tmp_path: Path) -> None:
    young = row(ts=ago(6.9))
    old = rows(1300, ts=ago(7.1))
    with opened(url, tmp_path) as log:
        log.add([*old, young])
        for labelled in (old[0], old[-1], young):
            log.feedback(labelled.id, True, "a test")
        assert retention.sweep(7, log._delete, threading.Event()) == 1300
        assert retention.sweep(7, log._delete, threading.Event()) == 0
    assert logged(url) == [young.id]
    assert query(url, "SELECT request_id FROM feedback") == [(young.id,)]


def test_a_log_with_days_sweeps_by_itself(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        log.add(rows(3, ts=ago(2)))
    with opened(url, tmp_path, days=1):
        until(lambda: logged(url) == [])


def test_writers_go_on_while_old_rows_are_deleted(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        log.add(rows(5000, ts=ago(9)))
        sweeper = threading.Thread(target=retention.sweep, args=(7, log._delete, threading.Event()))
        sweeper.start()
        written, times = [], []
        while sweeper.is_alive():
            start = time.monotonic()
            written += log.add([row()])
            times.append(time.monotonic() - start)
        assert log.state() == "writable"
    assert sorted(logged(url)) == sorted(one.id for one in written)
    assert len(times) > 20
    assert sorted(times)[len(times) // 2] < 0.05


def test_a_server_that_deletes_old_rows_answers_all_the_while_and_its_rows_add_up(url: str, tmp_path: Path) -> None:
    def old() -> int:
        return query(url, f"SELECT count(*) FROM requests WHERE ts < '{ago(7)}'")[0][0]  # noqa: S608  # our own words

    aged, young = rows(30_000, ts=ago(9)), row(ts=ago(6))
    with opened(url, tmp_path) as log:
        log.add([*aged, young])
        for labelled in aged[0], aged[-1], young:
            log.feedback(labelled.id, True, "a test")
    root = home(tmp_path / "root")
    with running(root, REQUEST_LOG=url, LOG_RETENTION_DAYS="7") as live, Traffic(live, PAYMENT) as traffic:
        until(lambda: len(traffic.ids) > 10)
        assert old() > 0, "it was over before it began"
        until(lambda: old() == 0)
        seen = len(traffic.ids)
        until(lambda: len(traffic.ids) > seen)
    assert (traffic.statuses, traffic.cut, traffic.refused) == ({200}, 0, 0)
    assert sorted(logged(url)) == sorted([young.id, *traffic.ids])
    assert query(url, "SELECT request_id FROM feedback") == [(young.id,)]


def test_one_process_only_sweeps(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/requests.db"
    with opened(url, tmp_path) as log:
        log.add(rows(3, ts=ago(2)))
    other = os.open(tmp_path / "run/retention.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    with opened(url, tmp_path, days=1):
        time.sleep(0.3)
        assert len(logged(url)) == 3
    os.close(other)


def test_of_several_servers_on_one_postgresql_one_deletes(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.create(uuid4().hex)
    with opened(url, tmp_path) as one, opened(url, tmp_path) as other:
        one.add(rows(3, ts=ago(2)))
        with one._alone() as database, database._transaction(database.open()):
            database.open().exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (0x66726175 + 1,))
            assert retention.sweep(1, other._delete, threading.Event()) == 0
        assert retention.sweep(1, other._delete, threading.Event()) == 3


def test_a_sweep_stops_when_the_log_closes(tmp_path: Path) -> None:
    closing = threading.Event()
    closing.set()
    with opened(f"sqlite:///{tmp_path}/requests.db", tmp_path) as log:
        log.add(rows(1200, ts=ago(2)))
        assert retention.sweep(1, log._delete, closing) == retention.AT_ONCE
