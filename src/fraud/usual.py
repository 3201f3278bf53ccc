"""What is usual for each feature, as the contract's profile of the training rows has it; no row is looked at."""

import math
from typing import Any

import numpy as np

from fraud.contract import Contract
from fraud.features import Values
from fraud.profiles import Profile
from fraud.schema import Column


def ordinary(contract: Contract) -> Values:
    """Return the median of each feature in the training rows, and the most frequent category."""
    columns = contract.schema.features.items()
    return np.array([_ordinary(contract.profile[name], bool(column.categories)) for name, column in columns])


def _ordinary(profile: Profile, categorical: bool) -> float:
    if categorical:
        return float(np.argmax(profile.counts))
    if not profile.edges:
        return np.nan
    upto = np.cumsum(profile.counts[:-1])
    return profile.edges[int(np.searchsorted(upto, sum(profile.counts) / 2))]


def payment(contract: Contract) -> dict[str, Any]:
    """Return a payment that is ordinary in everything, in few digits, as a client sends it."""
    columns = contract.schema.features.items()
    return {name: _shown(column, value) for (name, column), value in zip(columns, ordinary(contract), strict=True)}


def _shown(column: Column, value: float) -> Any:
    if math.isnan(value):
        return None
    if column.categories:
        return column.categories[int(value)]
    return int(value) if column.type == "integer" else float(f"{value:.4g}")
