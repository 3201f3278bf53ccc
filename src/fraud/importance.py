"""How much the model leans on each feature: what average precision it loses when the feature's values are shuffled."""

import numpy as np
from numpy.typing import NDArray

from fraud.features import Matrix, Values
from fraud.scoring import Model

LEGITIMATE = 20  # Rows that are looked at for each fraud; all rows would take a minute.
LEAST = 2_000  # ... but so many at least.


def importance(model: Model, features: Matrix, labels: NDArray[np.int64], seed: int) -> dict[str, float]:
    """Return the loss of each feature of the contract, 0 where shuffling it does no harm or no row is fraud."""
    rng = np.random.default_rng(seed)
    frauds, others = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    others = rng.permutation(others)[: max(LEAST, LEGITIMATE * len(frauds))]
    rows = features[np.concatenate([frauds, others])]
    fraud = np.arange(len(rows)) < len(frauds)
    names = model.contract.features
    if not len(frauds) or not len(others):
        return dict.fromkeys(names, 0.0)
    whole = _average_precision(model.probabilities(rows), fraud)
    found = {}
    for place, name in enumerate(names):
        shuffled = rows.copy()
        shuffled[:, place] = rng.permutation(rows[:, place])
        found[name] = round(max(0.0, whole - _average_precision(model.probabilities(shuffled), fraud)), 6)
    return found


def _average_precision(probability: Values, fraud: NDArray[np.bool_]) -> float:
    order = np.argsort(-probability, kind="stable")
    ends = np.flatnonzero(np.diff(probability[order], append=-1.0))
    caught = np.cumsum(fraud[order])[ends]
    return float((np.diff(caught, prepend=0) * caught / (ends + 1)).sum() / fraud.sum())
