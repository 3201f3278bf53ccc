"""How a command ends."""

import subprocess
import sys

from repositories import ENVIRONMENT


def test_a_library_that_dies_while_the_process_ends_does_not_undo_finished_work() -> None:
    # Stands in for Arrow's thread pools, whose end aborts about one process in some thousands.
    program = (
        "import atexit, os; from fraud.errors import run\natexit.register(os.abort)\nrun(lambda: print('done', end=''))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done", "")


def test_a_problem_is_one_line_on_stderr_and_its_code_that_of_the_process() -> None:
    program = (
        "from fraud.errors import Problem, run\nclass Other(Problem):\n    code = 2\n"
        "def fail():\n    print('seen')\n    raise Other('here: nothing; do something')\nrun(fail)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "seen\n", "here: nothing; do something\n")
