"""Read what the stages wrote about drift: verdict, effects by week, profiles, and estimates without labels."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from fraud.errors import Problem
from fraud.loop.pages.page import NONE
from fraud.loop.pages.reports import parsed
from fraud.profiles import Profile
from fraud.schema import load

METRIC = "average_precision"  # The one of which estimates are drawn.
Read = TypeVar("Read")
Estimate = tuple[float | None, float | None, float | None]  # A value and the two ends of its band.
Profiles = dict[str, dict[str, Profile]]  # By week, or "reference", and by feature.


class Check(Struct, frozen=True):
    """One check in the week in which it came nearest to its threshold, or went furthest beyond."""

    kind: str
    name: str
    title: str
    week: str
    fired: bool
    importance: float | None
    chance: float
    effect: float
    threshold: Annotated[float, Meta(gt=0)]


class Drift(Struct, frozen=True):
    """reports/drift.json."""

    drift: bool
    sentences: Annotated[list[str], Meta(min_length=1)]
    features: list[Check]  # In the order of effect times importance.
    others: list[Check]
    past_weeks: list[str]


class Week(Struct, frozen=True):
    """A week of reports/estimate.json; what is realised is null where no label is known yet."""

    week: str
    part: str
    rows: int
    labelled: int
    frauds: int
    expected_frauds: float
    estimated: dict[str, Estimate]
    realised: dict[str, float | None]

    def standing(self, metric: str) -> str:
        """Return where the realised value lies: within its band, below or above it, or why that is not known."""
        (_, low, high), value = self.estimated[metric], self.realised[metric]
        if not self.labelled:
            return "no label yet"
        if value is None or low is None or high is None:
            return NONE
        return "within" if low <= value <= high else "below" if value < low else "above"


class _Estimates(Struct, frozen=True):
    weeks: list[Week]


class Part(Struct, frozen=True):
    """Some batches, oldest first."""

    batches: list[str]
    rows: int


class Split(Struct, frozen=True):
    """reports/split.json."""

    dataset: str
    train: Part
    current: Part


class _Slices(Struct, frozen=True):
    currency: str


class Effect(NamedTuple):
    """How far a check went in a week, as a share of its threshold."""

    week: str
    title: str
    ratio: float


class DriftReports(NamedTuple):
    """What the stages wrote about drift."""

    drift: Drift
    effects: list[Effect]
    profiles: Profiles
    estimates: list[Week]
    split: Split
    currency: str
    categories: dict[str, tuple[str, ...]]  # By feature; empty where the schema cannot be read.

    def fired(self, check: Check) -> set[str]:
        """Return the weeks in which a check went beyond its threshold."""
        beyond = {one.week for one in self.effects if one.title == check.title and one.ratio > 1}
        return beyond | {check.week} if check.fired else set()


def read(folder: Path, profiles: Path, schemas: Path) -> DriftReports:
    """Return the reports in `folder`, with the profiles in a file of stage drift and the names of categories."""
    split = parsed(folder / "split.json", _as(Split))
    drift = parsed(folder / "drift.json", _as(Drift))
    weeks = [*drift.past_weeks, *split.current.batches]
    return DriftReports(
        drift,
        parsed(folder / "plots" / "drift.csv", _effects),
        parsed(profiles, lambda content, _: _profiles(content, weeks, [one.name for one in drift.features])),
        parsed(folder / "estimate.json", _weeks),
        split,
        parsed(folder / "slices.json", _as(_Slices)).currency,
        _categories(schemas / f"{split.dataset}.yaml"),
    )


def _as(kind: type[Read]) -> Callable[[str, str], Read]:
    return lambda content, _: msgspec.json.decode(content, type=kind)


def _weeks(content: str, _name: str) -> list[Week]:
    found = msgspec.json.decode(content, type=_Estimates).weeks
    if any(week.realised.keys() != week.estimated.keys() or METRIC not in week.realised for week in found):
        raise ValueError(f"a week has no {METRIC}, or other metrics realised than estimated")
    return found


def _effects(content: str, _name: str) -> list[Effect]:
    rows: list[dict[str, Any]] = list(csv.DictReader(content.splitlines()))
    if not rows:
        raise ValueError("no rows")
    return [Effect(row["week"], row["check"], float(row["effect_over_threshold"])) for row in rows]


def _profiles(content: str, weeks: list[str], features: list[str]) -> Profiles:
    """Return the profiles if each week has each feature, in the bins of the reference."""
    found = msgspec.json.decode(content, type=Profiles)
    for name in features:
        reference = found["reference"][name]
        for week in weeks:
            one = found[week][name]
            if one.edges != reference.edges or len(one.counts) != len(reference.counts):
                raise ValueError(f"{week} has other bins of {name} than the reference")
        if reference.edges and len(reference.counts) != len(reference.edges) + 1:
            raise ValueError(f"{name} has {len(reference.counts)} counts in {len(reference.edges) + 1} bins")
    return found


def _categories(schema: Path) -> dict[str, tuple[str, ...]]:
    try:
        columns = load(schema).features
    except (Problem, OSError):
        return {}
    return {name: tuple(map(str, column.categories)) for name, column in columns.items() if column.categories}
