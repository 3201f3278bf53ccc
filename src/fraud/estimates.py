"""How well the model does where no labels are known yet: what its own calibrated probabilities promise, with a band.

A payment with probability p counts as p of a fraud and 1 - p of a legitimate one, so that every metric has an expected
value. The band holds three things: which payments came, which of them turn out to be fraud, and how exactly the
calibration is known, from so many frauds. It does not hold a change of what fraud looks like: that the scores cannot
know, and a realised value outside the band shows it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud.cost import Cost
from fraud.features import Values
from fraud.metrics import Scored, decisions, ranking, rounded, scored

METRICS = ("average_precision", "precision", "recall", "alerts_per_1000", "saved_per_1000")
CHUNK = 20  # Samples in memory at a time.


class Payments(NamedTuple):
    """Scored payments: the probability of fraud, what is lost if it is one, and the model's threshold."""

    probability: Values
    at_stake: Values
    threshold: float


class Draws(NamedTuple):
    """How the band is drawn: so many samples, from this seed, with a calibration that saw so many frauds."""

    samples: int
    seed: int
    frauds: int


def expected(payments: Payments, cost: Cost, draws: Draws) -> dict[str, list[float | None]]:
    """Return each metric's expected value and the two ends of its 95 % band."""
    sure = (payments.probability, 1 - payments.probability)
    values = _measured(payments, cost, np.concatenate(sure)[None, :])
    rng, found = np.random.default_rng(draws.seed), []
    for start in range(0, draws.samples, CHUNK):
        count = min(CHUNK, draws.samples - start)
        found.append(_measured(payments, cost, np.stack([_drawn(rng, payments, draws.frauds) for _ in range(count)])))
    return {name: [rounded(values[name][0]), *_band([part[name] for part in found])] for name in METRICS}


def realised(payments: Payments, labels: NDArray[np.int64], cost: Cost) -> dict[str, float | None]:
    """Return each metric as the labels have it."""
    rows = scored(payments.probability, labels, payments.at_stake * labels, payments.threshold, cost)
    values = _measure(rows, np.ones((1, len(labels))))
    return {name: rounded(values[name][0]) for name in METRICS}


def _measured(payments: Payments, cost: Cost, weights: Values) -> dict[str, Values]:
    """Return each metric of payments that are there twice, once as fraud and once as legitimate, with these weights."""
    rows = len(payments.probability)
    twice, fraud = np.tile(payments.probability, 2), np.repeat([1, 0], rows)
    lost = np.concatenate([payments.at_stake, np.zeros(rows)])
    order = np.argsort(-twice, kind="stable")
    return _measure(scored(twice, fraud, lost, payments.threshold, cost), weights[:, order])


def _measure(rows: Scored, weights: Values) -> dict[str, Values]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return ranking(rows, weights) | decisions(rows, weights)


def _drawn(rng: np.random.Generator, payments: Payments, frauds: int) -> Values:
    """Return the weights of one sample: payments drawn again, each fraud or not, from shifted odds."""
    shift = np.exp(rng.normal(0, 1 / np.sqrt(max(1, frauds))))
    probability = payments.probability * shift / (1 - payments.probability + payments.probability * shift)
    rows = len(probability)
    count = np.bincount(rng.integers(0, rows, rows), minlength=rows)
    frauds_drawn = rng.binomial(count, probability)
    return np.concatenate([frauds_drawn, count - frauds_drawn]).astype(float)


def _band(parts: list[Values]) -> list[float | None]:
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    return [rounded(end) for end in np.quantile(values, [0.025, 0.975])] if len(values) else [None, None]
