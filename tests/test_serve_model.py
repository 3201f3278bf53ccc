"""All workers change to another model at the same moment, or none does."""

import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3 import free_port
from servers import ADMIN, PYTHON, Live, Traffic, example, home, pin, running, settings
from waiting import until

OLD, NEW = example(), example(model="random_forest")
PAYMENT = OLD.payments()[0]
NO_MODEL = "models/model.onnx: not a model of this project: "


def models(live: Live) -> set[str]:
    """Return which models a good many answers came from."""
    return {live.post("/predict", PAYMENT).json["model"] for _ in range(20)}


def workers(live: Live) -> list[int]:
    """Return the workers, none where the request went to one that was just killed."""
    try:
        return live.workers()
    except OSError:
        return []


def test_a_reload_under_load_changes_all_workers_and_costs_no_request(tmp_path: Path) -> None:
    with running(home(tmp_path, OLD), WORKERS="2") as live, Traffic(live, PAYMENT) as traffic:
        for served in NEW, OLD, NEW:
            pin(tmp_path, served)
            reply = live.post("/reload-model", token=ADMIN)
            assert (reply.status, reply.json["model"], reply.json["changed"]) == (200, served.md5, True)
            assert models(live) == {served.md5}
            assert {worker["model"] for worker in live.get("/health").json["workers"]} == {served.md5}
        assert len(live.workers()) == 2
        assert live.metric('model_reloads_total{result="changed"}') == 3
    assert (traffic.statuses, traffic.cut, traffic.refused) == ({200}, 0, 0)
    assert {model for _, model in traffic.seen} == {OLD.md5, NEW.md5}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: pin(root, NEW, b"other bytes"), "models/model.onnx is "),
        (lambda root: (root / "dvc.lock").write_text("stages: ["), "; `git checkout dvc.lock`"),
        (lambda root: (root / "dvc.lock").unlink(), "dvc.lock: there is no such file"),
        (lambda root: pin(root, NEW._replace(content=b"no model at all")), NO_MODEL),
    ],
    ids=["other bytes", "no YAML", "no lock", "no model"],
)
def test_a_model_that_cannot_be_served_changes_nothing_and_the_answer_says_why(
    spoil: Callable[[Path], Any], said: str, tmp_path: Path
) -> None:
    with running(home(tmp_path, OLD)) as live, Traffic(live, PAYMENT, 2) as traffic:
        spoil(tmp_path)
        reply = live.post("/reload-model", token=ADMIN)
        assert reply.status == 409
        assert reply.json["detail"].startswith("the model stays as it is: ")
        assert said in reply.json["detail"]
        assert "`" in reply.json["detail"].rpartition("; ")[2]  # A command that helps.
        assert models(live) == {OLD.md5}
        assert live.metric('model_reloads_total{result="refused"}') == 1
    assert (set(traffic.seen), traffic.cut, traffic.refused) == ({(200, OLD.md5)}, 0, 0)


def test_a_worker_that_dies_comes_back_with_the_model_that_the_others_serve(tmp_path: Path) -> None:
    with running(home(tmp_path, OLD)) as live:
        pin(tmp_path, NEW, b"other bytes")  # What would be there to load now is not fit to be served.
        until(lambda: len(live.workers()) == 2)
        before = live.workers()
        answered = live.metric('predictions_total{label="legitimate"}') + live.metric("fraud_predictions_total")
        models(live)
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(set(workers(live)) - set(before)) == 1)
        assert models(live) == {OLD.md5}
        again = live.metric('predictions_total{label="legitimate"}') + live.metric("fraud_predictions_total")
        assert again == answered + 40


def test_a_hang_up_of_the_main_process_reloads_too(tmp_path: Path) -> None:
    with running(home(tmp_path, OLD)) as live:
        until(lambda: len(live.workers()) == 2)
        before = live.workers()
        pin(tmp_path, NEW)
        live.process.send_signal(signal.SIGHUP)
        until(lambda: live.get("/health").json["model"] == NEW.md5)
        assert models(live) == {NEW.md5}
        assert live.workers() == before
        assert live.metric('model_reloads_total{result="changed"}') == 1
        pin(tmp_path, OLD, b"other bytes")
        live.process.send_signal(signal.SIGHUP)
        until(lambda: any("the model stays as it is" in line["event"] for line in live.log()))
        assert models(live) == {NEW.md5}


def test_two_reloads_at_once_follow_each_other(tmp_path: Path) -> None:
    with running(home(tmp_path, OLD)) as live:
        pin(tmp_path, NEW)
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda: found.append(live.post("/reload-model", token=ADMIN).status))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [200] * 4
        assert models(live) == {NEW.md5}


