"""Numbers that all worker processes add up together, without waiting for each other.

Each process counts in a mapped file of its own; who reads adds the files up. What a dead process counted is moved into
one file for all the dead, so that nothing is lost and files do not pile up.
"""

import fcntl
import mmap
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fraud.features import Values
from serve.workers import Workers


class Counters:
    """A fixed number of counters, by place."""

    def __init__(self, run: Path, workers: Workers, size: int) -> None:
        """Start at 0 for this process."""
        self._folder, self._workers, self._size = run / "counters", workers, size
        self._folder.mkdir(exist_ok=True)
        with (self._folder / workers.name).open("w+b") as file:
            file.write(bytes(8 * size))  # A disk that fills up later would kill who writes into a hole.
            file.flush()
            self._mine = memoryview(mmap.mmap(file.fileno(), 8 * size)).cast("d")
        self._guard = threading.Lock()

    def add(self, amounts: Mapping[int, float]) -> None:
        """Add amounts to the counters at their places."""
        with self._guard:
            for place, amount in amounts.items():
                self._mine[place] += amount

    def totals(self) -> Values:
        """Return what all processes counted, the dead ones too."""
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            alive = self._workers.alive()
            names = {path.name for path in self._folder.iterdir() if not path.name.startswith(".")}
            total = self._bury(names - alive)
            return total + sum(self._read(name) for name in names & alive)

    def _bury(self, dead: set[str]) -> Values:
        """Add what the dead counted to the file for all of them, at once with their names, and return its sum."""
        grave = self._folder / ".dead"
        buried = grave.read_bytes() if grave.exists() else bytes(8 * self._size)
        total, names = np.frombuffer(buried[: 8 * self._size]), set(buried[8 * self._size :].decode().split())
        if new := dead - names:
            total = total + sum(self._read(name) for name in new)
            draft = self._folder / ".draft"
            draft.write_bytes(total.tobytes() + " ".join(dead).encode())
            draft.replace(grave)
        for name in dead:
            (self._folder / name).unlink()
        return total

    def _read(self, name: str) -> Values:
        return np.frombuffer((self._folder / name).read_bytes())
