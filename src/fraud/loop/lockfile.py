"""What a dvc.lock pins, read without DVC."""

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def pinned(lock: str) -> dict[str, str]:
    """Return the md5 of each output in the text of a dvc.lock; none where it cannot be read."""
    try:
        stages = (YAML(typ="safe", pure=True).load(lock) or {}).get("stages") or {}
        return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs") or ()}
    except (YAMLError, AttributeError, KeyError, TypeError):
        return {}


def changed(lock: str, before: str) -> dict[str, str]:
    """Return what a lock pins and the one before did not."""
    known = pinned(before)
    return {path: md5 for path, md5 in pinned(lock).items() if known.get(path) != md5}
