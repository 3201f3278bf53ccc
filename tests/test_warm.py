"""Programs that are forks end as real ones do, and with whoever started them."""

import subprocess
import sys
from pathlib import Path

import pytest

from repositories import ENVIRONMENT
from waiting import until
from warm import programs

ENDS = {
    "well": ("print('said')", 0),
    "code": ("import sys; print('said', file=sys.stderr); sys.exit(3)", 3),
    "word": ("import sys; sys.exit('a sentence')", 1),
    "fault": ("raise ValueError('a fault')", 1),
    "late": ("import atexit; atexit.register(print, 'last')", 0),
}


LONG = """
import os, subprocess
child = subprocess.Popen(["sleep", "200"])
print(os.getpid(), child.pid, flush=True)
child.wait()
"""


def start(python: str | Path, name: str, folder: Path) -> subprocess.Popen[str]:
    settings = ENVIRONMENT | {"PYTHONPATH": str(folder)}
    words = [str(python), "-m", name, "a word"]
    return subprocess.Popen(words, cwd=folder, env=settings, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("name", ENDS)
def test_a_fork_ends_and_speaks_as_python_does(name: str, tmp_path: Path) -> None:
    text, code = ENDS[name]
    (tmp_path / f"{name}.py").write_text(f"import sys; print(sys.argv[1:], sys.path[0], __name__)\n{text}\n")
    forked, real = (start(python, name, tmp_path) for python in (programs() / "python", sys.executable))
    ours, theirs = forked.communicate(), real.communicate()
    assert (forked.returncode, ours[0]) == (real.returncode, theirs[0])
    assert forked.returncode == code
    assert ours[1].splitlines()[-1:] == theirs[1].splitlines()[-1:]


def test_who_kills_a_program_kills_the_fork_and_what_it_started(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(LONG)
    with start(programs() / "python", "long", tmp_path) as process:
        assert process.stdout
        pids = process.stdout.readline().split()
        process.kill()
    until(lambda: not any(_lives(pid) for pid in pids))


def _lives(pid: str) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()
