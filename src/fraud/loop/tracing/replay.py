"""Score logged features again with the very model that answered, and hold each answer against its row in the log."""

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from sqlalchemy import Connection

from fraud.errors import Problem
from fraud.features import Matrix, codes
from fraud.loop.storing.stored import content
from fraud.loop.tracing.answers import Answer, by, models
from fraud.loop.weeks import bounds
from fraud.scoring import Model

SHOWN = 10  # Differences that are kept of each model; all are counted.


class Difference(NamedTuple):
    """What one answer would be today."""

    id: str
    what: str  # probability, decision, threshold or features
    logged: object
    now: object


class Replay(NamedTuple):
    """How many answers of a model were scored again, in how many which thing differs, and the first of these."""

    model: str
    rows: int
    equal: int
    differ: dict[str, int]
    first: list[Difference]
    problem: str | None = None  # Why nothing was scored.


class Scorer:
    """A model that takes features as the log keeps them: a JSON object by name, numbers written so that they return."""

    def __init__(self, model: Model) -> None:
        """Make the decoder of its contract."""
        self.model = model
        columns = model.contract.schema.features
        kinds = [(str if column.type == "category" else float) | None for column in columns.values()]
        fields = [(f"f{place}", kind) for place, kind in enumerate(kinds)]
        names = {f"f{place}": name for place, name in enumerate(columns)}
        row: Any = msgspec.defstruct("Row", fields, rename=names)
        self._decoder = msgspec.json.Decoder(row)
        self._codes = [codes(column) for column in columns.values()]

    def row(self, features: str) -> tuple[float, ...]:
        """Return the numbers that the model sees; a text that does not fit raises KeyError or ValueError."""
        values = msgspec.structs.astuple(self._decoder.decode(features))
        return tuple(map(_number, values, self._codes))

    def matrix(self, rows: Sequence[tuple[float, ...]]) -> Matrix:
        """Return rows as the server hands them to the model: adding 0 takes the sign from zeros."""
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self._codes)) + 0.0


def bring(md5: str) -> Scorer:
    """Return the model with this md5; other bytes are never loaded."""
    try:
        return Scorer(Model(content(md5)))
    except Problem as problem:
        raise Problem(f"model {md5}: {problem}") from None


def threshold(model: Model) -> float:
    """Return from where on the server says fraud: its setting, or else the model's own."""
    given = os.environ.get("FRAUD_THRESHOLD", "").strip()
    try:
        return float(given) if given else model.contract.threshold
    except ValueError:
        raise Problem(f"FRAUD_THRESHOLD: found '{given}', expected a number from 0 to 1") from None


def _number(value: Any, code: dict[str, float]) -> float:
    if value is None:
        return math.nan
    return code[value] if code else value


def replay(scorer: Scorer, md5: str, parts: Iterable[list[Answer]]) -> Replay:
    """Return how the answers of one model compare; memory does not grow with their number."""
    rows, equal, differ, first = 0, 0, Counter[str](), list[Difference]()
    for answers in parts:
        found = differences(scorer, answers)
        rows += len(answers)
        equal += len(answers) - len({one.id for one in found})
        differ.update(one.what for one in found)
        first += found[: SHOWN - len(first)]
    return Replay(md5, rows, equal, dict(sorted(differ.items())), first)


def differences(scorer: Scorer, answers: Sequence[Answer]) -> list[Difference]:
    """Return what differs, probabilities to the last bit."""
    found, fitting, rows = [], [], []
    for answer in answers:
        try:
            rows.append(scorer.row(answer.features))
            fitting.append(answer)
        except (KeyError, ValueError) as error:
            found.append(Difference(answer.id, "features", answer.features, f"do not fit the model: {error}"))
    logged = np.array([answer.probability for answer in fitting], dtype=np.float64)
    now = scorer.model.probabilities(scorer.matrix(rows))
    limits = np.array([answer.threshold for answer in fitting], dtype=np.float64)
    says = np.array([answer.label for answer in fitting], dtype=np.int64)
    own = threshold(scorer.model)
    for what, unlike, was, is_ in (
        ("probability", logged.view(np.int64) != now.view(np.int64), logged, now),
        ("decision", says != (now >= limits), says.astype(bool), now >= limits),
        ("threshold", limits != own, limits, np.full(len(limits), own)),
    ):
        places = np.flatnonzero(unlike)
        found += [Difference(fitting[place].id, what, was[place].item(), is_[place].item()) for place in places]
    return found


def of_week(log: Connection, week: str) -> list[Replay]:
    """Return how each model's answers of an ISO week compare; a model that cannot be brought says why."""
    low, high = bounds(week)
    counts = models(log, low, high)
    return [_of_model(log, md5, (low, high), count) for md5, count in counts.items()]


def _of_model(log: Connection, md5: str, span: tuple[str, str], count: int) -> Replay:
    try:
        scorer = bring(md5)
    except Problem as problem:
        return Replay(md5, count, 0, {}, [], str(problem))
    return replay(scorer, md5, by(log, md5, *span))
