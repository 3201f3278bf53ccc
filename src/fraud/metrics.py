"""How well probabilities and decisions do, with bootstrap intervals, and the points of the plots.

Rows are put in order of their probability once. A bootstrap sample is then a weight a row, and every metric is a sum
over weighted rows, so that nothing is sorted again.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud.cost import Cost
from fraud.features import Values

BIN_EDGES = np.array([0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])  # Calibration bins start here.
FALSE_POSITIVES = 0.01  # ... of the legitimate rows, at which recall_at_1pct is read.
CELLS = 4_000_000  # Weights in memory at a time: 32 MB an array.


class Scored(NamedTuple):
    """Rows from the highest probability to the lowest."""

    probability: Values
    fraud: NDArray[np.int64]
    lost: Values
    threshold: float
    cost: Cost

    @property
    def ends(self) -> NDArray[np.int64]:
        """The last row of each run of equal probabilities: between them no threshold can cut."""
        return np.flatnonzero(np.diff(self.probability, append=-1.0))

    @property
    def alerts(self) -> int:
        """How many rows get an alert; they are the first."""
        return int((self.probability >= self.threshold).sum())


def scored(probabilities: Values, labels: NDArray[np.int64], lost: Values, threshold: float, cost: Cost) -> Scored:
    """Return the rows in order."""
    order = np.argsort(-probabilities, kind="stable")
    return Scored(probabilities[order], labels[order], lost[order], threshold, cost)


def measure(rows: Scored, weights: Values) -> dict[str, Values]:
    """Return each metric for each row of `weights`: NaN where it is not defined, without a fraud for instance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _ranking(rows, weights) | _decisions(rows, weights) | _calibration(rows, weights)


def _ranking(rows: Scored, weights: Values) -> dict[str, Values]:
    caught = np.cumsum(weights * rows.fraud, axis=1)[:, rows.ends]
    passed = np.cumsum(weights * (1 - rows.fraud), axis=1)[:, rows.ends]
    recall, false = caught / caught[:, -1:], passed / passed[:, -1:]
    precision = np.where(caught + passed > 0, caught / (caught + passed), 0)
    steps = np.diff(recall, axis=1, prepend=0)
    heights = (recall + np.hstack([np.zeros((len(recall), 1)), recall[:, :-1]])) / 2
    return {
        "average_precision": (steps * precision).sum(axis=1),
        "roc_auc": (np.diff(false, axis=1, prepend=0) * heights).sum(axis=1),
        "recall_at_1pct": np.where(false <= FALSE_POSITIVES, recall, 0).max(axis=1) + 0 * recall[:, -1],
    }


def _decisions(rows: Scored, weights: Values) -> dict[str, Values]:
    total, frauds = weights.sum(axis=1), (weights * rows.fraud).sum(axis=1)
    alerts = weights[:, : rows.alerts].sum(axis=1)
    caught = (weights * rows.fraud)[:, : rows.alerts].sum(axis=1)
    prevented = (weights * rows.lost)[:, : rows.alerts].sum(axis=1)
    return {
        "precision": caught / alerts,
        "recall": caught / frauds,
        "alerts_per_1000": 1000 * alerts / total,
        "saved_per_1000": 1000 * (prevented - rows.cost.alert * alerts) / total,
    }


def _calibration(rows: Scored, weights: Values) -> dict[str, Values]:
    total = weights.sum(axis=1)
    starts = bin_starts(rows)
    gaps = np.add.reduceat(weights * (rows.probability - rows.fraud), starts, axis=1)
    return {
        "brier": (weights * (rows.probability - rows.fraud) ** 2).sum(axis=1) / total,
        "calibration_error": np.abs(gaps).sum(axis=1) / total,
    }


def bin_starts(rows: Scored) -> NDArray[np.int64]:
    """Return where each calibration bin that has rows starts."""
    bins = np.searchsorted(BIN_EDGES, rows.probability, side="right")
    return np.flatnonzero(np.diff(bins, prepend=-1))


def intervals(rows: Scored, samples: int, seed: int) -> dict[str, list[float | None]]:
    """Return the 95 % bootstrap interval of each metric, from resampled rows."""
    parts = [measure(rows, weights) for weights in _resampled(len(rows.fraud), samples, seed)]
    found: dict[str, list[float | None]] = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        values = values[np.isfinite(values)]
        found[name] = [rounded(value) for value in np.quantile(values, [0.025, 0.975])] if len(values) else [None, None]
    return found


def _resampled(rows: int, samples: int, seed: int) -> Iterator[Values]:
    rng = np.random.default_rng(seed)
    chunk = max(1, CELLS // rows)
    for start in range(0, samples, chunk):
        count = min(chunk, samples - start)
        yield np.stack([np.bincount(rng.integers(0, rows, rows), minlength=rows) for _ in range(count)]).astype(float)


def report(rows: Scored, samples: int, seed: int) -> dict[str, Any]:
    """Return each metric, its interval, and how many rows and frauds stand behind it."""
    values = {name: rounded(value[0]) for name, value in measure(rows, np.ones((1, len(rows.fraud)))).items()}
    bounds = {f"{name}_interval": bounds for name, bounds in intervals(rows, samples, seed).items()}
    counts = {"rows": len(rows.fraud), "frauds": int(rows.fraud.sum()), "threshold": rounded(rows.threshold)}
    return values | bounds | counts


def rounded(value: float) -> float | None:
    """Return `value` to six decimals, on which every processor agrees, or None where it is not defined."""
    return round(float(value), 6) if np.isfinite(value) else None
