"""What decisions cost: a missed fraud loses money, and every alert takes somebody's time."""

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from fraud.features import Columns, Values
from fraud.params import Section
from fraud.schema import Schema

NEVER = 2.0  # A threshold that no probability reaches.


class Cost(Section, frozen=True):
    """Section `cost` of params.yaml."""

    alert: Annotated[float, Meta(ge=0)]
    missed_share: Annotated[float, Meta(ge=0)]
    missed: Annotated[float, Meta(ge=0)]
    daily_capacity: Annotated[int, Meta(ge=1)]
    currency: Annotated[str, Meta(min_length=1)]


def losses(columns: Columns, labels: NDArray[np.int64], schema: Schema, cost: Cost) -> Values:
    """Return what each row costs if no alert is raised for it: nothing where it is legitimate."""
    if schema.amount is None:
        return np.asarray(labels * cost.missed, dtype=np.float64)
    amounts = np.nan_to_num(np.asarray(columns[schema.amount], dtype=np.float64))
    return np.asarray(labels * amounts * cost.missed_share, dtype=np.float64)


def cheapest_threshold(probabilities: Values, lost: Values, cost: Cost) -> float:
    """Return the threshold at which alerts save the most: the loss they prevent less what they cost.

    It lies half-way between two probabilities, so that a decision does not hang on the last bit of one.
    """
    order = np.argsort(-probabilities, kind="stable")
    ordered = probabilities[order]
    saved = np.cumsum(lost[order] - cost.alert)
    cuts = np.flatnonzero(np.diff(ordered, append=-1.0))  # Equal probabilities get the same decision.
    best = int(cuts[np.argmax(saved[cuts])])
    if saved[best] <= 0:
        return float((ordered[0] + 1) / 2) if ordered[0] < 1 else NEVER
    following = ordered[best + 1] if best + 1 < len(ordered) else 0.0
    middle = round(float(ordered[best] + following) / 2, 9)
    return middle if following < middle <= ordered[best] else float(ordered[best])