def test_a_model_that_is_not_there_comes_from_the_remote(tmp_path: Path) -> None:
    root = home(tmp_path / "root", OLD)
    kept = tmp_path / f"root/remote/files/md5/{NEW.md5[:2]}/{NEW.md5[2:]}"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(NEW.content)
    with running(root) as live:
        pin(root, NEW)
        (root / "models/model.onnx").unlink()
        assert live.post("/reload-model", token=ADMIN).json["model"] == NEW.md5
        assert (root / "models/model.onnx").read_bytes() == NEW.content


def test_a_server_with_bytes_that_the_lock_does_not_pin_does_not_start(tmp_path: Path) -> None:
    pin(home(tmp_path, OLD), NEW, OLD.content)
    said = f"models/model.onnx is {OLD.md5[:6]}…, but dvc.lock pins {NEW.md5[:6]}"
    with pytest.raises(AssertionError, match=said), running(tmp_path):
        pass
    assert len((tmp_path / "stderr").read_text().splitlines()) == 1


def test_a_second_server_on_the_same_port_does_not_start(tmp_path: Path) -> None:
    with running(home(tmp_path / "one", OLD)) as live:
        second = home(tmp_path / "two", OLD)
        words = [str(PYTHON), "-m", "serve"]
        given = settings(second, PORT=str(live.port))
        done = subprocess.run(words, cwd=second, env=given, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stderr == f"cannot listen on 127.0.0.1:{live.port}: Address already in use; set another HOST or PORT\n"


def test_gunicorn_serves_the_app_as_well(tmp_path: Path) -> None:
    command = ["gunicorn", "serve.app:create_app()", "-b", "127.0.0.1:PORT", "-w", "2", "--threads", "2"]
    with running(home(tmp_path, OLD), *command) as live:
        assert models(live) == {OLD.md5}
        assert len(live.workers()) == 2
        pin(tmp_path, NEW)
        assert live.post("/reload-model", token=ADMIN).json["model"] == NEW.md5
        assert models(live) == {NEW.md5}
        assert live.metric("fraud_predictions_total") + live.metric('predictions_total{label="legitimate"}') == 40
        with sqlite3.connect(tmp_path / "requests.db") as log:
            assert log.execute("SELECT count(*) FROM requests").fetchone() == (40,)


def test_a_token_is_made_and_printed_where_none_is_set(tmp_path: Path) -> None:
    with running(home(tmp_path, OLD), API_TOKEN="", ADMIN_TOKEN="") as live:
        said = (tmp_path / "stderr").read_text().splitlines()
        made = dict(line.split(" is not set; for this run it is ") for line in said if "is not set" in line)
        for _ in range(10):
            assert live.post("/predict", PAYMENT, token=made["API_TOKEN"]).status == 200
        assert live.post("/reload-model", token=made["ADMIN_TOKEN"]).status == 200
        assert live.post("/reload-model", token=made["API_TOKEN"]).status == 403
        assert live.post("/predict", PAYMENT).status == 401


def test_without_an_admin_token_the_log_says_once_that_nobody_may_reload(tmp_path: Path) -> None:
    def warnings(live: Live) -> list[str]:
        return [line["event"] for line in live.log() if line["level"] == "warning"]

    with running(home(tmp_path, OLD), ADMIN_TOKEN="") as live:
        (said,) = warnings(live)
        assert said.startswith("POST /reload-model takes an admin token, and this server has none, as ADMIN_TOKEN is")
        assert "set it and start again, or reload by SIGHUP" in live.post("/reload-model").json["detail"]
        before = live.workers()
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(set(workers(live)) - set(before)) == 1)
        assert [line for line in warnings(live) if "admin token" in line] == [said]
    with running(tmp_path) as live:
        assert not warnings(live)


def test_the_folder_of_a_run_goes_with_it(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    with running(home(tmp_path, OLD), TMPDIR=str(tmp_path / "temporary")) as live:
        assert list((tmp_path / "temporary").iterdir())
        assert live.stop() == 0
    assert not list((tmp_path / "temporary").iterdir())


def test_a_server_that_is_started_with_bytes_that_are_no_model_ends_with_one_line(tmp_path: Path) -> None:
    root = home(tmp_path, NEW._replace(content=b"no model at all"))
    command = [str(PYTHON), "-m", "serve"]
    environment = settings(root, PORT=str(free_port()))
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(NO_MODEL)
