"""What the description of the API says holds, as far as schemathesis can find out with all of its checks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from serve.openapi.operations import OPERATIONS
from servers import ADMIN, example, home, running

HOOKS = Path(__file__).parent / "schemathesis_hooks.py"
WORDS = ["--checks", "all", "--seed", "20261121", "--max-examples", "20", "--request-timeout", "10", "--no-color"]


@pytest.mark.parametrize("dataset", ["creditcard", "payments"])
def test_schemathesis_finds_nothing_that_differs_from_the_description(tmp_path: Path, dataset: str) -> None:
    with running(home(tmp_path, example(dataset))) as server:
        address = f"http://127.0.0.1:{server.port}/openapi.json"
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", address, "-H", f"Authorization: Bearer {ADMIN}", *WORDS],
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": HOOKS.stem, "PYTHONPATH": str(HOOKS.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        tried = len(OPERATIONS) - 1  # It leaves out the description itself.
        assert f"{tried} selected / {tried} total" in done.stdout
        assert not [line for line in server.log() if line["level"] == "error"]
