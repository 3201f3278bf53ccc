"""The model that is served: all workers change to another one at the same moment, or none does.

The workers of a server share a folder. Each pinned model that was ever taken in has a number there; a mapped file of
eight bytes holds the number that is served, and each request reads it. Who reloads loads the candidate, checks it,
writes it to the folder, and waits until every worker has loaded it too; then it writes the number.
"""

import ctypes
import fcntl
import logging
import mmap
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from fraud.errors import Problem
from fraud.outputs import whole
from fraud.scoring import Model
from serve.payload import Reader
from serve.pin import Pin
from serve.workers import Workers

VOTE_WITHIN = 20.0  # Seconds that a reload waits for the other workers.
PAUSE = 0.1  # Seconds between two looks at the folder.
WANTED = "wanted"  # A file by which the main process asks one of the workers to reload.
NUMBER = struct.Struct("<q")
Count = Callable[[str], None]  # Of reloads that a signal asked for, by result.
Bring = Callable[[], tuple[Pin, bytes]]
logger = logging.getLogger("fraud.serve")


class Served(NamedTuple):
    """A model that was checked and has scored a row."""

    number: int
    model: Model
    reader: Reader
    pin: Pin
    since: float  # Seconds since 1970, when the first worker had it.


class Vote(msgspec.Struct):
    """What a worker says of the newest candidate."""

    number: int
    problem: str | None = None


