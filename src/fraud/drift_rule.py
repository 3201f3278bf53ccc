"""Say of many checks which of them fired, so that ordinary weeks set off a stated number of false alarms a year.

A check is anything that is compared between the reference and a week: a feature's values, its missing values, the
model's score. Each gets the same share of the chance that an ordinary week sets off any of them, whether they go
together or not (Bonferroni). Below a least effect nothing fires, however many rows there are.
"""

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from fraud.distances import NORMAL, Distance
from fraud.features import Values
from fraud.ordinary import STRENGTHS, Pair, chance, learn, limit
from fraud.params import Section

WEEKS_A_YEAR = 52
Key = tuple[str, str]  # The kind of a check, and the feature or what else it is about.


class Rule(Section, frozen=True):
    """Section `drift` of params.yaml."""

    false_alarms_per_year: Annotated[float, Meta(gt=0, le=26)]
    min_effect: Annotated[float, Meta(gt=0, le=1)]
    history: Annotated[int, Meta(ge=1)]

    @property
    def weekly_chance(self) -> float:
        """The chance that an ordinary week sets off any check."""
        return self.false_alarms_per_year / WEEKS_A_YEAR


def equal_weeks(rows: Values) -> float:
    """Return how many weeks of equal size stray from each other as weeks of so many rows do."""
    return float(rows.sum() ** 2 / (rows**2).sum())


class Check(NamedTuple):
    """One thing that is compared: past weeks each with the week before, and current weeks with the reference."""

    kind: str
    name: str
    past: list[Distance]
    current: dict[str, Distance]  # By the name of the week.


def checks(past: Sequence[dict[Key, Distance]], current: dict[str, dict[Key, Distance]]) -> list[Check]:
    """Return what was compared in any current week, with its distances in past and current weeks.

    What never differed at all, such as the missing values of a column that has none, is no check.
    """
    found = []
    for key in sorted({key for found in current.values() for key in found}):
        before = [distances[key] for distances in past if key in distances]
        now = {week: distances[key] for week, distances in current.items() if key in distances}
        if any(distance.effect for distance in (*before, *now.values())):
            found.append(Check(*key, before, now))
    return found


class Finding(NamedTuple):
    """A check of one week; it fired when `effect` is above `threshold`."""

    check: Check
    week: str
    chance: float  # ... that an ordinary week shows this much.
    threshold: float
    detectable: float | None  # The effect that is seen nine times in ten; none where no effect is.
    fired: bool

    @property
    def distance(self) -> Distance:
        """How far the week is from the reference."""
        return self.check.current[self.week]


def judge(checks: Sequence[Check], rule: Rule) -> list[Finding]:
    """Return a finding for each check and week."""
    if not checks:
        return []
    known = learn([[_pair(one) for one in check.past] for check in checks])
    share = rule.weekly_chance / len(checks)
    found = []
    for check, likely in zip(checks, known, strict=True):
        for week, distance in check.current.items():
            seldom = chance(likely, _pair(distance))
            threshold = max(rule.min_effect, distance.needed(limit(likely, _pair(distance).scale, share)))
            detectable = threshold + NORMAL.inv_cdf(0.9) * 0.5 * _straying(likely, distance) / math.sqrt(distance.size)
            fired = seldom < share and distance.effect > rule.min_effect
            found.append(Finding(check, week, seldom, threshold, detectable if detectable < 1 else None, fired))
    return found


def _pair(distance: Distance) -> Pair:
    return Pair(distance.z, distance.weeks * distance.size)


def _straying(likely: Values, distance: Distance) -> float:
    """Return the standard deviation of the week's z where no s is ruled out: 1 where weeks do not stray."""
    return math.sqrt(1 + float(likely @ STRENGTHS**2) * distance.weeks * distance.size)
