"""Starting servers, looking at their processes, stopping them."""

import os
import sys
import time
from pathlib import Path

import pytest

from fraud.errors import Problem
from fraud.loop.running import descendants, descriptors, free_ports, resident, running

FAMILY = "sh -c 'sleep 60; true' & exec sleep 60"

TRACKED = """
import time
from multiprocessing import resource_tracker
resource_tracker.ensure_running()
print("up", flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_stopping_a_server_ends_the_children_of_its_children(tmp_path: Path) -> None:
    with running(["sh", "-c", FAMILY], os.environ, "", tmp_path) as server:
        while len(pids := [server.process.pid, *descendants(server.process.pid)]) < 3:
            assert server.process.poll() is None
        assert all(map(alive, pids))
    end = time.monotonic() + 5  # A killed process goes when the machine comes to it.
    while any(map(alive, pids)):
        assert time.monotonic() < end


def test_a_server_that_ends_before_it_answers_is_told_with_its_last_words(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}/"
    command = ["sh", "-c", "echo begun; echo there is no model >&2; echo"]
    with running(command, os.environ, url, tmp_path) as server:
        server.process.wait()
        with pytest.raises(Problem, match=r"its last words: there is no model$"):
            server.first_answer(b"{}")


def test_the_settings_of_this_process_do_not_leak_the_path_of_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "src")
    with running(["sh", "-c", 'echo "$PYTHONPATH:$PORT"'], {"PORT": "8"}, "", tmp_path) as server:
        server.process.wait()
        assert server.last_words() == ":8"


def test_memory_and_open_files_are_those_of_the_process(tmp_path: Path) -> None:
    hold = (
        "import time; held = b'1' * 30_000_000; files = [open('/dev/null') for _ in range(2)]; "
        "print('up', flush=True); time.sleep(60)"
    )
    found = []
    for program in "import time; print('up', flush=True); time.sleep(60)", hold:
        with running([sys.executable, "-c", program], os.environ, "", tmp_path) as server:
            while server.last_words() != "up":
                assert server.process.poll() is None
            found.append((resident(server.process.pid), descriptors(server.process.pid)))
    assert found[0][0] + 25 < found[1][0] < found[0][0] + 70
    assert found[1][1] == found[0][1] + 2


def test_only_the_processes_that_answer_count_as_workers(tmp_path: Path) -> None:
    with running([sys.executable, "-c", TRACKED], os.environ, "", tmp_path) as server:
        while server.last_words() != "up":
            assert server.process.poll() is None
        assert len(descendants(server.process.pid)) == 1
        assert server.workers() == [server.process.pid]
