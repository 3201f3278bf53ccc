"""Score payments, and answer only what the log holds."""

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from fraud.features import Matrix, Values
from fraud.scoring import Model
from serve.journal.log import Log, Unlogged
from serve.journal.tables import Row, new_ids, timestamp
from serve.measures.metrics import Metrics
from serve.model import Served
from serve.payload import Checked, text
from serve.problems import Refusal
from serve.reasons import Reason

MANY = 1_000  # Rows from which on a second core is worth asking.
HELPERS = ThreadPoolExecutor(2, "score")


class Answer(msgspec.Struct, omit_defaults=True):
    """What the caller gets for one payment."""

    id: str
    fraud_probability: float
    is_fraud: bool
    threshold: float
    model: str | UnsetType = UNSET
    transaction_id: str | None = None
    reasons: list[Reason] | UnsetType = UNSET


class Scoring(NamedTuple):
    """What answers are made with, and where they are kept."""

    served: Served
    threshold: float
    log: Log
    metrics: Metrics
    allow_unlogged: bool

    def answers(self, checked: Checked, started: float) -> list[Answer]:
        """Return an answer to each payment once all are in the log; a known transaction_id gets its first answer."""
        coming = _begin(self.served.model, checked.features)
        marked = list(zip(map(text, checked.payments), fingerprints(checked.features), strict=True))
        rows = self._rows(checked.transaction_ids, marked, coming(), started)
        stand = self._logged(rows)
        if rows:
            new = [row for row, first in zip(rows, stand, strict=True) if row.id == first.id]
            self._count(new, len(rows), started)
        return [
            Answer(row.id, row.probability, bool(row.label), row.threshold, row.model, row.transaction_id)
            for row in stand
        ]

    def _count(self, new: list[Row], payments: int, started: float) -> None:
        """Count a request, and what is new in the log: a prediction that is answered again is no other one."""
        probabilities = np.array([row.probability for row in new])
        self.metrics.answered(probabilities, sum(row.label for row in new), time.perf_counter() - started, payments)

    def _rows(
        self, names: list[str | None], marked: list[tuple[str, int]], probabilities: Values, started: float
    ) -> list[Row]:
        model, threshold = self.served.pin.md5, self.threshold
        now = timestamp()
        latency = 1000 * (time.perf_counter() - started)
        each = zip(new_ids(len(names)), names, probabilities.tolist(), marked, strict=True)
        return [
            Row(now, id_, name, model, threshold, probability, int(probability >= threshold), features, mark, latency)
            for id_, name, probability, (features, mark) in each
        ]

    def _logged(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows that stand in the log; other features under a known transaction_id are refused."""
        if len(rows) > 1:  # Before any of them is written; for one row alone, afterwards is as good.
            self._refuse_conflicts(rows)
        try:
            stand = self.log.add(rows)
        except Unlogged as problem:
            if self.allow_unlogged:
                return rows
            raise Refusal(503, f"no answer, as there is {problem}", {"Retry-After": "5"}) from None
        for row, first in zip(rows, stand, strict=True):
            if row.fingerprint != first.fingerprint:
                raise _conflict(row)
        return stand

    def _refuse_conflicts(self, rows: Sequence[Row]) -> None:
        named = [row for row in rows if row.transaction_id is not None]
        known = self.log.queries.known([row.transaction_id for row in named if row.transaction_id]) if named else {}
        for row in named:
            if row.fingerprint != known.setdefault(str(row.transaction_id), row.fingerprint):
                raise _conflict(row)


def _conflict(row: Row) -> Refusal:
    detail = f"transaction_id '{row.transaction_id}' came with other features before; give each payment one of its own"
    return Refusal(409, detail, field="transaction_id")


def _begin(model: Model, features: Matrix) -> Callable[[], Values]:
    """Begin to score, many rows in two threads beside this one, and return what waits for the probabilities."""
    if len(features) < MANY:
        probabilities = model.probabilities(features)
        return lambda: probabilities
    parts = [HELPERS.submit(model.probabilities, part) for part in np.array_split(features, 2)]
    return lambda: np.concatenate([part.result() for part in parts])


def fingerprints(features: Matrix) -> list[int]:
    """Return a number for each row that rows with other features do not have."""
    content, width = features.tobytes(), 8 * features.shape[1]
    digests = (
        hashlib.blake2b(content[start : start + width], digest_size=8).digest()
        for start in range(0, len(content), width)
    )
    return [int.from_bytes(digest, "big", signed=True) for digest in digests]