class Models:
    """The models that this worker has loaded, of which one is served."""

    def __init__(self, run: Path, workers: Workers, bring: Bring, max_rows: int, count: Count) -> None:
        """Load what the other workers serve, or, as the first, what dvc.lock pins."""
        self._run, self._workers, self._bring, self._max_rows, self._count = run, workers, bring, max_rows, count
        self._loaded: dict[int, Served] = {}
        for name in "models", "votes":
            (run / name).mkdir(exist_ok=True)
        with self._alone():
            path = run / "serving"
            if not path.exists():
                path.write_bytes(NUMBER.pack(0))
            with path.open("r+b") as file:
                self._number = mmap.mmap(file.fileno(), NUMBER.size)
            if not self._serving():
                self._commit(self._take_in())
            self._vote(self.current().number)
        threading.Thread(target=self._watch, name="models", daemon=True).start()

    def current(self) -> Served:
        """Return the model that is served at this moment."""
        number = self._serving()
        return self._loaded.get(number) or self._load(number)

    def reload(self) -> Served:
        """Serve in all workers what dvc.lock pins now; on a problem nothing changes."""
        with self._alone():
            number = self._take_in()
            try:
                self._wait_for(number)
            except Problem:
                self._loaded.pop(number, None)
                raise
            finally:
                (self._run / "candidate").unlink(missing_ok=True)
            self._commit(number)
            self._forget(number)
        return self.current()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._run / "reload.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _serving(self) -> int:
        return NUMBER.unpack_from(self._number)[0]

    def _commit(self, number: int) -> None:
        NUMBER.pack_into(self._number, 0, number)

    def _take_in(self) -> int:
        """Load and check what dvc.lock pins, and put it into the folder under a new number."""
        pin, content = self._bring()
        number = 1 + max((int(path.stem) for path in (self._run / "models").glob("*.onnx")), default=0)
        before = self._loaded.get(self._serving())
        since = before.since if before and before.pin.md5 == pin.md5 else time.time()
        served = self._checked(number, content, pin, since)
        with whole(self._run / f"models/{number}.json") as draft:
            draft.write_bytes(msgspec.json.encode((pin, served.since)))
        with whole(self._run / f"models/{number}.onnx") as draft:
            draft.write_bytes(content)
        self._loaded[number] = served
        return number

    def _forget(self, number: int) -> None:
        """Remove the models before a number from the folder; the last of them may still be asked for."""
        for path in (self._run / "models").glob("[0-9]*"):
            if int(path.stem) < number - 1:
                path.unlink()

    def _load(self, number: int) -> Served:
        """Load a model from the folder."""
        path = self._run / f"models/{number}.onnx"
        pin, since = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=tuple[Pin, float])
        self._loaded[number] = self._checked(number, path.read_bytes(), pin, since)
        return self._loaded[number]

    def _wait_for(self, number: int) -> None:
        """Ask the other workers to load a candidate, and return when all that live have done so."""
        with whole(self._run / "candidate") as draft:
            draft.write_text(str(number))
        self._vote(number)
        end = time.monotonic() + VOTE_WITHIN
        while waiting := {name for name, vote in self.votes().items() if vote.number != number}:
            if time.monotonic() > end:
                raise Problem(f"{len(waiting)} workers did not load the model within {VOTE_WITHIN:g} s; try again")
            time.sleep(PAUSE / 10)
        for name, vote in self.votes().items():
            if vote.problem:
                raise Problem(f"worker {name.partition('-')[0]}: {vote.problem}")

    def votes(self) -> dict[str, Vote]:
        """Return what each living worker said last; one that is still starting has said nothing."""
        found = {}
        alive = self._workers.alive()
        for path in (self._run / "votes").glob("[!.]*.json"):
            if path.stem in alive:
                found[path.stem] = msgspec.json.decode(path.read_bytes(), type=Vote)
            else:
                path.unlink(missing_ok=True)
        return found

    def _vote(self, number: int, problem: str | None = None) -> None:
        with whole(self._run / f"votes/{self._workers.name}.json") as draft:
            draft.write_bytes(msgspec.json.encode(Vote(number, problem)))

    def _watch(self) -> None:
        """Load candidates of other workers, do what a signal to the main process asks for, forget old models."""
        voted = 0
        while True:
            time.sleep(PAUSE)
            try:
                voted = self._follow(voted)
            except Exception:
                logger.exception("the worker could not follow a reload")

    def _follow(self, voted: int) -> int:
        if _taken(self._run / WANTED):
            self._reload_as_asked()
        number = self._candidate()
        if number and number not in (voted, *self._loaded):
            try:
                self._load(number)
                self._vote(number)
            except Problem as problem:
                self._vote(number, str(problem))
            return number
        if not number:
            self._let_go([old for old in self._loaded if old < self._serving()])
        return voted

    def _let_go(self, numbers: list[int]) -> None:
        for number in numbers:
            del self._loaded[number]
        if numbers:
            _give_back()

    def _reload_as_asked(self) -> None:
        before = self.current().pin.md5
        try:
            md5 = self.reload().pin.md5
            logger.info("reloaded %s", md5)
            self._count("changed" if md5 != before else "unchanged")
        except Problem as problem:
            logger.error("the model stays as it is: %s", problem)
            self._count("refused")

    def _candidate(self) -> int:
        try:
            return int((self._run / "candidate").read_text())
        except FileNotFoundError:
            return 0

    def _checked(self, number: int, content: bytes, pin: Pin, since: float) -> Served:
        """Return a model that has scored a row, so that the first request finds it warm."""
        model = loaded(content, pin.path)
        _give_back()
        if not np.isfinite(model.probabilities(np.zeros((2, len(model.contract.features))))).all():
            raise Problem(f"{pin.path}: answers no probability for a row of zeros; make it with `make repro`")
        return Served(number, model, Reader(model.contract.schema, self._max_rows), pin, since)


def loaded(content: bytes, path: str) -> Model:
    """Return the model in the bytes of the file at `path`, which dvc.lock pins."""
    try:
        return Model(content)
    except Problem as problem:
        remedy = "`git revert` the commit that made it so, or `make repro` and commit dvc.lock"
        raise Problem(f"{path}: {problem}; dvc.lock pins just these bytes: {remedy}") from None


def _give_back() -> None:
    """Return to the system what loading took and no longer needs: two thirds, which glibc would keep."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _taken(path: Path) -> bool:
    """Remove a file, and say whether it was there; of several processes one gets it."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
