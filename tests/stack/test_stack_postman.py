"""The Postman collection, run by newman against a real server."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples import ROOT
from fraud.operations.postman import TARGET
from needed import needed
from servers import ADMIN, TOKEN, Live, example, home, running
from test_postman import COLLECTION, DATASET, calls

NEWMAN = ROOT / ".venv-node/node_modules/.bin/newman"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(home(tmp_path_factory.mktemp("root"), example(DATASET)), WORKERS="1") as server:
        yield server


def newman(live: Live, path: Path, folder: Path) -> tuple[int, Any]:
    """Return how newman ended, and what it says of its run."""
    program = needed(NEWMAN if NEWMAN.exists() else None, "newman", "make .venv-node/ready")
    given = {"address": f"http://127.0.0.1:{live.port}", "token": TOKEN, "admin_token": ADMIN}
    words = [program, "run", str(path), "--reporters", "json", "--reporter-json-export", f"{folder}/run.json"]
    words += [word for name, value in given.items() for word in ("--env-var", f"{name}={value}")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, json.loads((folder / "run.json").read_text())["run"]


def failed(run: Any) -> list[str]:
    return [f"{one['source']['name']}: {one['error']['test']}" for one in run["failures"]]


def test_every_request_is_answered_with_the_status_and_the_shape_that_the_collection_expects(
    live: Live, tmp_path: Path
) -> None:
    code, run = newman(live, ROOT / TARGET, tmp_path)
    assert failed(run) == []
    assert code == 0
    assert run["stats"]["requests"]["total"] == len(calls(COLLECTION))
    assert run["stats"]["assertions"]["total"] > 2 * len(calls(COLLECTION))


def test_newman_finds_another_shape_and_another_status(live: Live, tmp_path: Path) -> None:
    text = (ROOT / TARGET).read_text()
    other = text.replace(r"\"fraud_probability\"", r"\"never\"").replace("have.status(401)", "have.status(200)")
    (tmp_path / "other.json").write_text(other)
    code, run = newman(live, tmp_path / "other.json", tmp_path)
    assert code == 1
    assert {"POST /predict: one: shape", "GET /model without a token: status 401"} <= set(failed(run))
