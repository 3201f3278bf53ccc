"""How well the model does on each part of the rows: by amount, hour, and the values of categories."""

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud.days import SECONDS, seconds
from fraud.features import Columns, Values
from fraud.metrics import Scored, bootstrap, decisions, interval, ranking, rounded
from fraud.schema import Column, Schema

LEAST = 10  # Frauds, below which a slice is counted but not measured.
FEW_VALUES, MANY_VALUES = 8, 31  # An integer feature is cut by value up to the one, in bands up to the other.
METRICS = ("average_precision", "precision", "recall", "saved_per_1000")


class Cut(NamedTuple):
    """A way to part the rows: the name of each slice, and the slice of each row, -1 where its value is missing."""

    by: str
    names: list[str]
    place: NDArray[np.int64]


def cuts(columns: Columns, schema: Schema) -> list[Cut]:
    """Return the cuts that the schema has columns for."""
    found = []
    if schema.amount is not None:
        found.append(_quarters(schema.amount, np.asarray(columns[schema.amount], dtype=np.float64)))
    if schema.time is not None:
        moments = seconds(columns, schema.time)
        if (moments % SECONDS).any():  # Dates without a time of day say nothing about hours.
            found.append(_bands(f"hour of {schema.time}", np.floor(moments % SECONDS / 3600), (0, 23)))
    for name, column in schema.features.items():
        limits = _few_integers(column)
        if column.type == "category":
            found.append(_values(name, np.asarray(columns[name], dtype=object), column))
        elif limits and name != schema.amount:
            found.append(_bands(name, np.asarray(columns[name], dtype=np.float64), limits))
    return found


def _few_integers(column: Column) -> tuple[int, int] | None:
    if column.type != "integer" or column.min is None or column.max is None:
        return None
    return (int(column.min), int(column.max)) if column.max - column.min < MANY_VALUES else None


def _quarters(name: str, values: Values) -> Cut:
    present = values[~np.isnan(values)]
    edges = np.unique(np.quantile(present, [0.25, 0.5, 0.75], method="lower")) if len(present) else np.empty(0)
    words = [f"{edge:,g}" for edge in edges]
    names = [f"{low} to {high}" for low, high in pairwise(words)]
    names = [f"up to {words[0]}", *names, f"above {words[-1]}"] if words else ["any"]
    return Cut(name, names, _known(np.searchsorted(edges, values), values))


def _bands(name: str, values: Values, limits: tuple[int, int]) -> Cut:
    """Cut whole numbers one by one where they are few, and else into four bands."""
    low, high = limits
    width = 1 if high - low < FEW_VALUES else math.ceil((high - low + 1) / 4)
    ends = [(start, min(start + width - 1, high)) for start in range(low, high + 1, width)]
    names = [str(start) if start == end else f"{start} to {end}" for start, end in ends]
    return Cut(name, names, _known(np.floor((values - low) / width), values))


def _values(name: str, values: NDArray[Any], column: Column) -> Cut:
    codes = {category: place for place, category in enumerate(column.categories)}
    return Cut(name, list(map(str, column.categories)), np.array([codes.get(value, -1) for value in values]))


def _known(places: NDArray[Any], values: Values) -> NDArray[np.int64]:
    return np.where(np.isnan(values), -1, places).astype(np.int64)


class Measured(NamedTuple):
    """What is reported of a slice, and its average precision in each bootstrap sample."""

    report: dict[str, Any]
    drawn: Values


def slices(rows: Scored, found: list[Cut], samples: int, seed: int) -> dict[str, Any]:
    """Return each slice with its metrics, and in a sentence which is worst and whether chance may explain it.

    The worst has the lowest average precision, which grows with the rate of fraud: read it beside rows and frauds.
    """
    overall = rounded(_measure(rows, np.ones((1, len(rows.fraud))))["average_precision"][0])
    every = [_measured(rows, cut, place, (samples, seed)) for cut in found for place in _places(cut)]
    return {
        "average_precision": overall,
        "currency": rows.cost.currency,
        "sentence": _sentence([one for one in every if len(one.drawn)], overall),
        "slices": [one.report for one in every],
    }


def _places(cut: Cut) -> list[int]:
    return [*range(len(cut.names)), *([-1] if (cut.place == -1).any() else [])]


def _measured(rows: Scored, cut: Cut, place: int, draw: tuple[int, int]) -> Measured:
    chosen = cut.place[rows.places] == place
    part = Scored(rows.probability[chosen], rows.fraud[chosen], rows.lost[chosen], rows.threshold, rows.cost)
    frauds, name = int(part.fraud.sum()), cut.names[place] if place >= 0 else "missing"
    found = {"by": cut.by, "slice": name, "rows": len(part.fraud), "frauds": frauds}
    if frauds < LEAST:
        empty = {key: None for name in METRICS for key in (name, f"{name}_interval")}
        return Measured(found | empty | {"reason": f"fewer than {LEAST} frauds, which say too little"}, np.empty(0))
    values, drawn = _measure(part, np.ones((1, len(part.fraud)))), bootstrap(part, *draw, _measure)
    for name in METRICS:
        found |= {name: rounded(values[name][0]), f"{name}_interval": interval(drawn[name])}
    reason = None if part.alerts else "no payment gets an alert, so that there is no precision"
    return Measured(found | {"reason": reason}, drawn["average_precision"])


def _measure(rows: Scored, weights: Values) -> dict[str, Values]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return ranking(rows, weights) | decisions(rows, weights)


def _sentence(judged: list[Measured], overall: float | None) -> str:
    if not judged or overall is None:
        return f"no slice holds the {LEAST} frauds that a comparison takes"
    worst = min(judged, key=lambda one: one.report["average_precision"])
    report, wider = worst.report, interval(worst.drawn, 0.05 / len(judged))  # The worst of many looks bad by chance.
    value, low, high = (_short(one) for one in [report["average_precision"], *report["average_precision_interval"]])
    beyond = wider[1] is not None and wider[1] < overall
    verdict = "chance does not explain it" if beyond else "chance may explain it"
    widened = f"{_short(wider[0])} to {_short(wider[1])}, {'lies below' if beyond else 'reaches'} that"
    return (
        f"the worst of {len(judged)} slices with {LEAST} frauds or more is {report['by']} {report['slice']}: average "
        f"precision {value} ({low} to {high}) on {report['frauds']} frauds, against {_short(overall)} on all rows; "
        f"{verdict}, as an interval widened for the number of slices, {widened}"
    )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
