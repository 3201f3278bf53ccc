"""Real servers under load while something breaks: each answer that left is in the log, once, and the numbers add up."""

import http.client
import json
import os
import random
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from logs import logged, query
from needed import needed
from postgres import Postgres, database
from servers import TOKEN, Live, Traffic, example, home, running
from waiting import until

PAYMENT = example().payments()[0]
KILLS = 50
CLOCK = """
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long *shift;
__attribute__((constructor)) static void begin(void) {
    shift = mmap(0, sizeof *shift, PROT_READ, MAP_SHARED, open(getenv("CLOCK_SHIFT"), O_RDONLY), 0);
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME && shift) now->tv_sec += *shift;
    return result;
}
"""
UNLIMITED = resource.RLIM_INFINITY


@pytest.fixture(scope="module")
def frail() -> Iterator[Postgres]:
    """A PostgreSQL that the tests of this file stop and freeze."""
    with database() as server:
        yield server


def adds_up(url: str, *load: Traffic) -> None:
    """Check that each answer that left is in the table once, and beside them only what was cut off."""
    ids, answered = logged(url), [id_ for traffic in load for id_ in traffic.ids]
    assert len(ids) == len(set(ids))
    assert set(answered) <= set(ids)
    assert len(ids) - len(answered) <= sum(traffic.cut for traffic in load)


def warm(traffic: Traffic, count: int = 100) -> None:
    """Wait until so many more answers came."""
    enough = len(traffic.ids) + count
    until(lambda: len(traffic.ids) >= enough)


def counted(live: Live) -> tuple[float, float]:
    """Return how many answers the counters of all workers tell, and how many their histograms."""
    answers = sum(live.metric(f'predictions_total{{label="{label}"}}') for label in ("legitimate", "fraud"))
    assert live.metric("fraud_probabilities_count") == live.metric('fraud_probabilities_bucket{le="+Inf"}')
    return answers, live.metric("prediction_latency_seconds_count")


def pending(live: Live) -> float:
    return live.metric("request_log_pending")


def readiness(live: Live) -> tuple[int, str, str]:
    """Return what a worker says of itself: each finds out for itself that the database is away."""
    reply = live.get("/ready")
    return reply.status, reply.json["status"], "there" if reply.json["log"]["state"] == "writable" else "away"


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def replaced(live: Live, killed: list[int]) -> bool:
    """Say whether there are two workers, none of them killed."""
    try:
        found = live.workers()
    except OSError:  # Sent to one that was just killed.
        return False
    return len(found) == 2 and not set(found) & set(killed)


def test_a_server_that_ends_under_load_gives_every_answer_it_owes(url: str, tmp_path: Path) -> None:
    with running(home(tmp_path), REQUEST_LOG=url) as live, Traffic(live, PAYMENT, 64) as traffic:
        warm(traffic)
        start = time.monotonic()
        assert live.stop() == 0
        assert time.monotonic() - start < 5
    assert traffic.statuses == {200}
    assert traffic.refused > 0
    assert (
        traffic.cut <= 1
    )  # A connection may lie in the kernel's queue when the door closes; 0 in 9 runs of 64 callers.
    adds_up(url, traffic)


def test_a_server_that_ends_waits_for_a_body_that_is_half_sent_and_not_for_idle_callers(tmp_path: Path) -> None:
    with running(home(tmp_path)) as live, idle(live, 20):
        half = slow(live, len(json.dumps(PAYMENT)))
        live.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        half.sendall(json.dumps(PAYMENT).encode()[10:])
        assert half.recv(100).startswith(b"HTTP/1.1 200 ")
        half.close()
        start = time.monotonic()
        assert live.process.wait(30) == 0
        assert time.monotonic() - start < 5


