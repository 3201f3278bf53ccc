"""Rebuild everything in scratch copies, each with other threads and another processor path, and compare dvc.lock."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import _multiarray_umath as processor  # type: ignore[attr-defined]  # private

from fraud.errors import Problem, run
from fraud.loop.files import LOCK, PARAMS
from fraud.loop.git import git
from fraud.yamlfile import read_yaml

THREADS = ("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS")


def variants() -> dict[str, dict[str, str]]:
    """Return the environments to rebuild in: threads, and what numpy, BLAS and the C library use of the processor."""
    features = " ".join(name for name in processor.__cpu_dispatch__ if processor.__cpu_features__[name])
    oldest = {
        "NPY_DISABLE_CPU_FEATURES": features,
        "OPENBLAS_CORETYPE": "Prescott",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA",
    }
    return {
        "one thread": dict.fromkeys(THREADS, "1"),
        "two threads on the oldest processor path": dict.fromkeys(THREADS, "2") | oldest,
    }


def copy(target: Path) -> None:
    """Copy the working copy as git sees it, and batches of your own, but nothing that a stage made."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(lambda name: Path(name).is_file(), listed):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, target / name)
    batches = Path(read_yaml(PARAMS)["batches"])
    if Path(f"{batches}.dvc").exists():
        shutil.copytree(batches, target / batches)
    git("init", "-q", str(target))


def rebuild(environment: dict[str, str], target: Path) -> bytes:
    """Return the lock that a run in `target` ends with."""
    (target / LOCK).unlink(missing_ok=True)
    code = subprocess.run(["dvc", "repro", "-q"], cwd=target, env=os.environ | environment, check=False).returncode
    if code:
        raise Problem("the graph did not run to its end in the scratch copy; mend what the lines above name")
    return (target / LOCK).read_bytes()


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Return the stages and outputs whose bytes differ, in the order in which the stages run."""
    return [
        f"{stage}: {out['path']} is {out['md5'][:9]}, was {before['md5'][:9]}"
        for stage, entry in theirs["stages"].items()
        for out, before in zip(entry.get("outs", []), ours["stages"].get(stage, {}).get("outs", []), strict=False)
        if out["md5"] != before["md5"]
    ]


def main() -> None:
    """Fail when any rebuild ends with another dvc.lock than the one here."""
    expected = Path(LOCK).read_bytes()
    for name, environment in variants().items():
        with tempfile.TemporaryDirectory() as folder:
            copy(Path(folder))
            print(f"rebuilding with {name}", file=sys.stderr)
            found = rebuild(environment, Path(folder))
            if found != expected:
                moved = differences(read_yaml(LOCK), read_yaml(Path(folder) / LOCK)) or ["no output: run `make repro`"]
                raise Problem(f"dvc.lock differs when rebuilt with {name}:\n" + "\n".join(moved))
    print(f"dvc.lock is the same to the byte, numpy {np.__version__}: {', '.join(variants())}")


if __name__ == "__main__":
    run(main)
