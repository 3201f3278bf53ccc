"""How well probabilities and decisions do, with bootstrap intervals, and the points of the plots.

Rows are put in order of their probability once. A bootstrap sample is then a weight a row, and every metric is a sum
over weighted rows, so that nothing is sorted again.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud.calibration import log_odds, logistic_curves
from fraud.cost import Cost
from fraud.days import Days
from fraud.features import Values

BIN_EDGES = np.array([0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])  # Calibration bins start here.
FALSE_POSITIVES = 0.01  # ... of the legitimate rows, at which recall_at_1pct is read.
CELLS = 4_000_000  # Weights in memory at a time: 32 MB an array.
GRID = 0.01  # Rows whose log-odds differ less share a place when the calibration slope is fitted.


NOWHERE = np.empty(0, dtype=np.int64)


class Scored(NamedTuple):
    """Rows from the highest probability to the lowest."""

    probability: Values
    fraud: NDArray[np.int64]
    lost: Values
    threshold: float
    cost: Cost
    places: NDArray[np.int64] = NOWHERE  # Where each row was before.
    raw: Values | None = None  # The scores before calibration.
    days: Days | None = None  # When each row was there to be reviewed.

    @property
    def ends(self) -> NDArray[np.int64]:
        """The last row of each run of equal probabilities: between them no threshold can cut."""
        return np.flatnonzero(np.diff(self.probability, append=-1.0))

    @property
    def alerts(self) -> int:
        """How many rows get an alert; they are the first."""
        return int((self.probability >= self.threshold).sum())


Measure = Callable[[Scored, Values], dict[str, Values]]


def scored(probabilities: Values, labels: NDArray[np.int64], lost: Values, threshold: float, cost: Cost) -> Scored:
    """Return the rows in order."""
    order = np.argsort(-probabilities, kind="stable")
    return Scored(probabilities[order], labels[order], lost[order], threshold, cost, order)


def measure(rows: Scored, weights: Values) -> dict[str, Values]:
    """Return each metric for each row of `weights`: NaN where it is not defined, without a fraud for instance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = ranking(rows, weights) | decisions(rows, weights) | _calibration(rows, weights)
        return found | _before_calibration(rows, weights) | _capacity(rows, weights)


def ranking(rows: Scored, weights: Values) -> dict[str, Values]:
    """Return the metrics that hang on the order of the rows only; they change where a run of equals holds frauds."""
    ends, frauds = rows.ends, np.cumsum(rows.fraud)[rows.ends]
    runs = np.flatnonzero(np.diff(frauds, prepend=0))
    if not len(runs):
        return dict.fromkeys(("average_precision", "roc_auc", "recall_at_1pct"), np.full(len(weights), np.nan))
    above = np.cumsum(weights, axis=1)
    caught = np.cumsum(weights[:, rows.fraud == 1], axis=1)[:, frauds[runs] - 1]
    passed = above[:, ends[runs]] - caught
    first = np.append(0, ends + 1)[runs]
    passed_before = above[:, first] - weights[:, first] - np.hstack([np.zeros((len(caught), 1)), caught[:, :-1]])
    others = above[:, -1:] - caught[:, -1:]
    recall, precision = caught / caught[:, -1:], np.where(caught + passed > 0, caught / (caught + passed), 0)
    steps = np.diff(recall, axis=1, prepend=0)
    return {
        "average_precision": (steps * precision).sum(axis=1),
        "roc_auc": (steps * (1 - (passed + passed_before) / (2 * others))).sum(axis=1),
        "recall_at_1pct": np.where(passed <= FALSE_POSITIVES * others, recall, 0).max(axis=1) + 0 * recall[:, -1],
    }


def decisions(rows: Scored, weights: Values) -> dict[str, Values]:
    """Return the metrics that hang on the threshold."""
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
    """Return how far to trust the probabilities.

    The interval of `calibration_error` lies too high: noise in a bin adds to an absolute value and never cancels out.
    """
    total, frauds = weights.sum(axis=1), (weights * rows.fraud).sum(axis=1)
    starts = bin_starts(rows)
    gaps = np.add.reduceat(weights * (rows.probability - rows.fraud), starts, axis=1)
    brier = (weights * (rows.probability - rows.fraud) ** 2).sum(axis=1) / total
    rate = frauds / total
    return {
        "brier": brier,
        "brier_skill": 1 - brier / (rate * (1 - rate)),
        "calibration_error": np.abs(gaps).sum(axis=1) / total,
        "calibration_slope": _slope(rows, weights),
        "predicted_to_observed": (weights * rows.probability).sum(axis=1) / frauds,
    }


