"""Walk over the weeks as they came: which model would have been live in each, under each policy of retraining.

Nothing is trained here. A fold is the model of one training window; every fold was measured in every later week.
"""

from collections.abc import Callable
from statistics import fmean, stdev
from typing import Any, NamedTuple

METRICS = ("average_precision", "precision", "recall", "alerts_per_1000", "saved_per_1000")


class Fold(NamedTuple):
    """One window's model: its realised metrics in each later week, and the weeks at whose end drift was seen."""

    weeks: dict[str, dict[str, Any]]
    alarms: frozenset[str]


class History(NamedTuple):
    """The batches, oldest first, and the folds by the newest batch of their window."""

    names: list[str]
    folds: dict[str, Fold]
    unseen: int  # How many of the newest batches of its window a fold was not trained on.
    delay: int  # How many batches later labels are known.

    def newest(self, week: int) -> str:
        """Return the newest fold of which every label was known when week number `week` began."""
        return next(name for name in reversed(self.names[: week - self.delay]) if name in self.folds)

    def alarm(self, until: str, week: int) -> str | None:
        """Return the first week before number `week` at whose end this fold's verdict was drift, or None."""
        later = self.names[self.names.index(until) + 1 : week]
        return next((name for name in later if name in self.folds[until].alarms), None)


class Step(NamedTuple):
    """One week under a policy: the fold in use, and whether it was new."""

    week: str
    until: str
    retrained: bool
    fired: bool  # ... by the end of this week, for this fold.
    measured: dict[str, Any]


Policy = Callable[[History, int, str], str]  # From the week's number and the fold in use to the fold to use.


def never(_history: History, _week: int, live: str) -> str:
    """Keep the first model."""
    return live


def weekly(history: History, week: int, _live: str) -> str:
    """Use the newest model."""
    return history.newest(week)


def on_drift(history: History, week: int, live: str) -> str:
    """Use the newest model once the verdict is drift."""
    return history.newest(week) if history.alarm(live, week) else live


def on_drift_patiently(history: History, week: int, live: str) -> str:
    """Wait after a verdict of drift until the week that drifted is a training week of the newest model."""
    drifted, newest = history.alarm(live, week), history.newest(week)
    trained = history.names.index(newest) - history.unseen
    return newest if drifted and history.names.index(drifted) <= trained else live


POLICIES: dict[str, Policy] = {
    "never": never,
    "weekly": weekly,
    "on_drift": on_drift,
    "on_drift_patiently": on_drift_patiently,
}


def walk(history: History, policy: Policy) -> list[Step]:
    """Return each week from the first one in which a model could have been live."""
    live, steps = next(iter(history.folds)), list[Step]()
    start = history.names.index(live) + 1 + history.delay
    for place, week in enumerate(history.names[start:], start):
        before, live = live, policy(history, place, live)
        fold = history.folds[live]
        steps.append(Step(week, live, live != before, week in fold.alarms, fold.weeks[week]))
    return steps


def rows(steps: dict[str, list[Step]]) -> list[dict[str, Any]]:
    """Return a row a policy and week; a metric that is not defined, or not known yet, is None."""
    return [
        {"week": one.week, "policy": policy, "until": one.until}
        | {"retrained": int(one.retrained), "fired": int(one.fired)}
        | {name: one.measured[name] for name in ("labelled", "frauds", *reversed(METRICS))}
        for policy, walked in steps.items()
        for one in walked
    ]


def summary(steps: list[Step]) -> dict[str, Any]:
    """Return how often a policy retrained, each metric over the weeks in which it is defined, and the money saved."""
    found: dict[str, Any] = {"retrainings": sum(one.retrained for one in steps)}
    for name in METRICS:
        found[name] = spread([one.measured[name] for one in steps if one.measured[name] is not None])
    paid = [(one.measured["saved_per_1000"], one.measured["labelled"]) for one in steps if one.measured["labelled"]]
    payments = sum(labelled for _, labelled in paid)
    saved = sum(per_1000 * labelled for per_1000, labelled in paid) / 1000
    found["total_saved"] = round(saved, 2) if payments else None
    found["total_saved_per_1000"] = round(1000 * saved / payments, 6) if payments else None
    return found


def spread(values: list[float]) -> dict[str, float | int | None]:
    """Return mean and standard deviation, None where there are too few values, and how many there are."""
    return {
        "mean": round(fmean(values), 6) if values else None,
        "standard_deviation": round(stdev(values), 6) if len(values) > 1 else None,
        "weeks": len(values),
    }