def test_killed_workers_take_with_them_only_the_requests_they_were_at(url: str, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    changes = {"REQUEST_LOG": url, "TMPDIR": str(tmp_path / "temporary")}
    with running(home(tmp_path), **changes) as live, Traffic(live, PAYMENT) as traffic:
        for count in 1, 1, 2, 1:
            warm(traffic)
            killed = live.workers()[:count]
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            until(partial(replaced, live, killed))
        warm(traffic)
        traffic.end()
        until(lambda: pending(live) == 0)
        answers, observed = counted(live)
        assert len(traffic.ids) <= answers <= len(logged(url))
        assert 0 <= answers - observed <= 5  # One for each worker that died while it counted.
        assert len(list((tmp_path / "temporary").glob("fraud-*/**/counters/[!.]*"))) == 2
    assert traffic.statuses == {200}
    adds_up(url, traffic)


def test_workers_end_with_a_killed_main_process_and_leave_its_port_to_the_next(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/requests.db"
    with running(home(tmp_path)) as live, Traffic(live, PAYMENT) as before:
        warm(before)
        pids = live.workers()
        live.process.kill()
        with running(tmp_path, PORT=str(live.port)) as following, Traffic(following, PAYMENT) as after:
            warm(after)
        until(lambda: not any(map(alive, pids)))
    assert before.statuses == after.statuses == {200}
    adds_up(url, before, after)


def test_kills_of_all_processes_lose_no_answer(url: str, tmp_path: Path) -> None:
    home(tmp_path)
    (tmp_path / "temporary").mkdir()
    changes = {"REQUEST_LOG": url, "TMPDIR": str(tmp_path / "temporary")}
    load = []
    for _ in range(KILLS):
        with running(tmp_path, **changes) as live, Traffic(live, PAYMENT, 8) as traffic:
            warm(traffic, 1)
            time.sleep(random.uniform(0, 0.2))  # noqa: S311
            os.killpg(live.process.pid, signal.SIGKILL)
            live.process.wait()
        load.append(traffic)
    with running(tmp_path, **changes) as live:
        until(lambda: pending(live) == 0)
        assert len(list((tmp_path / "temporary").iterdir())) == 1  # Nothing stays of those that were killed.
    assert {status for traffic in load for status in traffic.statuses} == {200}
    adds_up(url, *load)


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_answers_go_on_while_postgresql_is_away_and_are_replayed_once(
    how: str, frail: Postgres, tmp_path: Path
) -> None:
    url = frail.create(uuid4().hex)
    leave, come = (frail.stop, frail.start) if how == "stopped" else (frail.freeze, frail.thaw)
    with running(home(tmp_path), REQUEST_LOG=url) as live, Traffic(live, PAYMENT) as traffic:
        warm(traffic)
        leave()
        try:
            until(lambda: pending(live) > 0)
            warm(traffic)
            until(lambda: {readiness(live) for _ in range(5)} == {(200, "degraded", "away")})
            reply = live.post("/feedback", {"id": traffic.ids[0], "actual_label": 1})
            assert (reply.status, reply.headers["content-type"]) == (503, "application/problem+json")
            time.sleep(3)
        finally:
            come()
        warm(traffic)
        traffic.end()
        until(lambda: pending(live) == 0)
        until(lambda: live.get("/ready").json["log"] == {"state": "writable", "pending": 0})
        # Either worker notices by itself that the log is back.
        until(lambda: live.post("/feedback", {"id": traffic.ids[0], "actual_label": 1}).status == 200)
        assert counted(live) == (len(traffic.ids), len(traffic.ids))
        assert any("the database is away" in line["event"] for line in live.log())
        assert any("the database is back" in line["event"] for line in live.log())
    assert (traffic.statuses, traffic.cut) == ({200}, 0)
    adds_up(url, traffic)


def full(live: Live, size: int) -> None:
    """Let no process of the server write a file beyond a size: a full disk that a test can empty again."""
    for pid in [live.process.pid, *live.workers()]:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, UNLIMITED))


