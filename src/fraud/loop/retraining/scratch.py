"""A clone inside .dvc/tmp in which the loop works, so that the working copy stays as it is."""

import os
import shutil
from pathlib import Path

from dvc.config import Config, ConfigError
from dvc.config_schema import RelPath

from fraud.errors import Problem
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
    _same_git(root, place)
    _configure(root, place)
    return place


def _same_git(root: Path, place: Path) -> None:
    """Give the clone git's settings of the working copy: remotes, the keys to them, and who commits."""
    kept = Path(git("rev-parse", "--git-path", "config"))
    shutil.copyfile(kept, place / ".git/config")
    for name in git("remote").splitlines():
        url = git("config", f"remote.{name}.url")
        if "://" not in url and (root / url).exists():  # A path, and not host:path.
            git("remote", "set-url", name, str((root / url).resolve()), at=place)


def _configure(root: Path, place: Path) -> None:
    """Write .dvc/config.local: what the working copy has there, its cache, and the clone's folders by their whole path.

    Where remotes are is said by the clone's own .dvc/config, which may differ from that of the working copy.
    """
    ours = Config(str((root / ".dvc").resolve()))
    try:
        theirs = Config(str((place / ".dvc").resolve()))
        with theirs.edit("local") as local:
            local.update(ours.load_one("local"))
            for name, settings in theirs.load_one("repo")["remote"].items():
                if isinstance(url := settings.get("url"), RelPath):  # It is relative to the working copy.
                    there = (root / os.path.relpath(url, place.resolve())).resolve()
                    local["remote"].setdefault(name, {}).setdefault("url", str(there))
            local["cache"]["dir"] = ours["cache"].get("dir") or str((root / ".dvc/cache").resolve())
            local["cache"]["type"] = LINKS
    except ConfigError as error:
        raise Problem(
            f".dvc/config.local: does not go with .dvc/config of the branch that is deployed: {error}; mend either"
        ) from None
