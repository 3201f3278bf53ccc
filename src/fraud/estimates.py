"""How well the model does where no labels are known yet: what its calibrated probabilities promise, with a band.

A payment with probability p counts as p of a fraud and 1 - p of a legitimate one, so that every metric has an expected
value. The probabilities are first held against labelled weeks that the model was not trained on (`trust`). The band
holds two things: which of these payments turn out to be fraud, and how exactly those labelled weeks tell what a
probability means. It does not hold a change of what fraud looks like: that the scores cannot know, and a
realised value outside the band shows it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud.calibration import log_odds, logistic_curves
from fraud.cost import Cost
from fraud.features import Values
from fraud.metrics import Scored, decisions, ranking, rounded, scored

METRICS = ("average_precision", "precision", "recall", "alerts_per_1000", "saved_per_1000")
OF_FRAUDS = ("average_precision", "precision", "recall")  # ... which hang on how many frauds there are.
CHUNK = 20  # Samples in memory at a time.
STEP = 0.02  # Rows whose log-odds differ less share a place when `trust` fits.
FEWEST = 20  # Frauds, below which labelled weeks do not tell what a probability means.
SLOPE = 2.0  # A slope is known less surely than an intercept: other training rows moved it by so much.
FEW_EXPECTED = 5  # Frauds, below which what hangs on them has no value.
MARGIN = 1e-12  # So that log-odds are finite at 0 and 1.


class Payments(NamedTuple):
    """Scored payments: the probability of fraud, what is lost if it is one, and the model's threshold."""

    probability: Values
    at_stake: Values
    threshold: float


class Trust(NamedTuple):
    """What probabilities mean: log-odds times slope plus intercept; the first of each is the best guess, then draws."""

    slopes: Values
    intercepts: Values

    def meant(self, probability: Values, place: int) -> Values:
        """Return what the probabilities mean by the best guess (place 0) or by a draw."""
        x = self.slopes[place] * log_odds(probability, MARGIN) + self.intercepts[place]
        return 1 / (1 + np.exp(-x))


def at_their_word(frauds: int, samples: int, seed: int) -> Trust:
    """Return the trust in probabilities of which is only known that so many frauds stood behind their calibration."""
    slopes, shifts = np.random.default_rng(seed).normal(0, 1 / np.sqrt(max(1, frauds)), (2, samples))
    return Trust(np.insert(1 + SLOPE * slopes, 0, 1.0), np.insert(shifts, 0, 0.0))


def trust(probability: Values, labels: NDArray[np.int64], samples: int, seed: int) -> Trust:
    """Return what probabilities meant on labelled rows that the model was not trained on."""
    frauds = int(labels.sum())
    if min(frauds, len(labels) - frauds) < FEWEST:
        return at_their_word(frauds, samples, seed)
    places = np.round(log_odds(probability, MARGIN) / STEP)
    centres, inverse = np.unique(places, return_inverse=True)
    hits, misses = (np.bincount(inverse, weights=labels == value, minlength=len(centres)) for value in (1, 0))
    rng = np.random.default_rng(seed)
    drawn = [np.vstack([counts, rng.poisson(counts, (samples, len(counts)))]) for counts in (hits, misses)]
    slopes, intercepts = logistic_curves(centres * STEP, drawn[0], drawn[0] + drawn[1])
    lost = ~np.isfinite(slopes + intercepts)  # Frauds and others do not overlap, so that no curve is the likeliest.
    return Trust(np.where(lost, 1.0, slopes), np.where(lost, 0.0, intercepts))


def expected(payments: Payments, cost: Cost, believed: Trust, seed: int) -> dict[str, list[float | None]]:
    """Return each metric's expected value and the two ends of its 95 % band."""
    best = believed.meant(payments.probability, 0)
    values = _measured(payments, cost, np.concatenate([best, 1 - best])[None, :])
    rng, samples, parts = np.random.default_rng(seed), len(believed.slopes) - 1, []
    for start in range(1, samples + 1, CHUNK):
        places = range(start, min(start + CHUNK, samples + 1))
        parts.append(_measured(payments, cost, np.stack([_drawn(rng, payments, believed, one) for one in places])))
    found = {name: [rounded(values[name][0]), *_band([part[name] for part in parts])] for name in METRICS}
    unknown: list[float | None] = [None, None, None]
    return found if best.sum() >= FEW_EXPECTED else found | dict.fromkeys(OF_FRAUDS, unknown)


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


def _drawn(rng: np.random.Generator, payments: Payments, believed: Trust, place: int) -> Values:
    """Return the weights of one sample: each payment fraud or not."""
    fraud = rng.random(len(payments.probability)) < believed.meant(payments.probability, place)
    return np.concatenate([fraud, ~fraud]).astype(float)


def _band(parts: list[Values]) -> list[float | None]:
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    return [rounded(end) for end in np.quantile(values, [0.025, 0.975])] if len(values) else [None, None]
