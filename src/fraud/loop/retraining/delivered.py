"""Prove that the remote holds what a commit pins, by bringing it into an empty clone."""

import hashlib
import json
import tempfile
from contextlib import chdir
from pathlib import Path

from dvc.config import Config

from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.git import git
from fraud.loop.lockfile import pinned_by
from fraud.loop.storing.storage import dvc
from fraud.outputs import md5_of


def prove(base: str) -> None:
    """Pull what HEAD pins and `base` did not into an empty clone with an empty cache, and compare each md5."""
    in_git, known = set(git("ls-files").splitlines()), pinned_by(base)
    wanted = {path: md5 for path, md5 in pinned_by("HEAD").items() if known.get(path) != md5 and path not in in_git}
    if not wanted:  # Without a target DVC would pull everything.
        return
    with tempfile.TemporaryDirectory(dir=".dvc/tmp") as folder:
        place = Path(folder) / "clone"
        git("clone", "--quiet", "--local", ".", str(place))
        settings = Config(str(Path(".dvc").resolve())).load_one("local")
        with Config(str((place / ".dvc").resolve())).edit("local") as local:
            local.update(settings)
            local["cache"] = {"dir": str(Path(folder).resolve() / "cache")}
        with chdir(place):
            code = dvc("fetch", "--quiet", *wanted)
            dvc("checkout", "--quiet", *wanted)  # Unlike a pull it brings the others where one is lost.
        lost = [path for path, md5 in wanted.items() if _md5(place / path) != md5]
        if code or lost:
            where = remote.place(remote.default())
            raise Problem(f"{where}: {(lost or ['something'])[0]} did not come back as it was pushed; run it again")


def _md5(path: Path) -> str | None:
    """Return the md5 that DVC gives to a file, or to a folder: that of the list of its files."""
    if not path.is_dir():
        return md5_of(path) if path.is_file() else None
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listed = json.dumps([{"md5": md5_of(file), "relpath": name} for name, file in files])
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() + ".dir"
