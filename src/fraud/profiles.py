"""The distribution of a column in a few numbers, which can be added up over batches and compared without the rows."""

import msgspec
import numpy as np

from fraud.distances import Distance, categories, numbers
from fraud.errors import Problem
from fraud.features import Values
from fraud.schema import Column


class Profile(msgspec.Struct, frozen=True):
    """How many rows have which values.

    Numbers: `counts[i]` rows lie above `edges[i - 1]` and up to `edges[i]`; the first and the last bin are open.
    Categories: `counts` goes by the schema's list, and there are no edges.
    """

    edges: list[float]
    counts: list[int]
    missing: int


def edges(ordered: Values, bins: int) -> list[float]:
    """Return quantiles of sorted values, the lowest and the highest among them, each once."""
    places = np.linspace(0, len(ordered) - 1, bins + 1).astype(int) if len(ordered) else np.empty(0, dtype=int)
    return np.unique(ordered[places]).tolist()


def counted(ordered: Values, limits: list[float], missing: int) -> Profile:
    """Return the profile of sorted numbers, beside which so many are missing."""
    upto = np.searchsorted(ordered, limits, side="right")
    return Profile(limits, np.diff(upto, prepend=0, append=len(ordered)).tolist(), missing)


def profile(values: Values, column: Column, bins: int) -> Profile:
    """Return the profile of a column in bins of about equal size."""
    present = values[~np.isnan(values)]
    if column.type == "category":
        counts = np.bincount(present.astype(int), minlength=len(column.categories))
        return Profile([], counts.tolist(), len(values) - len(present))
    ordered = np.sort(present)
    return counted(ordered, edges(ordered, bins), len(values) - len(present))


def alike(values: Values, column: Column, bins: Profile) -> Profile:
    """Return the profile of a column in the bins of another profile."""
    if column.type == "category":
        return profile(values, column, 0)
    present = np.sort(values[~np.isnan(values)])
    return counted(present, bins.edges, len(values) - len(present))


def merge(one: Profile, other: Profile) -> Profile:
    """Return the profile of the rows of both."""
    if one.edges != other.edges or len(one.counts) != len(other.counts):
        raise Problem("profiles with other bins cannot be added; make both with the same edges and categories")
    counts = [a + b for a, b in zip(one.counts, other.counts, strict=True)]
    return Profile(one.edges, counts, one.missing + other.missing)


def distance(reference: Profile, current: Profile, column: Column) -> Distance | None:
    """Return how far the values that are not missing lie apart, or None where a side has none.

    For numbers it is the largest distance at an edge, which is never more than the one over all values.
    """
    table = np.array([reference.counts, current.counts], dtype=np.float64)
    rows = table.sum(axis=1)
    if not rows.all():
        return None
    if column.type == "category":
        return categories(table)
    shares = np.cumsum(table, axis=1) / rows[:, None]
    return numbers(float(np.abs(shares[0] - shares[1]).max()), (rows[0], rows[1]))


def missing(reference: Profile, current: Profile) -> Distance:
    """Return how far the shares of missing values lie apart."""
    return categories(np.array([[sum(one.counts), one.missing] for one in (reference, current)], dtype=np.float64))
