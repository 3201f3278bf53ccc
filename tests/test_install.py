"""Setting up: what a fresh machine is told when something is missing."""

import subprocess
import sys
from pathlib import Path

from examples import ROOT
from repositories import ENVIRONMENT

NOWHERE = "http://127.0.0.1:9/simple"


def test_without_a_network_setting_up_ends_with_the_remedy(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    offline = {"PIP_INDEX_URL": NOWHERE, "UV_INDEX_URL": NOWHERE, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    python = {"PYTHON": str(tmp_path / "venv/bin/python"), "PIP_CONFIG_FILE": "/dev/null"}
    done = subprocess.run(
        [ROOT / "requirements/install.sh", "requirements/serve.txt"],
        cwd=ROOT,
        env=ENVIRONMENT | offline | python,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "setup: cannot install requirements/serve.txt: check the network, or the package index in your pip settings, "
        "and run make again"
    )


def test_an_old_python_is_named_with_the_version_that_is_needed(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 9, 2); $2"\n')
    old.chmod(0o755)
    for name in ("Makefile", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(["make", "setup", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "make: found Python 3.9, need 3.11 or newer; make PYTHON=python3.12" in done.stderr
