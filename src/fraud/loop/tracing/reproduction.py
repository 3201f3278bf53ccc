"""Run the graph of a commit again from its inputs, in a folder that shares nothing, and compare what comes out."""

import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from fraud.errors import Problem
from fraud.loop.files import LOCK, PARAMS
from fraud.loop.git import git, git_bytes, shown
from fraud.loop.lockfile import model_in
from fraud.loop.storing.storage import answer
from fraud.loop.twice import differences
from fraud.yamlfile import read_yaml

OWN_CACHE = "[cache]\n    dir = cache\n"  # Beside .dvc/config, over all other settings: empty at the start.
STDERR = 2
ENVIRONMENT = "requirements/pipeline.txt"


class Reproduction(NamedTuple):
    """The model that a commit pins and the one that came out, and which outputs differ, in the order of the stages."""

    commit: str | None
    pinned: str
    found: str | None
    differ: list[str]
    problem: str | None = None  # Why nothing came out.


def reproduce(commit: str, md5: str) -> Reproduction:
    """Return what `dvc repro` makes of the files and the raw data of a commit, without any result of another run."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        _unpack(commit, scratch)
        _bring_inputs(commit, scratch)
        before = read_yaml(scratch / LOCK)
        (scratch / LOCK).unlink()  # So that no stage is taken for done.
        _run(scratch)
        found = model_in((scratch / LOCK).read_text(encoding="utf-8"))
        moved = differences(before, read_yaml(scratch / LOCK))
    differ = [*moved, *_other_environment(commit)] if moved else []
    return Reproduction(commit, md5, found, differ)


def _unpack(commit: str, scratch: Path) -> None:
    """Write the files of a commit, and settings under which DVC knows no data but what is made or brought here."""
    archive = scratch / ".commit.tar"
    archive.write_bytes(git_bytes("archive", "--format=tar", commit))
    with tarfile.open(archive) as files:
        files.extractall(scratch, filter="data")
    archive.unlink()
    git("init", "-q", str(scratch))
    (scratch / ".dvc/config.local").write_text(OWN_CACHE, encoding="utf-8")


def _bring_inputs(commit: str, scratch: Path) -> None:
    """Bring the batches where they are recorded data; simulated ones are made again."""
    batches = str(read_yaml(scratch / PARAMS).get("batches", ""))
    if not batches or not (scratch / f"{batches}.dvc").exists():
        return
    code, said = answer("get", ".", batches, "--rev", commit, "--out", str(scratch / batches))
    if code:
        cause = (said.strip().splitlines() or ["DVC did not say why"])[0].removeprefix("ERROR: ")
        raise Problem(f"{batches} of {commit[:7]} did not come: {cause}; `make push` where it is, then run it again")


def _run(scratch: Path) -> None:
    """Run the graph; what its stages print goes to stderr."""
    code = subprocess.run(["dvc", "repro", "-q"], cwd=scratch, stdout=STDERR, check=False).returncode
    if code:
        raise Problem("the graph did not run to its end in the scratch folder; mend what the lines above name")


def _other_environment(commit: str) -> list[str]:
    if shown(commit, ENVIRONMENT) == Path(ENVIRONMENT).read_text(encoding="utf-8"):
        return []
    return [f"{ENVIRONMENT} was another one then: run `make trace` in a clone of that commit, with its own packages"]
