"""Compare two samples feature by feature, and say which differ by more than noise and more than a least effect.

Numbers: the two-sample Kolmogorov-Smirnov statistic D, which is its own effect. Categories: the chi-square statistic of
the two-row table, whose effect is the chi-square distance sqrt(X² (1/n + 1/m)), free of the number of rows.
"""

from statistics import NormalDist
from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta

from fraud.features import Matrix, Values
from fraud.params import Section
from fraud.schema import Column, Schema


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


def chi_square(reference: Values, current: Values) -> tuple[float, int]:
    """Return the statistic of the table of two samples by category code, and its degrees of freedom."""
    size = int(max(reference.max(), current.max())) + 1
    table = np.array([np.bincount(sample.astype(int), minlength=size) for sample in (reference, current)], dtype=float)
    table = table[:, table.any(axis=0)]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1


def _difference(name: str, column: Column, samples: tuple[Values, Values], limits: tuple[float, float]) -> Difference:
    present = [_present(sample) for sample in samples]
    chance, min_effect = limits
    missing = [1 - len(part) / len(sample) for part, sample in zip(present, samples, strict=True)]
    test = "chi-square" if column.type == "category" else "ks"
    statistic, effect, noise = _compare(test, present[0], present[1], chance)
    threshold = max(min_effect, noise)
    return Difference(name, test, statistic, effect, threshold, bool(effect > threshold), *missing)


def _present(sample: Values) -> Values:
    gaps = np.isnan(sample)
    return sample[~gaps] if gaps.any() else sample


def _compare(test: str, reference: Values, current: Values, chance: float) -> tuple[float, float, float]:
    """Return the statistic, the effect, and the effect that noise alone reaches with probability `chance`."""
    if not len(reference) or not len(current):
        gone = float(len(reference) != len(current))  # One side holds values and the other none: wholly different.
        return gone, gone, 0.0
    inverse_rows = 1 / len(reference) + 1 / len(current)
    if test == "ks":
        statistic = ks_statistic(reference, current)
        return statistic, statistic, np.sqrt(-np.log(chance / 2) / 2 * inverse_rows)
    statistic, freedom = chi_square(reference, current)
    return statistic, np.sqrt(statistic * inverse_rows), np.sqrt(_chi_square_quantile(chance, freedom) * inverse_rows)


def _chi_square_quantile(chance: float, freedom: int) -> float:
    """Return what a chi-square variable exceeds with probability `chance`, within 3 % (Wilson and Hilferty 1931)."""
    if freedom == 0:
        return 0.0
    if freedom == 1:
        return NormalDist().inv_cdf(chance / 2) ** 2
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread - NormalDist().inv_cdf(chance) * np.sqrt(spread)) ** 3)
