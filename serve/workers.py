"""The processes that serve together: who is alive, in a folder that all of them see."""

import fcntl
import os
from pathlib import Path


class Workers:
    """The living processes of one server; each holds a lock on a file of its own, which ends with the process."""

    def __init__(self, run: Path) -> None:
        """Join."""
        self._folder = run / "workers"
        self._folder.mkdir(exist_ok=True)
        # A name of its own, as a number of a process comes again.
        self.name = f"{os.getpid()}-{os.urandom(4).hex()}"
        path = self._folder / self.name
        while not path.exists():  # Before the lock was held, somebody may have taken us for dead.
            self._mine = path.open("w")
            fcntl.flock(self._mine, fcntl.LOCK_EX)

    def alive(self) -> set[str]:
        """Return the names of the processes that are there; the files of the others are taken away."""
        return {path.name for path in list(self._folder.iterdir()) if path.name == self.name or _held(path)}


def _held(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink()
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
