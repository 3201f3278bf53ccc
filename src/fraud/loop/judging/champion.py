"""The model that another commit pins: what it was trained on, and its bytes."""

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.files import LOCK, MODEL, SPLIT
from fraud.loop.git import resolved, shown
from fraud.loop.lockfile import pinned
from fraud.loop.storing.storage import answer, listed
from fraud.outputs import md5_of
from fraud.scoring import Model, load


class NotComparable(Problem):
    """There is nothing to compare with; that says nothing about the candidate."""

    code = 2


class Champion(NamedTuple):
    """A commit by the name that a person gave it, the md5 of each file that it pins, and its reports/split.json."""

    name: str
    commit: str
    pins: dict[str, str]
    split: dict[str, Any]


def find(name: str) -> Champion:
    """Return what git knows of the champion on commit `name`."""
    try:
        commit = resolved(name)
    except Problem:
        unknown = f"BASE={name}: git knows no such commit; `git fetch`, or name one, like BASE=origin/main"
        raise NotComparable(unknown) from None
    pins, split = pinned(shown(commit, LOCK)), _split(shown(commit, SPLIT))
    if MODEL not in pins:
        raise NotComparable(
            f"{name}: its {LOCK} pins no {MODEL}, so there is no champion yet; merge the first one without a comparison"
        )
    if not split:
        raise NotComparable(
            f"{name}: its {SPLIT} does not say which batches its model was trained on; run `make repro` there, "
            "and commit that file"
        )
    return Champion(name, commit, pins, split)


def _split(text: str) -> dict[str, Any]:
    try:
        split = json.loads(text)
        return {"dataset": split["dataset"], "train": list(split["train"]["batches"])}
    except (ValueError, KeyError, TypeError):
        return {}


def fetch(champion: Champion) -> Model:
    """Return the champion, from DVC's cache or else from the remote of its commit, once its md5 is the pinned one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "champion.onnx"
        code, said = answer("get", ".", MODEL, "--rev", champion.commit, "--out", str(path))
        if code:
            raise NotComparable(f"{champion.name}: its {MODEL} did not come: {_cause(champion, said)}")
        pinned_md5, md5 = champion.pins[MODEL], md5_of(path)
        if md5 != pinned_md5:
            raise NotComparable(
                f"{champion.name}: its {MODEL} came as {md5[:6]}…, but its {LOCK} pins {pinned_md5[:6]}…; remove "
                f"files/md5/{pinned_md5[:2]}/{pinned_md5[2:]} from .dvc/cache or the remote, whichever holds it, "
                "and `make push` where it is whole"
            )
        try:
            return load(path)
        except Problem as problem:
            raise NotComparable(f"{champion.name}: its {MODEL} cannot be read here: {problem}") from None


def _cause(champion: Champion, said: str) -> str:
    """Return why the file did not come: the remote is away or refuses us, or does not have it."""
    try:
        place = remote.place(remote.default())
        listed(remote.default())
    except Problem as problem:
        return str(problem)
    if "No storage files available" in said:
        return (
            f"{champion.pins[MODEL]} is neither in the cache here nor in {place}; `make push` where {champion.name} "
            "is whole, then run it again"
        )
    return f"{said.strip().splitlines()[0].removeprefix('ERROR: ')}; mend that, then run it again"
