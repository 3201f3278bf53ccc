"""What is usual for each feature, as the contract's profile of the training rows has it; no row is looked at."""

import numpy as np

from fraud.contract import Contract
from fraud.features import Values
from fraud.profiles import Profile


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
