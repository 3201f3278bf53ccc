"""Prove that the remote holds what a commit pins, by bringing it into an empty clone."""

import tempfile
from contextlib import chdir
from pathlib import Path

from dvc.config import Config

from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.files import LOCK
from fraud.loop.git import git
from fraud.loop.lockfile import changed
from fraud.loop.storage import dvc
from fraud.outputs import md5_of


def prove(before: str) -> None:
    """Pull what changed since the lock `before` into an empty clone with an empty cache, and compare each md5."""
    in_git = set(git("ls-files").splitlines())
    found = changed(Path(LOCK).read_text(encoding="utf-8"), before)
    wanted = {path: md5 for path, md5 in found.items() if path not in in_git}
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
            code = dvc("pull", "--quiet", *wanted)
        lost = [path for path, md5 in wanted.items() if not _holds(place / path, md5)]
        if code or lost:
            where = remote.place(remote.default())
            raise Problem(f"{where}: {(lost or ['something'])[0]} did not come back as it was pushed; run it again")


def _holds(path: Path, md5: str) -> bool:
    """Return whether a path has the md5 that the lock gives; what a folder holds DVC has compared on arrival."""
    return path.is_dir() if md5.endswith(".dir") else path.is_file() and md5_of(path) == md5
