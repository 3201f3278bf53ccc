"""Imports run one way: shared words, then stages; and what the server shares imports nothing that trains."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from examples import ROOT

SOURCE = ROOT / "src/fraud"
SHARED_WITH_THE_SERVER = [
    "contract",
    "drift_rule",
    "features",
    "profiles",
    "samples",
    "schema",
    "scoring",
    "usual",
    "verdict",
]
TRAINING = ["pandas", "sklearn", "imblearn", "scipy", "pyarrow", "onnx", "dvc", "joblib", "mlflow"]
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]


def modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_imports_a_stage_and_shared_words_do_not_import_the_loop(path: Path) -> None:
    names = modules(path)
    assert not {name for name in names if name.startswith("fraud.stages")}
    room = path.relative_to(SOURCE).parts[0]
    if room not in ("loop", "operations"):
        assert not {name for name in names if name.startswith("fraud.loop")}
    if room != "operations":
        assert not {name for name in names if name.startswith("fraud.operations")}
    assert not {name for name in names if name.partition(".")[0] == "serve"}


@pytest.mark.parametrize("module", SHARED_WITH_THE_SERVER)
def test_what_the_server_shares_imports_nothing_that_trains(module: str) -> None:
    code = f"import sys, fraud.{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "src")}
    )
    assert not set(done.stdout.split()) & set(TRAINING)


def test_the_server_imports_nothing_that_trains_and_finds_all_it_needs_in_its_own_environment() -> None:
    code = "import sys, serve.app, serve.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    python = ROOT / ".venv-serve/bin/python"
    assert python.exists(), "run `make .venv-serve/ready`"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {"flask", "onnxruntime"} <= set(done.stdout.split())
    assert not set(done.stdout.split()) & set(TRAINING)
    installed = {path.name for path in ROOT.glob(".venv-serve/lib/*/site-packages/*")}
    assert not installed & set(TRAINING)


@pytest.mark.parametrize("path", sorted((ROOT / "serve").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_server_imports_neither_a_stage_nor_the_loop(path: Path) -> None:
    assert not {name for name in modules(path) if name.startswith(("fraud.stages", "fraud.loop", "fraud.operations"))}


@pytest.mark.parametrize("group", GROUPS)
def test_the_lock_files_are_not_older_than_pyproject(group: str) -> None:
    text = (ROOT / f"requirements/{group}.txt").read_text()
    assert text.startswith(f"# make lock wrote this from: {', '.join(GROUPS[group])}\n"), "run `make lock`"
    pinned = dict(line.split(" ")[0].split("==") for line in text.splitlines() if line[:1].isalnum())
    for requirement in map(Requirement, GROUPS[group]):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), "run `make lock`"


@pytest.mark.parametrize("group", GROUPS)
def test_the_lock_files_have_hashes_and_no_address(group: str) -> None:
    lines = (ROOT / f"requirements/{group}.txt").read_text().splitlines()[1:]
    assert all(line.startswith("    --hash=sha256:") or (line[:1].isalnum() and line.endswith("\\")) for line in lines)
    assert "://" not in "".join(lines)


def versions(group: str) -> dict[str, str]:
    lines = (ROOT / f"requirements/{group}.txt").read_text().splitlines()
    pinned = (line.split(" ")[0].partition("==") for line in lines if line[:1].isalnum())
    return {name: version for name, _, version in pinned}


def test_groups_that_are_installed_together_or_load_the_same_model_agree_on_versions() -> None:
    found: dict[str, set[str]] = {}
    for group in ("serve", "pipeline", "loop", "dev"):
        for name, version in versions(group).items():
            found.setdefault(name, set()).add(version)
    assert {name: several for name, several in found.items() if len(several) > 1} == {}


@pytest.mark.parametrize("name", ["msgspec", "numpy", "onnx", "onnxruntime"])
def test_what_reads_and_runs_a_model_in_mlflows_environment_is_what_the_pipeline_has(name: str) -> None:
    assert versions("track")[name] == versions("pipeline")[name]
