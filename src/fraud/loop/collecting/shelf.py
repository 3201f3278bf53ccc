"""Where collected weeks are put: a folder, in which a week is there whole or not at all, and by whom it was written."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import msgspec

from fraud.errors import Problem
from fraud.outputs import md5_of, write_json

HIDDEN = (".", "_")  # With which names begin that are no batches.
DRAFT = "draft"
BESIDE = ".collect"  # What is known about the weeks of a folder, in it and not beside, so that both are moved together.


class Mark(msgspec.Struct, frozen=True):
    """What is kept with a week that was collected: how much the log knew, and how it was written."""

    rows: int
    labels: int
    first: str  # The id of the week's first answer: a log without it cannot tell more about the week.
    recipe: str
    md5: str


class There(NamedTuple):
    """A file that is there: its version, and its mark unless it was delivered by somebody else."""

    version: str
    mark: Mark | None


class Moved(Exception):
    """Another run changed the week since it was looked at."""


class Shelf(Protocol):
    """A folder or a bucket; `str()` of it is where it is, for a message."""

    def check(self) -> None:
        """Raise what would keep a file from being put there; nothing is changed."""

    def names(self) -> list[str]:
        """Return the name of each file that is not hidden."""

    def versions(self) -> dict[str, str]:
        """Return these files, each with a word that changes when it does: as a rule its md5."""

    def find(self, name: str) -> There | None:
        """Return what is known of a file, or none where there is no such file."""

    def put(self, name: str, content: BinaryIO, mark: Mark, before: There | None) -> None:
        """Put a file there, all of it or nothing, in the place of the one that was there before."""


class Folder:
    """Weeks in a folder; a file is ours if its md5 is that of a mark."""

    def __init__(self, path: Path) -> None:
        """Look at nothing yet."""
        self._path = path
        self._marks = path / BESIDE

    def __str__(self) -> str:
        """Return its path."""
        return str(self._path)

    @property
    def is_here(self) -> bool:
        """Whether this machine has such a folder."""
        return self._path.is_dir()

    def check(self) -> None:
        """Raise that the folder, or what it would be made in, takes no files."""
        nearest = next(path for path in (self._path, *self._path.parents) if path.exists())
        if not nearest.is_dir():
            raise Problem(f"{self}: {nearest} is a file, expected a folder; mend the path")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise Problem(f"{self}: {nearest} takes no files from this user; make it writable, or mend the path")

    def names(self) -> list[str]:
        """Return the name of each file that is not hidden."""
        found = sorted(self._path.iterdir()) if self._path.is_dir() else []
        return [path.name for path in found if path.is_file() and not path.name.startswith(HIDDEN)]

    def versions(self) -> dict[str, str]:
        """Return the md5 of each file that is not hidden; a folder that is away is not an empty one."""
        if not self.is_here:
            raise Problem(f"{self}: found no such folder; mount it, or mend the path")
        return {name: md5_of(self._path / name) for name in self.names()}

    def find(self, name: str) -> There | None:
        """Return what is known of a file; its md5 is its version."""
        path = self._path / name
        if not path.exists():
            return None
        version = md5_of(path)
        return There(version, self._read(name).get(version))

    def put(self, name: str, content: BinaryIO, mark: Mark, before: There | None) -> None:
        """Put the mark there and then the file, so that one without a mark was never ours."""
        with self._alone():
            now = self.find(name)
            if now != before:
                raise Moved
            draft = self._marks / DRAFT
            with draft.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            kept = [known for known in (now and now.mark, mark) if known]
            write_json(self._record(name), {one.md5: msgspec.to_builtins(one) for one in kept})
            draft.rename(self._path / name)

    def _record(self, name: str) -> Path:
        return self._marks / f"{name}.json"

    def _read(self, name: str) -> dict[str, Mark]:
        try:
            return msgspec.json.decode(self._record(name).read_bytes(), type=dict[str, Mark])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock; the file stays empty, as whoever imports the folder sees it."""
        try:
            self._marks.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:
            raise Problem(f"{self}: no folder can be made there; mend the path") from None
        with (self._marks / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for path in self._marks.iterdir():
                if path.name == DRAFT or path.name.startswith("."):  # Of a run that was killed.
                    path.unlink()
            yield
