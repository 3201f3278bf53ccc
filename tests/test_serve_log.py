"""The request log: what is written stands, is found again, and is written once."""

import re
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples import ROOT
from fraud.errors import Problem
from logs import acknowledged, logged, opened, query, row, rows, writer
from postgres import Postgres
from serve.journal.log import Log
from serve.journal.queries import Outcomes
from serve.journal.tables import new_ids


def test_a_row_comes_back_as_it_was_written(url: str, tmp_path: Path) -> None:
    written = row(transaction_id="t-1", probability=0.1 + 0.2, label=1, fingerprint=-(2**63), features='{"V1": 1e-300}')
    with opened(url, tmp_path) as log:
        assert log.add([written]) == [written]
        assert log.queries.find(request_id=written.id) == written
        assert log.queries.find(transaction_id="t-1") == written
        assert log.queries.find(fingerprint=-(2**63)) == written
        assert log.queries.find(request_id="none") is None


def test_the_newest_of_several_with_the_same_features_is_found(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        log.add(rows(3))
        later = row()
        log.add([later])
        assert log.queries.find(fingerprint=7) == later
        assert log.queries.newest(1) == [later]


def test_the_newest_label_of_each_request_that_has_one_is_found(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        one, other, third = log.add(rows(3))
        for actual in True, False:
            log.feedback(one.id, actual, "test")
        log.feedback(third.id, True, "test")
        assert log.queries.labels([one.id, other.id]) == {one.id: False}
        assert log.queries.labels([]) == {}


def test_a_person_reads_the_last_row_with_sqlite3(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/deep/data/requests.db", tmp_path) as log:
        log.add([row(transaction_id="t-9")])
    command = ["sqlite3", "-header", "deep/data/requests.db", "SELECT * FROM requests ORDER BY ts DESC LIMIT 1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    header, line = done.stdout.splitlines()
    names = "number|ts|id|transaction_id|model|threshold|probability|label|features|fingerprint|latency_ms"
    assert header == names
    assert re.fullmatch(
        r'1\|2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\|[0-9a-f]{32}\|t-9\|0{32}\|.*\|\{"V1": 1.5}\|7\|0.5', line
    )


def test_ids_are_unique_and_grow_with_time() -> None:
    first = new_ids(1000)
    time.sleep(0.002)
    (later,) = new_ids(1)
    assert len({*first, later}) == 1001
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in first)
    assert max(first) < later


def test_the_earlier_row_of_a_transaction_stands(url: str, tmp_path: Path) -> None:
    first, again, other = row(transaction_id="t"), row(transaction_id="t"), row()
    with opened(url, tmp_path) as log:
        log.add([first])
        assert log.add([other, again]) == [other, first]
    assert sorted(logged(url)) == sorted([first.id, other.id])


def test_of_one_transaction_twice_in_one_call_one_row_stands(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        first, second = log.add([row(transaction_id="t"), row(transaction_id="t")])
    assert first == second
    assert logged(url) == [first.id]


def test_rows_without_a_transaction_never_meet(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        log.add(rows(50))
        log.add([])
    assert len(logged(url)) == 50


def test_all_threads_of_all_processes_get_the_same_row_of_a_transaction(url: str, tmp_path: Path) -> None:
    # A machine that stands still for a second would send rows to the spool, which asks for no transaction.
    answers = acknowledged(writer(url, tmp_path, threads=8, count=60, names=30, patience=60))
    assert len(answers) == 2 * 8 * 60
    standing = {(name, stands) for name, _, stands in answers}
    assert len(standing) == 30
    assert sorted(query(url, "SELECT transaction_id, id FROM requests")) == sorted(standing)


def test_many_rows_of_several_processes_do_not_block_each_other(url: str, tmp_path: Path) -> None:
    """Two servers that write the same transactions in different orders once waited for each other."""
    written = [row(transaction_id=f"t{number}") for number in range(3000)]
    with opened(url, tmp_path) as one, opened(url, tmp_path) as other:
        backwards = [found._replace(id=name) for found, name in zip(reversed(written), new_ids(3000), strict=True)]
        thread = threading.Thread(target=one.add, args=(written,))
        thread.start()
        stands = other.add(backwards)
        thread.join()
        assert one.state() == other.state() == "writable"
        assert one.pending() == 0
    assert sorted(found.id for found in stands) == sorted(logged(url))


def test_labels_are_history_and_the_newest_counts(url: str, tmp_path: Path) -> None:
    first, second = row(label=1), row(label=0)
    with opened(url, tmp_path) as log:
        log.add([first, second])
        for actual in (True, False, True):
            log.feedback(first.id, actual, "an analyst")
        assert log.queries.outcomes(10) == Outcomes(true_positives=1)
        log.feedback(second.id, True, "a chargeback")
        assert log.queries.outcomes(10) == Outcomes(true_positives=1, false_negatives=1)
        assert log.queries.outcomes(1) == Outcomes(false_negatives=1)
        log.feedback(first.id, False, "an analyst")
        assert log.queries.outcomes(1) == Outcomes(false_positives=1)
    history = query(url, "SELECT actual FROM feedback ORDER BY number")
    assert history == [(1,), (0,), (1,), (1,), (0,)]


def test_outcomes_count_all_four_kinds(url: str, tmp_path: Path) -> None:
    kinds = [(1, True)] * 4 + [(1, False)] * 3 + [(0, False)] * 2 + [(0, True)]
    with opened(url, tmp_path) as log:
        for label, actual in kinds:
            (written,) = log.add([row(label=label)])
            log.feedback(written.id, actual, "a test")
        assert log.queries.outcomes(100) == Outcomes(4, 3, 2, 1)


def test_a_label_of_an_unknown_prediction_is_an_error(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log, pytest.raises(LookupError, match="no prediction has the id nothing"):
        log.feedback("nothing", True, "a test")
    assert query(url, "SELECT * FROM feedback") == []


def test_rate_counts_the_window_only(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        assert log.queries.rate("2026") == (0, 0)
        log.add(rows(20, ts="2026-01-01 00:00:00.000000", label=1))
        log.add(rows(30, ts="2026-01-02 00:00:00.000000") + rows(5, ts="2026-01-02 00:00:00.000000", label=1))
        assert log.queries.rate("2026-01-02") == (35, 5)
        assert log.queries.rate("2026-01-01") == (55, 25)
        assert log.queries.rate("2026-01-03") == (0, 0)


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("long")
    with opened(f"sqlite:///{folder}/requests.db", folder) as log:
        log.add([row(ts=f"2026-01-01 00:00:00.{number:06}", fingerprint=number) for number in range(5000)])
        yield log


@given(since=st.integers(0, 5100), count=st.integers(1, 3000))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sample_is_spread_evenly_over_its_window(long_log: Log, since: int, count: int) -> None:
    found = [one.fingerprint for one in long_log.queries.sample(f"2026-01-01 00:00:00.{since:06}", count)]
    width = max(5000 - since, 0)
    assert len(found) == min(count, width)
    steps = {later - earlier for earlier, later in pairwise(found)}
    assert max(steps, default=1) - min(steps, default=1) <= 1
    if found:
        assert found[0] == since
        assert found[-1] >= 5000 - width / count - 1


def test_a_sample_leaves_out_rows_before_its_window_that_came_late(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        log.add(rows(10, ts="2026-01-02 00:00:00.000000"))
        log.add(rows(10, ts="2026-01-01 00:00:00.000000"))
        assert len(log.queries.sample("2026-01-02", 100)) == 10


def test_a_row_that_came_late_does_not_hide_those_after_it(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        log.add(rows(10, ts="2026-01-02 00:00:01.000000"))
        log.add([row(ts="2026-01-02 00:00:00.000000")])
        assert len(log.queries.sample("2026-01-02", 100)) == 11


def test_a_child_process_opens_connections_of_its_own(url: str, tmp_path: Path) -> None:
    code = f"""
import os, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
import serve
from pathlib import Path
from logs import opened, row
with opened({url!r}, Path({str(tmp_path)!r})) as log:
    log.add([row()])
    log.queries.newest(1)
    pid = os.fork()
    log.add([row()])
    log.add([row()])
    if not pid:
        log.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    log.add([row()])
    assert len(log.queries.newest(10)) == 6, log.queries.newest(10)
    assert log.pending() == 0
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_sqlite_keeps_its_log_short_under_load(tmp_path: Path) -> None:
    path = tmp_path / "requests.db"
    with opened(f"sqlite:///{path}", tmp_path) as log:
        end = time.monotonic() + 2.5
        written = 0
        while time.monotonic() < end:
            log.add(rows(200, features="x" * 700))
            written += 200
            assert Path(f"{path}-wal").stat().st_size < 128 << 20
        assert log.queries.rate("2026")[0] == min(written, 10_000)
    assert written * 700 > 20 << 20


def test_readers_do_not_hold_up_writers(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        log.add(rows(100))
        with log._reach.reading() as connection:
            found = connection.exec_driver_sql("SELECT id FROM requests")
            start = time.monotonic()
            log.add(rows(100))
            assert time.monotonic() - start < 0.5
            assert len(found.all()) == 100


def test_a_place_that_takes_no_file_is_a_problem_in_one_line(tmp_path: Path) -> None:
    url = "sqlite:////proc/nowhere/requests.db"
    with pytest.raises(Problem, match=f"REQUEST_LOG {url}: .*start or mend it"), opened(url, tmp_path):
        pass


def test_no_problem_shows_the_password(tmp_path: Path, postgres: Postgres) -> None:
    wrong = postgres.url.replace("a-password", "another")
    with pytest.raises(Problem) as problem, opened(wrong, tmp_path):
        pass
    assert "another" not in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_file_that_is_no_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "requests.db").write_text("not a database, but a text of some length" * 100)
    with pytest.raises(Problem, match="file is not a database"), opened(f"sqlite:///{tmp_path}/requests.db", tmp_path):
        pass
