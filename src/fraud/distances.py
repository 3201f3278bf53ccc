"""How far two samples of one column lie apart, and how seldom sampling noise alone parts them so far.

Numbers: the two-sample Kolmogorov-Smirnov statistic, which is its own effect. Categories: the chi-square statistic of
the two-row table, and as effect the chi-square distance sqrt(sum((p - q)² / (p + q)) / 2) of the two shares. Effects
reach from 0, the same, to 1, wholly different, however many rows there are.
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from fraud.features import Values

FEWEST = 5  # Rows that a category should have in the smaller sample, for the chi-square law to hold.
CUTS = 8_192  # Values at which two distributions are compared first.
SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
NORMAL = NormalDist()


class Distance(NamedTuple):
    """Two samples compared; `z` is what a standard normal variable exceeds in size as seldom as noise does this."""

    statistic: float
    effect: float
    z: float
    size: float  # 1 / (1 / rows + 1 / rows), by which the variance of noise falls.
    needed: Callable[[float], float]  # The effect at which `z` would be so large.
    weeks: float = 0.0  # 1 / weeks + 1 / weeks, by which the variance between weeks falls.
    interval: tuple[float, float] | None = None  # Of the statistic, 95 %, where sampling noise is all there is.


def ks_statistic(reference: Values, current: Values) -> float:
    """Return the largest distance between the two empirical distributions, as scipy.stats.ks_2samp does.

    Both samples must be sorted. Between two current values the current distribution is flat, so that the distance
    peaks next to one of them. Both distributions grow, so that what they are at two values bounds their distance
    between these: first some values are looked at, then those where the distance may be larger.
    """
    cuts = np.unique(np.linspace(0, len(current) - 1, CUTS).astype(int))
    (below, below_current), (upto, upto_current) = _shares(reference, current, current[cuts])
    found = max(np.abs(below - below_current).max(), np.abs(upto - upto_current).max())
    bounds = np.maximum(upto[1:] - below_current[:-1], upto_current[1:] - below[:-1])
    points = current[:-1][np.repeat(bounds > found, np.diff(cuts))]
    if len(points):
        found = max(found, *(np.abs(one - other).max() for one, other in _shares(reference, current, points)))
    return float(found)


def _shares(reference: Values, current: Values, points: Values) -> list[tuple[Values, Values]]:
    """Return the share of each sample below the points, and up to them."""
    return [
        (
            np.searchsorted(reference, points, side=side) / len(reference),
            np.searchsorted(current, points, side=side) / len(current),
        )
        for side in SIDES
    ]


def numbers(statistic: float, rows: tuple[float, float]) -> Distance:
    """Return the distance of two samples of numbers, of so many rows, by their Kolmogorov-Smirnov statistic."""
    size = 1 / (1 / rows[0] + 1 / rows[1])
    root = math.sqrt(size)
    return Distance(
        statistic,
        statistic,
        normal_equivalent(ks_surprise(root * statistic)),
        size,
        lambda z: _inverse(ks_surprise, surprise(z)) / root,
    )


def categories(table: Values) -> Distance:
    """Return the distance of two samples by their counts; those too rare for the chi-square law count as one.

    Where they are too rare together, the chance of their number in the second sample is exact, and the less likely
    of the two findings counts, at twice its chance.
    """
    rows = table.sum(axis=1)
    rare = table.sum(axis=0) * rows.min() / rows.sum() < FEWEST
    rest, few = table[:, ~rare], table[:, rare].sum(axis=1)
    pooled, size = np.column_stack([rest, few]), float(1 / (1 / rows).sum())
    if few.sum() * rows.min() / rows.sum() >= FEWEST or not few.any():
        statistic, freedom = chi_square(pooled)
        seldom = chi_square_surprise(statistic, freedom)
    else:
        statistic, freedom = chi_square(rest) if rest.any(axis=1).all() else (0.0, 0)
        seldom = max(chi_square_surprise(statistic, freedom), exact_surprise(few, rows)) - math.log(2)
    effect, z = chi_square_distance(pooled), normal_equivalent(max(0.0, seldom))

    def needed(limit: float) -> float:
        """Return the effect at `limit`; it grows with the root of the statistic, as z nearly does."""
        return effect * limit / z if z else limit / math.sqrt(size) / 2

    return Distance(chi_square(table)[0], effect, z, size, needed)


def exact_surprise(few: Values, rows: Values) -> float:
    """Return -log of the chance that as many of the `few` rows, or as few, fall into the second sample, times two."""
    total, here, share = int(few.sum()), int(few[1]), rows[1] / rows.sum()
    counts = np.arange(total + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    logs = factorials[-1] - factorials - factorials[::-1] + counts * math.log(share) + counts[::-1] * math.log1p(-share)
    tails = [float(np.logaddexp.reduce(part)) for part in (logs[here:], logs[: here + 1])]
    return max(0.0, -min(tails) - math.log(2))


def chi_square(table: Values) -> tuple[float, int]:
    """Return the statistic of a table of two samples by category, and its degrees of freedom."""
    table = table[:, table.any(axis=0)]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1


def chi_square_distance(table: Values) -> float:
    """Return the distance of the two rows of a table of counts, between 0 and 1."""
    p, q = table[:, table.any(axis=0)] / table.sum(axis=1, keepdims=True)
    return min(1.0, float(np.sqrt((((p - q) ** 2) / (p + q)).sum() / 2)))


def surprise(z: float) -> float:
    """Return -log of the chance that a standard normal variable is larger in size than `z`."""
    if z < 30:
        return -math.log(math.erfc(z / math.sqrt(2)))
    return z * z / 2 + math.log(z) + math.log(math.pi / 2) / 2  # The tail's leading term; erfc itself ends at 38.


def normal_equivalent(seldom: float) -> float:
    """Return the z of a surprise."""
    if seldom < 400:
        return max(0.0, -NORMAL.inv_cdf(math.exp(-seldom) / 2))
    z = math.sqrt(2 * seldom)
    for _ in range(3):
        z = math.sqrt(2 * (seldom - math.log(z) - math.log(math.pi / 2) / 2))
    return z


def ks_surprise(value: float) -> float:
    """Return -log of the chance that noise brings sqrt(size) times the statistic to `value` (Kolmogorov 1933)."""
    if value < 0.3:
        return 0.0
    tail = sum((-1) ** (k - 1) * math.exp(-2 * (k * k - 1) * value * value) for k in range(1, 9))
    return max(0.0, 2 * value * value - math.log(2 * tail))


def chi_square_surprise(statistic: float, freedom: int) -> float:
    """Return -log of the chance that noise brings the chi-square statistic so high."""
    half = statistic / 2
    if freedom == 0 or half == 0:
        return 0.0
    # The logarithm of the upper tail times exp(half): erfc for odd degrees of freedom, and a sum that ends.
    odd = freedom % 2
    logs = [half - surprise(math.sqrt(statistic)) if odd else 0.0]
    powers = [step + (0.5 if odd else 1.0) for step in range((freedom - 1) // 2)]
    logs += [power * math.log(half) - math.lgamma(power + 1) for power in powers]
    return max(0.0, half - float(np.logaddexp.reduce(logs)))


def _inverse(function: Callable[[float], float], value: float) -> float:
    """Return where a growing function reaches `value`, to nine digits."""
    low, high = 0.0, 1.0
    while function(high) < value:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < value else (low, middle)
    return high
