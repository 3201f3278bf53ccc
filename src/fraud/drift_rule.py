"""Compare two samples feature by feature, and say which differ by more than noise and more than a least effect.

Numbers: the two-sample Kolmogorov-Smirnov statistic, which is its own effect. Categories: the chi-square statistic of
the two-row table, and as effect the chi-square distance sqrt(sum((p - q)² / (p + q)) / 2) of the two shares. Both
effects reach from 0, the same, to 1, wholly different, however many rows there are. Missing counts as a value.
"""

from statistics import NormalDist
from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta

from fraud.features import Matrix, Values
from fraud.params import Section
from fraud.schema import Column, Schema

FEWEST = 5  # Rows that a category should have in the smaller sample, for the chi-square law to hold.


class Rule(Section, frozen=True):
    """Section `drift` of params.yaml."""

    min_effect: Annotated[float, Meta(gt=0, le=1)]
    significance: Annotated[float, Meta(gt=0, lt=1)]


class Difference(NamedTuple):
    """How far one feature moved; it drifted when `effect` is above `threshold`."""

    feature: str
    test: str
    statistic: float
    effect: float
    threshold: float
    drifted: bool
    missing_reference: float
    missing_current: float


def differences(reference: Matrix, current: Matrix, schema: Schema, rule: Rule) -> list[Difference]:
    """Return each feature's difference, the largest against its threshold first.

    `rule.significance` is the chance that sampling noise alone makes any of the features fire.
    """
    chance = rule.significance / len(schema.features)
    found = [
        _difference(name, column, (reference[:, place], current[:, place]), (chance, rule.min_effect))
        for place, (name, column) in enumerate(schema.features.items())
    ]
    return sorted(found, key=lambda difference: (-difference.effect / difference.threshold, difference.feature))


def ks_statistic(reference: Values, current: Values) -> float:
    """Return the largest distance between the two empirical distributions, as scipy.stats.ks_2samp does.

    Between two current values the current distribution is flat, so the distance peaks next to one of them.
    """
    ordered, points = np.sort(reference), np.sort(current)
    distance = 0.0
    for side in ("left", "right"):
        below = np.searchsorted(ordered, points, side=side) / len(ordered)
        share = np.searchsorted(points, points, side=side) / len(points)
        distance = max(distance, float(np.abs(below - share).max()))
    return distance


def chi_square(table: Values) -> tuple[float, int]:
    """Return the statistic of a table of two samples by category, and its degrees of freedom."""
    table = table[:, table.any(axis=0)]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1


def chi_square_distance(table: Values) -> float:
    """Return the distance of the two rows of a table of counts, between 0 and 1."""
    p, q = table[:, table.any(axis=0)] / table.sum(axis=1, keepdims=True)
    return float(np.sqrt((((p - q) ** 2) / (p + q)).sum() / 2))


def _difference(name: str, column: Column, samples: tuple[Values, Values], limits: tuple[float, float]) -> Difference:
    chance, min_effect = limits
    missing = [float(np.isnan(sample).mean()) for sample in samples]
    if column.type == "category":
        test, (statistic, effect, noise) = "chi-square", _compare_categories(samples, len(column.categories), chance)
    else:
        test, (statistic, effect, noise) = "ks", _compare_numbers(samples, chance)
    threshold = max(min_effect, noise)
    return Difference(name, test, statistic, effect, threshold, bool(effect > threshold), *missing)


def _compare_numbers(samples: tuple[Values, Values], chance: float) -> tuple[float, float, float]:
    """Return the statistic, the effect, and the effect that noise alone reaches with probability `chance`."""
    reference, current = (np.where(np.isnan(sample), -np.inf, sample) for sample in samples)
    statistic = ks_statistic(reference, current)
    return statistic, statistic, np.sqrt(-np.log(chance / 2) / 2 * (1 / len(reference) + 1 / len(current)))


def _compare_categories(samples: tuple[Values, Values], size: int, chance: float) -> tuple[float, float, float]:
    """Return the same for categories; those too rare for the chi-square law count as one in effect and noise."""
    codes = [np.where(np.isnan(sample), size, sample).astype(int) for sample in samples]
    table = np.array([np.bincount(sample, minlength=size + 1) for sample in codes], dtype=np.float64)
    rows = table.sum(axis=1)
    rare = table.sum(axis=0) * rows.min() / rows.sum() < FEWEST
    pooled = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    noise = np.sqrt(_chi_square_quantile(chance, chi_square(pooled)[1]) * (1 / rows).sum()) / 2
    return chi_square(table)[0], chi_square_distance(pooled), noise


def _chi_square_quantile(chance: float, freedom: int) -> float:
    """Return what a chi-square variable exceeds with probability `chance`, within 3 % (Wilson and Hilferty 1931)."""
    if freedom == 0:
        return 0.0
    if freedom == 1:
        return NormalDist().inv_cdf(chance / 2) ** 2
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread - NormalDist().inv_cdf(chance) * np.sqrt(spread)) ** 3)
