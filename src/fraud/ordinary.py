"""What an ordinary week looks like: how far weeks stray from each other beyond the noise of sampling, learnt from few.

Each past week is compared with the week before it, check by check (a check is a feature, the score, ...). Under
sampling noise alone the z of such a pair is standard normal in size; weeks that stray by a Gaussian step of strength s
(in z per root of rows) widen its variance to 1 + s² times `scale`. Few pairs cannot tell s, so no single s is fitted:
each check keeps a distribution over a grid of them, and checks lend each other strength, as the starting distribution
is itself learnt from all of them (empirical Bayes). The chance of a new week's z is averaged over that distribution,
so that what few weeks leave open makes the rule more cautious, never less.

DECISIONS.md says how the constants were chosen, and `make bench-drift` measures what they do.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fraud.features import Values

STRENGTHS = np.concatenate([[0.0], np.geomspace(0.004, 1.0, 25)])
START = np.concatenate([[0.25], np.full(25, 0.75 / 25)])  # Before any week was seen.
STUBBORNNESS = 5.0  # So many imagined checks say what START says.
INDEPENDENT = 0.6  # Neighbouring pairs share a week, so that n of them tell less than n.
UNUSUAL = 0.02  # Of the past pairs, such as those across a lasting change, tell nothing of ordinary weeks.


class Pair(NamedTuple):
    """Two samples of a check compared: their `z`, and what s² is multiplied with in its variance."""

    z: float
    scale: float


def learn(history: Sequence[Sequence[Pair]]) -> Values:
    """Return, a row a check, how likely each of STRENGTHS is after the past pairs of that check and of all others."""
    likelihood = np.exp([_log_likelihood(pairs) for pairs in history])
    start = START
    for _ in range(100):
        likely = _rows_to_one(likelihood * start)
        start = (likely.sum(axis=0) + STUBBORNNESS * START) / (len(history) + STUBBORNNESS)
    return _rows_to_one(likelihood * start)


def chance(likely: Values, pair: Pair) -> float:
    """Return how probable a z of this size or more is in an ordinary week, for a check of which `likely` is known."""
    widths = np.sqrt(1 + STRENGTHS**2 * pair.scale)
    return float(likely @ [math.erfc(pair.z / width / math.sqrt(2)) for width in widths])


def limit(likely: Values, scale: float, probability: float) -> float:
    """Return the z that an ordinary week exceeds with this probability."""
    low, high = 0.0, 1.0
    while chance(likely, Pair(high, scale)) > probability:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(likely, Pair(middle, scale)) > probability else (low, middle)
    return high


def _log_likelihood(pairs: Sequence[Pair]) -> Values:
    """Return the logarithm of the likelihood of the pairs under each strength, the highest being 0."""
    total = np.zeros(len(STRENGTHS))
    for z, scale in pairs:
        usual = math.log(1 - UNUSUAL) + _log_density(z, 1 + STRENGTHS**2 * scale)
        unusual = math.log(UNUSUAL) + _log_density(z, np.array([1 + scale]))
        total += INDEPENDENT * np.logaddexp(usual, unusual)
    return total - total.max()


def _log_density(z: float, variance: Values) -> Values:
    return -z * z / (2 * variance) - np.log(variance) / 2


def _rows_to_one(values: Values) -> Values:
    return values / values.sum(axis=1, keepdims=True)
