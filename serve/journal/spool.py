"""Rows that no database took, kept in files until one does: each a JSON array on its line, in the order of `Row`."""

import fcntl
import json
import logging
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from serve.journal.tables import Row

ENDING = ".jsonl"
ROOM = 65_536  # Bytes; some hundred rows.
logger = logging.getLogger("fraud.serve")


class Spool:
    """The files of all processes in one folder; a process writes only its own, and locks it as long as it does."""

    def __init__(self, folder: Path, sync: bool) -> None:
        """Keep rows in `folder`; with `sync` they survive a loss of power."""
        self.folder = folder
        self._sync = sync
        self._file = -1
        self._counted: dict[str, tuple[int, int]] = {}

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows; they are durable on return, and where it raises nothing of them stays."""
        # ASCII, so that whatever text a caller sent can be written.
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        if self._file < 0 or os.fstat(self._file).st_nlink == 0:
            self._open()
        end = os.fstat(self._file).st_size
        try:
            _write(self._file, content)
            if self._sync:
                os.fsync(self._file)
        except OSError:
            self._undo(end)
            raise

    def _undo(self, end: int) -> None:
        try:
            os.ftruncate(self._file, end)
        except OSError:  # Then nothing more may be written behind the torn line.
            self.release()

    def writable(self) -> bool:
        """Say whether there is room for a row: what a full disk refuses is tried, not looked up."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(bytes(ROOM))
        except OSError:
            return False
        return True

    def _open(self) -> None:
        self.release()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{uuid.uuid4().hex}{ENDING}"
        # Locked before it has its name: nobody can take it for a dead process's file.
        hidden = path.with_suffix(".new")
        self._file = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        hidden.rename(path)
        if self._sync:
            _sync_folder(self.folder)

    def release(self) -> None:
        """Let go of the file of this process, so that it can be replayed."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def pending(self) -> int:
        """Return how many rows wait in the files of all processes."""
        counted = {}
        for path in self.folder.glob(f"*{ENDING}"):
            try:
                counted[path.name] = _count(path, *self._counted.get(path.name, (0, 0)))
            except FileNotFoundError:  # Replayed by another process just now.
                continue
        self._counted = counted
        return sum(rows for _, rows in counted.values())

    def left(self) -> Iterator[Path]:
        """Yield each file that nobody writes, locked for this process as long as the caller looks at it."""
        for path in sorted(self.folder.glob(f"*{ENDING}")):
            with _locked(path) as ours:
                if ours:
                    yield path

    def refuse(self, row: Row, reason: str) -> None:
        """Set a row aside that no database takes."""
        with (self.folder / "refused.txt").open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        logger.error("request log: prediction %s is kept in %s: %s", row.id, file.name, reason)


def read(path: Path, size: int) -> Iterator[list[Row]]:
    """Yield the rows of a file, at most `size` at a time; a torn line was never acknowledged and is left out."""
    batch = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                batch.append(Row(*json.loads(line)))
            except (ValueError, TypeError):
                logger.warning("request log: line %d of %s is torn and is left out", number, path.name)
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch


def _write(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def _count(path: Path, seen: int, rows: int) -> tuple[int, int]:
    """Count the lines of a file that came after the first `seen` bytes."""
    with path.open("rb") as file:
        file.seek(seen)
        while block := file.read(1 << 20):
            seen, rows = seen + len(block), rows + block.count(b"\n")
    return seen, rows


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield os.fstat(file).st_nlink > 0
    except BlockingIOError:
        yield False
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    os.fsync(file)
    os.close(file)
