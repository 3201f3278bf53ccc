"""A clone inside .dvc/tmp in which the loop works, so that the working copy stays as it is."""

import shutil
from pathlib import Path

from dvc.config import Config

from fraud.loop.git import git

PLACE = Path(".dvc/tmp/retrain")
LINKS = [
    "reflink",
    "hardlink",
    "symlink",
    "copy",
]  # Nothing is written in place here, so files may be those of the cache.


def clone(commit: str, base: str) -> Path:
    """Return a fresh clone whose branch `base` is `commit`, with the remotes, the cache and the secrets of this one."""
    root, place = Path.cwd(), PLACE
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    git("clone", "--quiet", "--no-checkout", "--local", str(root), str(place))
    git("checkout", "--quiet", "-B", base, commit, at=place)
    git("remote", "remove", "origin", at=place)  # That is the working copy.
    for name in git("remote").splitlines():
        git("remote", "add", name, git("remote", "get-url", name), at=place)
    _configure(root, place)
    return place


def _configure(root: Path, place: Path) -> None:
    """Write .dvc/config.local: what the working copy has there, its cache, and its folders by their whole path."""
    ours = Config(str((root / ".dvc").resolve()))
    with Config(str((place / ".dvc").resolve())).edit("local") as local:
        local.update(ours.load_one("local"))
        for name, settings in ours["remote"].items():
            if "://" not in settings["url"]:
                local["remote"].setdefault(name, {})["url"] = settings["url"]
        local["cache"]["dir"] = ours["cache"].get("dir") or str((root / ".dvc/cache").resolve())
        local["cache"]["type"] = LINKS