def test_a_full_disk_gives_503_and_no_answer_that_is_not_logged(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/requests.db"
    with running(home(tmp_path)) as live, Traffic(live, PAYMENT) as traffic:
        warm(traffic)
        full(live, 100)  # Bytes: less than a row.
        until(lambda: 503 in traffic.statuses)
        until(lambda: {readiness(live) for _ in range(5)} == {(503, "not ready", "away")})
        reply = live.post("/predict", PAYMENT)
        assert (reply.status, reply.headers["content-type"]) == (503, "application/problem+json")
        assert reply.json["detail"].startswith("no answer, as there is no place to log: database: ")
        full(live, UNLIMITED)
        until(lambda: {readiness(live) for _ in range(5)} == {(200, "ready", "there")})
        warm(traffic)
        traffic.end()
        until(lambda: pending(live) == 0)
        assert counted(live) == (len(traffic.ids), len(traffic.ids))
    assert (traffic.statuses, traffic.cut) == ({200, 503}, 0)
    adds_up(url, traffic)


def test_a_full_disk_stops_no_answer_where_unlogged_ones_are_allowed(tmp_path: Path) -> None:
    with running(home(tmp_path), ALLOW_UNLOGGED="yes") as live, Traffic(live, PAYMENT) as traffic:
        warm(traffic)
        full(live, 100)
        warm(traffic)
        until(lambda: readiness(live) == (200, "degraded", "away"))
        full(live, UNLIMITED)
        until(lambda: {readiness(live) for _ in range(5)} == {(200, "ready", "there")})
        warm(traffic)
    assert (traffic.statuses, traffic.cut) == ({200}, 0)


def clock(folder: Path) -> dict[str, str]:
    """Return settings that let the file `shift` move the clock by seconds; libfaketime would break sleep() too."""
    (folder / "clock.c").write_text(CLOCK)
    subprocess.run(
        [needed(shutil.which("cc"), "a C compiler"), "-shared", "-fPIC", "-o", folder / "clock.so", folder / "clock.c"],
        check=True,
    )
    jump(folder, 0)
    return {"LD_PRELOAD": str(folder / "clock.so"), "CLOCK_SHIFT": str(folder / "shift")}


def jump(folder: Path, seconds: int) -> None:
    with (folder / "shift").open("r+b" if (folder / "shift").exists() else "wb") as file:
        file.write(struct.pack("l", seconds))


def test_a_clock_that_jumps_loses_and_doubles_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/requests.db"
    changes = clock(tmp_path) | {"RATE_LIMIT": "100000/second", "LOG_RETENTION_DAYS": "30"}
    with running(home(tmp_path), **changes) as live, Traffic(live, PAYMENT) as traffic:
        for seconds in -3600, 3600, -86_400, 0:
            warm(traffic)
            jump(tmp_path, seconds)
        warm(traffic)
        traffic.end()
        assert live.post("/feedback", {"id": traffic.ids[0], "actual_label": 0}).status == 200
        assert counted(live) == (len(traffic.ids), len(traffic.ids))
        assert live.get("/metrics", headers={"Accept": "application/json"}).status == 200
    ((earliest, latest),) = query(url, "SELECT min(ts), max(ts) FROM requests")
    assert earliest[:10] < latest[:10]
    assert (traffic.statuses, traffic.cut) == ({200}, 0)
    adds_up(url, traffic)


def slow(live: Live, length: int) -> socket.socket:
    """Return a connection on which a caller has sent the first ten bytes of a body."""
    connection = socket.create_connection(("127.0.0.1", live.port), timeout=20)
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {length}\r\n\r\n{json.dumps(PAYMENT)[:10]}".encode())
    return connection


@contextmanager
def idle(live: Live, count: int) -> Iterator[None]:
    """Hold connections on which nobody asks anything."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", live.port), timeout=20))
        yield


def used(live: Live) -> tuple[int, int]:
    """Return how many files the workers have open, and how much memory they hold, in MB."""
    files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in live.workers())
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in live.workers())
    return files, pages * resource.getpagesize() >> 20


def test_callers_that_stop_within_a_body_keep_nobody_else_waiting(tmp_path: Path) -> None:
    with running(home(tmp_path)) as live:
        body = json.dumps(PAYMENT).encode()
        with ExitStack() as stack, Traffic(live, PAYMENT) as traffic:
            halves = [stack.enter_context(slow(live, len(body))) for _ in range(24)]  # A worker takes 32 of a caller.
            warm(traffic)
            traffic.end()
            for half in halves[:12]:
                half.close()
            for half in halves[12:]:
                half.sendall(body[10:])
                with http.client.HTTPResponse(half) as answer:
                    answer.begin()
                    traffic.ids.append(json.loads(answer.read())["id"])
    assert (traffic.statuses, traffic.cut) == ({200}, 0)
    adds_up(f"sqlite:///{tmp_path}/requests.db", traffic)


def test_a_flood_of_connections_keeps_nobody_waiting_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(home(tmp_path)) as live:
        with Traffic(live, PAYMENT) as traffic:
            warm(traffic)
        files, memory = used(live)
        with idle(live, 2000), Traffic(live, PAYMENT) as during:
            warm(during)
            assert used(live)[0] >= files + 2000
        until(lambda: used(live)[0] <= files + 10)
        assert used(live)[1] < memory + 50
    assert (during.statuses, during.cut, during.refused) == ({200}, 0, 0)
    adds_up(f"sqlite:///{tmp_path}/requests.db", traffic, during)


def test_bodies_over_the_limit_are_refused_under_load_and_take_no_memory(tmp_path: Path) -> None:
    with running(home(tmp_path), MAX_BODY="1MB") as live, Traffic(live, PAYMENT) as traffic:
        body = b" " * (3 << 19)
        for number in range(40):
            assert live.post("/predict", body).status == 413
            assert chunked(live, body) == 413
            if number == 20:  # By now each thread has had one.
                _, memory = used(live)
        assert used(live)[1] < memory + 30
        warm(traffic)
        traffic.end()
        assert live.metric('errors_total{code="413"}') == 80
        assert counted(live) == (len(traffic.ids), len(traffic.ids))
    assert (traffic.statuses, traffic.cut) == ({200}, 0)
    adds_up(f"sqlite:///{tmp_path}/requests.db", traffic)


def chunked(live: Live, body: bytes) -> int:
    """Return the status of an answer to a body that does not say how long it is."""
    connection = live.connect()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    parts = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    connection.request("POST", "/predict", parts, headers, encode_chunked=True)
    found = connection.getresponse().status
    connection.close()
    return found
