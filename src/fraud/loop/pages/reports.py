"""Read what the stages wrote into reports/."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fraud.errors import Problem
from fraud.loop.pages.svg import Points

KEYS = {  # What is read of each report.
    "metrics": ("rows", "frauds", "threshold", "precision", "recall", "saved_per_1000"),
    "drift": ("drift", "sentences", "features", "others"),
    "slices": ("currency", "sentence", "slices"),
    "split": ("dataset", "train", "test"),
}
COLUMNS = {
    "precision_recall": ("recall", "precision"),
    "roc": ("false_positive_rate", "true_positive_rate"),
    "reliability": ("predicted", "observed", "rows"),
    "reliability_before": ("predicted", "observed", "rows"),
    "cost": ("threshold", "cost_per_1000"),
}
Read = TypeVar("Read")


class Reports(NamedTuple):
    """What the stages wrote."""

    metrics: dict[str, Any]
    drift: dict[str, Any]
    slices: dict[str, Any]
    split: dict[str, Any]
    points: dict[str, Points]
    decisions: Counter[tuple[str, str]]


def read(folder: Path) -> Reports:
    """Return the reports in `folder`."""
    found = {name: parsed(folder / f"{name}.json", _report) for name in KEYS}
    points = {name: parsed(folder / "plots" / f"{name}.csv", _points) for name in COLUMNS}
    return Reports(**found, points=points, decisions=parsed(folder / "plots" / "confusion.csv", _decisions))


def parsed(path: Path, parse: Callable[[str, str], Read]) -> Read:
    """Return what `parse` makes of a file's content and name; it raises one of three errors at what is no report."""
    try:
        return parse(path.read_text(encoding="utf-8"), path.stem)
    except FileNotFoundError:
        raise Problem(f"{path} is missing; run `make repro`, which writes it") from None
    except (KeyError, TypeError, ValueError) as error:
        raise Problem(f"{path} is not what the graph writes ({error!r}); run `make repro`, which mends it") from None


def _report(content: str, name: str) -> dict[str, Any]:
    report = json.loads(content)
    return {key: report[key] for key in KEYS[name]} | report


def _points(content: str, name: str) -> Points:
    return [tuple(float(row[column]) for column in COLUMNS[name]) for row in _rows(content)]


def _decisions(content: str, _name: str) -> Counter[tuple[str, str]]:
    return Counter((row["actual"], row["predicted"]) for row in _rows(content))


def _rows(content: str) -> list[dict[str, str]]:
    rows = list(csv.DictReader(content.splitlines()))
    if not rows:
        raise ValueError("no rows")
    return rows
