"""The points of the plots, few enough to read in a diff."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraud.metrics import Scored, bin_starts, rounded

POINTS = 200
Points = list[dict[str, Any]]


def curves(rows: Scored) -> dict[str, Points]:
    """Return the points of each plot by its name; `reliability_before` is that of the scores before calibration."""
    scores = rows if rows.raw is None else rows._replace(probability=rows.raw)
    return {
        "precision_recall": _precision_recall(rows),
        "roc": _roc(rows),
        "reliability": _reliability(rows),
        "reliability_before": _reliability(scores),
        "cost": _cost(rows),
        "confusion": _confusion(rows),
    }


def _counts(rows: Scored) -> tuple[NDArray[np.int64], ...]:
    """Return the frauds and the legitimate rows above each place where a threshold can cut, and these places."""
    ends = rows.ends
    return np.cumsum(rows.fraud)[ends], np.cumsum(1 - rows.fraud)[ends], ends


def _precision_recall(rows: Scored) -> Points:
    caught, passed, _ = _counts(rows)
    chosen = _spread(caught)
    return _table(recall=caught[chosen] / max(1, caught[-1]), precision=(caught / (caught + passed))[chosen])


def _roc(rows: Scored) -> Points:
    caught, passed, _ = _counts(rows)
    chosen = _spread(caught / max(1, caught[-1]) + passed / max(1, passed[-1]))
    false, true = passed[chosen] / max(1, passed[-1]), caught[chosen] / max(1, caught[-1])
    return _table(false_positive_rate=np.append(0.0, false), true_positive_rate=np.append(0.0, true))


def _reliability(rows: Scored) -> Points:
    starts = bin_starts(rows)
    sizes = np.diff(starts, append=len(rows.fraud))
    predicted, observed = (np.add.reduceat(part, starts) / sizes for part in (rows.probability, rows.fraud))
    return _table(predicted=predicted[::-1], observed=observed[::-1], rows=sizes[::-1])


def _cost(rows: Scored) -> Points:
    """Return what fraud and alerts cost together per 1,000 rows, from the lowest threshold to the highest."""
    ends = rows.ends
    cost = rows.lost.sum() - np.cumsum(rows.lost - rows.cost.alert)[ends]
    decided = np.searchsorted(ends, rows.alerts - 1)  # The cost at the chosen threshold itself is among the points.
    chosen = np.union1d(_spread(np.log(ends + 1.0)), decided)[::-1]
    return _table(threshold=rows.probability[ends[chosen]], cost_per_1000=1000 * cost[chosen] / len(rows.fraud))


def _confusion(rows: Scored) -> Points:
    words = np.array(["legitimate", "fraud"])
    alerted = (np.arange(len(rows.fraud)) < rows.alerts).astype(int)
    return [
        {"actual": str(words[a]), "predicted": str(words[p])} for a, p in sorted(zip(rows.fraud, alerted, strict=True))
    ]


def _spread(progress: NDArray[Any]) -> NDArray[np.int64]:
    """Return at most POINTS indexes, the first and the last among them, evenly along a growing quantity."""
    wanted = np.linspace(progress[0], progress[-1], POINTS)
    places = np.searchsorted(progress, wanted)
    return np.unique(np.append(places.clip(0, len(progress) - 1), [0, len(progress) - 1]))


def _table(**columns: NDArray[Any]) -> Points:
    values = [[_written(value) for value in column] for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _written(value: Any) -> float | int | None:
    return int(value) if isinstance(value, np.integer) else rounded(value)
