"""What a commit says of itself: the md5s that it pins, its parameters and its reports; DVC is not asked."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fraud.errors import Problem
from fraud.loop.batch_sizes import Size, in_use
from fraud.loop.files import INGEST, LOCK, METRICS, MODEL, PARAMS, SPLIT, TEST, TRAIN
from fraud.loop.git import is_here, shown
from fraud.loop.lockfile import recorded
from fraud.sources import Given, of_window

Read = TypeVar("Read")
NOBODY = Given(Counter(), Counter())


class Side(NamedTuple):
    """One side of a difference: what the commit pins, by md5, its parameters, metrics, labels and batches."""

    commit: str
    pins: dict[str, str]
    params: dict[str, Any]
    metrics: dict[str, Any]
    given: Given = NOBODY
    sizes: Sequence[Size] = ()

    @property
    def data(self) -> dict[str, str]:
        """Return the md5s of what makes up the model, under names for a person."""
        paths = {"batches": str(self.params.get("batches")), "training rows": TRAIN, "test rows": TEST, "model": MODEL}
        return {name: self.pins[path] for name, path in paths.items() if path in self.pins}


def side(commit: str) -> Side:
    """Return what a commit says of itself; what it does not have is empty."""
    if not is_here(commit):
        raise Problem(f"git: commit {commit[:12]} is not here; `git fetch origin`, or check out with fetch-depth: 0")
    pins = parsed(commit, LOCK, lambda text: recorded(_mapping(text))) if shown(commit, LOCK) else {}
    params = parsed(commit, PARAMS, _mapping) if shown(commit, PARAMS) else {}
    metrics = parsed(commit, METRICS, _object) if shown(commit, METRICS) else {}
    return Side(commit, pins, params, metrics, _counted(commit, of_window) or NOBODY, _counted(commit, in_use) or ())


def parsed(commit: str, path: str, parse: Callable[[str], Read]) -> Read:
    """Return what `parse` makes of a file in a commit."""
    if not (text := shown(commit, path)):
        raise Problem(f"{path}: commit {commit[:9]} has no such file; run `make retrain`, which commits it")
    try:
        return parse(text)
    except (YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = " ".join(str(error).split())[:200]
        raise Problem(f"{path} of commit {commit[:9]} cannot be read ({said}); mend it there") from None


def _counted(commit: str, count: Callable[[dict[str, Any], dict[str, Any]], Read]) -> Read | None:
    """Return what `count` makes of the reports of ingest and split."""
    if not (shown(commit, INGEST) and shown(commit, SPLIT)):
        return None
    split = parsed(commit, SPLIT, _object)
    return parsed(commit, INGEST, lambda text: count(_object(text), split))


def _mapping(text: str) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(text) or {})


def _object(text: str) -> dict[str, Any]:
    return dict(json.loads(text))
