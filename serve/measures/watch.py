"""What the log says of the last days: how many frauds were answered, how right that was, whether the traffic drifts."""

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from fraud.drift_rule import Rule
from serve.journal.queries import Outcomes, Queries
from serve.journal.reach import Away
from serve.journal.tables import Row, timestamp
from serve.measures.monitor import Drift, drift, rows
from serve.model import Models

RATE_WINDOW = timedelta(hours=1)
LABELLED = 10_000  # Newest labelled predictions that quality is measured on.
SAMPLED = 5_000  # Rows that drift is measured on, spread evenly over its window.
FRESH = 1.0  # Seconds for which an answer is good.


class Seen(NamedTuple):
    """What was seen at one moment."""

    answers: int
    frauds: int
    outcomes: Outcomes
    drift: Drift | None  # None where dvc.lock names no rule.
    window: float  # Seconds from the oldest row that drift looked at; in less than a week days and hours do not mix.
    disputed: int = 0  # Answers with labels that contradict each other.

    @property
    def fraud_rate(self) -> float | None:
        """The share of answers that said fraud."""
        return self.frauds / self.answers if self.answers else None

    @property
    def quality(self) -> dict[str, float | None]:
        """Accuracy, precision and recall; None where nothing that they divide by is known."""
        true, false, legitimate, missed = self.outcomes
        parts = {
            "accuracy": (true + legitimate, sum(self.outcomes)),
            "precision": (true, true + false),
            "recall": (true, true + missed),
        }
        return {name: hits / total if total else None for name, (hits, total) in parts.items()}


class Watch:
    """Looks at the log when asked, and at most once a second; while the log is away, what was seen last holds."""

    def __init__(self, queries: Queries, models: Models, days: float) -> None:
        """Look at nothing yet."""
        self._queries, self._models, self._days = queries, models, days
        self._guard = threading.Lock()
        self._seen = Seen(0, 0, Outcomes(), None, 0.0)
        self._when = -FRESH

    def now(self) -> Seen:
        """Return what the log says."""
        with self._guard:
            if time.monotonic() - self._when >= FRESH:
                with suppress(Away):
                    self._seen = self._look()
                self._when = time.monotonic()
            return self._seen

    def _look(self) -> Seen:
        answers, frauds = self._queries.rate(timestamp(RATE_WINDOW))
        window = self._queries.sample(timestamp(timedelta(days=self._days)), SAMPLED)
        since = datetime.fromisoformat(f"{window[0].ts}+00:00") if window else datetime.now(UTC)
        seconds = (datetime.now(UTC) - since).total_seconds()
        outcomes, disputed = self._queries.outcomes(LABELLED), self._queries.disputed(LABELLED)
        return Seen(answers, frauds, outcomes, self._drift(window), seconds, disputed)

    def _drift(self, window: list[Row]) -> Drift | None:
        served = self._models.current()
        if served.pin.drift is None:
            return None
        rule = msgspec.convert(served.pin.drift, Rule)
        return drift(rows((row.features for row in window), served.model.contract), served.model.contract, rule)
