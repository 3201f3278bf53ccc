"""What a commit says of itself: the md5s that it pins, its parameters and its reports; DVC is not asked."""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fraud.errors import Problem

LOCK, PARAMS, METRICS = "dvc.lock", "params.yaml", "reports/metrics.json"
MODEL, TRAIN, TEST = "models/model.onnx", "data/split/train.parquet", "data/split/test.parquet"
Read = TypeVar("Read")


class Side(NamedTuple):
    """One side of a difference: the md5 of each file that the commit pins, its parameters and metrics."""

    commit: str
    pins: dict[str, str]
    params: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def data(self) -> dict[str, str]:
        """Return the md5s of what makes up the model, under names for a person."""
        paths = {"batches": str(self.params.get("batches")), "training rows": TRAIN, "test rows": TEST, "model": MODEL}
        return {name: self.pins[path] for name, path in paths.items() if path in self.pins}


def side(commit: str) -> Side:
    """Return what a commit says of itself; what it does not have is empty."""
    if not is_here(commit):
        raise Problem(f"git: commit {commit[:12]} is not here; `git fetch origin`, or check out with fetch-depth: 0")
    pins = parsed(commit, LOCK, _pins) if shown(commit, LOCK) else {}
    params = parsed(commit, PARAMS, _mapping) if shown(commit, PARAMS) else {}
    metrics = parsed(commit, METRICS, _object) if shown(commit, METRICS) else {}
    return Side(commit, pins, params, metrics)


def is_here(commit: str) -> bool:
    """Return whether git has a commit."""
    asked = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    return (
        re.fullmatch("[0-9a-f]{7,64}", commit) is not None
        and not subprocess.run(asked, capture_output=True, check=False).returncode
    )


def bring(commit: str, reference: str) -> None:
    """Fetch a reference from origin, unless its commit is here."""
    if not is_here(commit):
        subprocess.run(["git", "fetch", "--quiet", "origin", reference], check=False)


def resolved(name: str) -> str:
    """Return the commit that git knows by a name."""
    asked = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"git: found no commit '{name}'; `git fetch origin`, or mend the name")
    return done.stdout.strip()


def shown(commit: str, path: str) -> str:
    """Return the text of a file in a commit, or nothing where it has none."""
    done = subprocess.run(["git", "show", f"{commit}:{path}"], capture_output=True, check=False)
    return "" if done.returncode else done.stdout.decode("utf-8", "replace")


def parsed(commit: str, path: str, parse: Callable[[str], Read]) -> Read:
    """Return what `parse` makes of a file in a commit."""
    if not (text := shown(commit, path)):
        raise Problem(f"{path}: commit {commit[:9]} has no such file; run `make retrain`, which commits it")
    try:
        return parse(text)
    except (YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = " ".join(str(error).split())[:200]
        raise Problem(f"{path} of commit {commit[:9]} cannot be read ({said}); mend it there") from None


def _pins(lock: str) -> dict[str, str]:
    stages = (YAML(typ="safe").load(lock) or {}).get("stages") or {}
    entries = [entry for stage in stages.values() for kind in ("deps", "outs") for entry in stage.get(kind) or ()]
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}


def _mapping(text: str) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(text) or {})


def _object(text: str) -> dict[str, Any]:
    return dict(json.loads(text))
