"""What a dvc.lock pins, here and in any commit, read without DVC."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fraud.errors import Problem
from fraud.loop.files import LOCK, MODEL
from fraud.loop.git import git, shown


def stages(lock: str) -> dict[str, Any]:
    """Return what the text of a dvc.lock says of each stage; nothing where it cannot be read."""
    try:
        return dict((YAML(typ="safe", pure=True).load(lock) or {}).get("stages") or {})
    except (YAMLError, AttributeError, TypeError, ValueError):
        return {}


def pinned(lock: str) -> dict[str, str]:
    """Return the md5 of each output in the text of a dvc.lock; none where it cannot be read."""
    try:
        return {out["path"]: out["md5"] for stage in stages(lock).values() for out in stage.get("outs") or ()}
    except (AttributeError, KeyError, TypeError):
        return {}


def pinned_by(commit: str) -> dict[str, str]:
    """Return the md5 of each output that a commit pins, in its lock or in a pointer file such as `dvc add` makes."""
    pins = pinned(shown(commit, LOCK))
    for name in git("ls-tree", "-r", "--name-only", commit).splitlines():
        if PurePosixPath(name).suffix == ".dvc":
            folder = PurePosixPath(name).parent
            pointer = YAML(typ="safe", pure=True).load(shown(commit, name)) or {}
            pins |= {str(folder / out["path"]): out["md5"] for out in pointer.get("outs") or () if "md5" in out}
    return pins


def recorded(lock: Mapping[str, Any]) -> dict[str, str]:
    """Return the md5 of each output and each input of a dvc.lock that was read as YAML."""
    entries = [
        entry
        for stage in (lock.get("stages") or {}).values()
        for kind in ("deps", "outs")
        for entry in stage.get(kind) or ()
    ]
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}


def changed(lock: str, before: str) -> dict[str, str]:
    """Return what a lock pins and the one before did not."""
    known = pinned(before)
    return {path: md5 for path, md5 in pinned(lock).items() if known.get(path) != md5}


def model_in(lock: str) -> str | None:
    """Return the md5 of the model in the text of a dvc.lock."""
    return pinned(lock).get(MODEL)


def model_at(commit: str) -> str | None:
    """Return the md5 of the model that a commit pins, if it pins one."""
    return model_in(shown(commit, LOCK))


def model_here() -> str:
    """Return the md5 of the model that the working copy pins."""
    path = Path(LOCK)
    if not path.exists() or not (md5 := model_in(path.read_text(encoding="utf-8"))):
        raise Problem(f"{LOCK}: pins no {MODEL}; run `make repro`, which makes it")
    return md5
