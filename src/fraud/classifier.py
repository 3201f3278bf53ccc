"""Tell current rows from reference rows by all columns together: what changes between columns shows here alone.

A row's score says how far its values, and the products of each two of them, go along with what differs in the mean
between the two samples. It is learnt on every second row and measured on the others. Its AUC is the chance that it
gives a current row the higher score; of two alike samples it is one half.
"""

import math

import numpy as np

from fraud.distances import Distance, normal_equivalent, surprise
from fraud.features import Matrix, Values

MOST = 10_000  # Rows of a sample that it looks at, evenly spaced.
FEWEST = 20  # Rows of a sample, below which it says nothing.
CLEAR = 2.0  # Standard errors; a smaller difference of means is taken for none.


def sample(features: Matrix) -> Matrix:
    """Return at most MOST rows, evenly spaced."""
    return features[np.linspace(0, len(features) - 1, min(MOST, len(features))).astype(int)]


def tell_apart(reference: Matrix, current: Matrix) -> Distance | None:
    """Return how well current rows are told from reference rows; the effect is 2 AUC - 1, and 0 by chance."""
    if min(len(reference), len(current)) < FEWEST:
        return None
    columns, split = _columns(np.concatenate([reference, current])), len(reference)
    before, after = columns[:split], columns[split:]
    linear, products = _difference(before[::2], after[::2])
    scores = [part @ linear + ((part @ products) * part).sum(axis=1) for part in (before[1::2], after[1::2])]
    auc = round(_auc(*scores), 6)
    rows = [len(one) for one in scores]
    spread = math.sqrt((sum(rows) + 1) / (12 * rows[0] * rows[1]))
    return Distance(
        auc,
        max(0.0, 2 * auc - 1),
        _in_size((auc - 0.5) / spread),
        1 / (1 / rows[0] + 1 / rows[1]),
        lambda z: 2 * spread * _one_sided(z),
        interval=_interval(auc, rows),
    )


def _difference(before: Matrix, after: Matrix) -> tuple[Values, Matrix]:
    """Return by how much the means of the columns and of their products differ, 0 where noise may do the same."""
    linear = _clear(
        after.mean(axis=0) - before.mean(axis=0), [(one**2).mean(axis=0) / len(one) for one in (before, after)]
    )
    moments = [one.T @ one / len(one) for one in (before, after)]
    noise = [(one**2).T @ one**2 / len(one) ** 2 for one in (before, after)]
    return linear, _clear(moments[1] - moments[0], noise)


def _clear(difference: Matrix, variances: list[Matrix]) -> Matrix:
    return np.where(np.abs(difference) > CLEAR * np.sqrt(variances[0] + variances[1]), difference, 0.0)


def _auc(reference: Values, current: Values) -> float:
    """Return the chance that a current score is the higher one, half of it where they are equal."""
    ordered = np.sort(reference)
    below, upto = (np.searchsorted(ordered, current, side=side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(reference)))


def _interval(auc: float, rows: list[int]) -> tuple[float, float]:
    """Return the 95 % interval of an AUC of so many reference and current rows (Hanley and McNeil 1982)."""
    pairs = [part - auc**2 for part in (2 * auc**2 / (1 + auc), auc / (2 - auc))]
    variance = auc * (1 - auc) + sum((count - 1) * part for count, part in zip(rows, pairs, strict=True))
    half = 1.96 * math.sqrt(variance / (rows[0] * rows[1]))
    return max(0.0, auc - half), min(1.0, auc + half)


def _columns(features: Matrix) -> Matrix:
    """Return the columns as ranks with variance 1, missing values in the middle, and whether a value is missing."""
    gaps = np.isnan(features)
    ranks = [_ranks(column) for column in features.T]
    return np.column_stack([*ranks, *(gap - gap.mean() for gap in gaps.T if gap.any())])


def _ranks(values: Values) -> Values:
    """Return ranks with mean 0 and variance 1 where no two values are equal; equal values share the middle one."""
    order = np.argsort(values)[: len(values) - np.isnan(values).sum()]  # Missing values are sorted to the end.
    ordered = values[order]
    jumps = np.insert(ordered[1:] != ordered[:-1], 0, True) if len(ordered) else np.empty(0, dtype=bool)
    starts = np.append(np.flatnonzero(jumps), len(ordered))
    middles = (starts[:-1] + starts[1:]) / max(1, len(ordered)) - 1
    ranks = np.zeros(len(values))
    ranks[order] = math.sqrt(3) * middles[np.cumsum(jumps) - 1]
    return ranks


def _in_size(z: float) -> float:
    """Return what a normal variable exceeds in size as seldom as it exceeds `z`; nothing for a `z` below 0."""
    return normal_equivalent(surprise(z) + math.log(2)) if z > 0 else 0.0


def _one_sided(z: float) -> float:
    """Return what a normal variable exceeds as seldom as it exceeds `z` in size, or 0."""
    return normal_equivalent(max(0.0, surprise(z) - math.log(2)))