def _slope(rows: Scored, weights: Values) -> Values:
    """Return the slope of a logistic curve of the label over the log-odds; below 1 the probabilities are too bold."""
    x = log_odds(rows.probability, 1e-12)  # So that it is finite at 0 and 1.
    starts = np.flatnonzero(np.diff(np.floor(x / GRID), prepend=np.inf))
    centres = np.add.reduceat(x, starts) / np.diff(starts, append=len(x))
    frauds, others = (np.add.reduceat(weights * part, starts, axis=1) for part in (rows.fraud, 1 - rows.fraud))
    return np.where(_mixed(frauds, others), logistic_curves(centres, frauds, frauds + others)[0], np.nan)


def _mixed(frauds: Values, others: Values) -> NDArray[np.bool_]:
    """Return whether frauds and others overlap: the curve over places that part them is infinitely steep."""
    has_fraud, has_other = frauds > 0, others > 0
    last_fraud, last_other = (has.shape[1] - has[:, ::-1].argmax(axis=1) - 1 for has in (has_fraud, has_other))
    reach = (has_fraud.argmax(axis=1) < last_other) & (has_other.argmax(axis=1) < last_fraud)
    return has_fraud.any(axis=1) & has_other.any(axis=1) & reach


def _before_calibration(rows: Scored, weights: Values) -> dict[str, Values]:
    if rows.raw is None:
        return {}
    return {"brier_uncalibrated": (weights * (rows.raw - rows.fraud) ** 2).sum(axis=1) / weights.sum(axis=1)}


def _capacity(rows: Scored, weights: Values) -> dict[str, Values]:
    """Return what a team that reviews the payments with the highest probabilities, so many a day, finds."""
    if rows.days is None:
        return {}
    order = np.argsort(rows.days.period, kind="stable")  # Within a period the highest probability stays first.
    starts = np.flatnonzero(np.diff(rows.days.period[order], prepend=-1))
    ordered = weights[:, order]
    before = np.cumsum(ordered, axis=1) - ordered
    before -= np.repeat(before[:, starts], np.diff(starts, append=len(order)), axis=1)
    reviewed = np.clip(rows.cost.daily_capacity * rows.days.length - before, 0, ordered)
    caught = reviewed @ rows.fraud[order].astype(float)
    return {
        "alerts_per_day": weights[:, : rows.alerts].sum(axis=1) / (len(starts) * rows.days.length),
        "precision_at_capacity": caught / reviewed.sum(axis=1),
        "recall_within_capacity": caught / (weights @ rows.fraud.astype(float)),
    }


def bin_starts(rows: Scored) -> NDArray[np.int64]:
    """Return where each calibration bin that has rows starts."""
    bins = np.searchsorted(BIN_EDGES, rows.probability, side="right")
    return np.flatnonzero(np.diff(bins, prepend=-1))


def intervals(rows: Scored, samples: int, seed: int) -> dict[str, list[float | None]]:
    """Return the 95 % bootstrap interval of each metric, from resampled rows."""
    return {name: interval(values) for name, values in bootstrap(rows, samples, seed, measure).items()}


def bootstrap(rows: Scored, samples: int, seed: int, measured: Measure) -> dict[str, Values]:
    """Return each metric of each bootstrap sample."""
    parts = [measured(rows, weights) for weights in _resampled(len(rows.fraud), samples, seed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def interval(values: Values, outside: float = 0.05) -> list[float | None]:
    """Return the bounds beyond which the share `outside` of the samples lies, those not defined left out."""
    known = values[np.isfinite(values)]
    return [rounded(one) for one in np.quantile(known, [outside / 2, 1 - outside / 2])] if len(known) else [None, None]


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
