"""How much the model leans on each feature: the average precision that is lost when its values are shuffled."""

import numpy as np
from numpy.typing import NDArray

from fraud.features import Matrix, Values
from fraud.scoring import Model

LEGITIMATE = 20  # Rows that are looked at for each fraud; all rows would take a minute.
LEAST = 2_000  # ... but so many at least.


def importance(model: Model, features: Matrix, labels: NDArray[np.int64], seed: int) -> dict[str, float]:
    """Return the loss for each feature of the contract, 0 where shuffling does no harm or one class is missing."""
    rng = np.random.default_rng(seed)
    frauds, others = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    others = rng.permutation(others)[: max(LEAST, LEGITIMATE * len(frauds))]
    rows, truth = features[np.concatenate([frauds, others])], np.repeat([1, 0], [len(frauds), len(others)])
    if not len(frauds) or not len(others):
        return dict.fromkeys(model.contract.features, 0.0)
    whole, found = _average_precision(model.probabilities(rows), truth), {}
    for place, name in enumerate(model.contract.features):
        shuffled = rows.copy()
        shuffled[:, place] = rng.permutation(rows[:, place])
        found[name] = round(max(0.0, whole - _average_precision(model.probabilities(shuffled), truth)), 6)
    return found


def _average_precision(probability: Values, truth: NDArray[np.int64]) -> float:
    order = np.argsort(-probability, kind="stable")
    ends = np.flatnonzero(np.diff(probability[order], append=-1.0))  # Equal probabilities come at once.
    caught = np.cumsum(truth[order])[ends]
    return float((np.diff(caught, prepend=0) * caught / (ends + 1)).sum() / truth.sum())
