"""Put the findings of all checks into one verdict, in numbers and in words."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from fraud.distances import NORMAL
from fraud.drift_rule import Finding, Rule

FEATURE = "values"  # The kind of check that looks at one feature's values.
LABELS = "fraud rate"  # ... and the kind that needs labels.
FEW_PAIRS = 3  # Of past weeks, below which the rate of false alarms is hoped for and not learnt.


class Known(NamedTuple):
    """What is known of the features: how much the model leans on each, and which categories are new or gone."""

    importance: Mapping[str, float] = MappingProxyType({})
    categories: Mapping[tuple[str, str], dict[str, list[str]]] = MappingProxyType({})  # By week and feature.
    weeks: Sequence[str] = ()  # All current weeks, those too that have too few rows to compare.


def verdict(found: Sequence[Finding], rule: Rule, known: Known) -> dict[str, Any]:
    """Return what reports/drift.json says; features come in the order of effect times importance to the model."""
    worst = _worst(found)
    entries = [_entry(one, known) for one in worst]
    features = [entry for entry in entries if entry["kind"] == FEATURE]
    fired = [one for one in worst if one.fired]
    return {
        "drift": bool(fired),
        "fired": len(fired),
        "checks": len(worst),
        "largest_effect": round(max((one.distance.effect for one in found), default=0.0), 6),
        "false_alarms_per_year": rule.false_alarms_per_year,
        "chance_per_week": round(rule.weekly_chance, 6),
        "past_pairs": max((len(one.check.past) for one in found), default=0),
        "detectable_shift": _detectable_shift(found),
        "sentences": _sentences(found, fired, rule, known),  # In a list, as `dvc metrics` shows no lists.
        "weeks": list(dict.fromkeys(one.week for one in found if one.fired)),
        "alarms": [{"week": one.week, "check": title(one)} for one in found if one.fired],
        "features": sorted(features, key=lambda entry: (-(entry["weight"] or 0), entry["name"])),
        "others": [entry for entry in entries if entry["kind"] != FEATURE],
    }


def weekly(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return a row a check and week: its effect as a share of the threshold, where 1 and more means drift."""
    rows = [
        {"week": one.week, "check": title(one), "effect_over_threshold": round(one.distance.effect / one.threshold, 6)}
        for one in found
    ]
    return rows or [{"week": "", "check": "", "effect_over_threshold": 0}]


def title(one: Finding) -> str:
    """Return what a check looks at, in words."""
    return one.check.name if one.check.kind == FEATURE else f"{one.check.kind}: {one.check.name}"


def _worst(found: Sequence[Finding]) -> list[Finding]:
    """Return of each check the week in which it came nearest to its threshold, or went furthest beyond."""
    worst: dict[tuple[str, str], Finding] = {}
    for one in found:
        key = one.check.kind, one.check.name
        if key not in worst or _ratio(one) > _ratio(worst[key]):
            worst[key] = one
    return sorted(worst.values(), key=lambda one: -_ratio(one))


def _ratio(one: Finding) -> float:
    return (1 if one.fired else 0) + one.distance.effect / one.threshold


def _entry(one: Finding, known: Known) -> dict[str, Any]:
    importance, interval = known.importance.get(one.check.name), one.distance.interval
    weight = None if importance is None else round(one.distance.effect * importance, 6)
    return known.categories.get((one.week, one.check.name), {}) | {
        "kind": one.check.kind,
        "name": one.check.name,
        "title": title(one),
        "week": one.week,
        "fired": one.fired,
        "importance": importance,
        "weight": weight,
        "chance": float(f"{one.chance:.3g}"),
        "interval": interval and [round(end, 6) for end in interval],
        **{key: round(getattr(one.distance, key), 6) for key in ("statistic", "effect")},
        "threshold": round(one.threshold, 6),
        "detectable": None if one.detectable is None else round(one.detectable, 6),
    }


def _detectable_shift(found: Sequence[Finding]) -> float | None:
    """Return the shift of a feature that is seen nine times in ten, in its standard deviations if it were normal.

    It is that of the middle one of the numbers, or None where that cannot be seen at all.
    """
    numbers = [one for one in found if one.check.kind == FEATURE and one.distance.effect == one.distance.statistic]
    effects = sorted(1.0 if one.detectable is None else one.detectable for one in numbers)
    middle = effects[len(effects) // 2] if effects else 1.0
    return round(2 * NORMAL.inv_cdf((1 + middle) / 2), 3) if middle < 1 else None


def _sentences(found: Sequence[Finding], fired: list[Finding], rule: Rule, known: Known) -> list[str]:
    weeks = known.weeks or list(dict.fromkeys(one.week for one in found))
    if not weeks:
        return ["no batch came after split.until, so there is nothing to compare"]
    if not found:
        return [f"{_period(weeks)}: too few rows to compare"]
    checks, period = len({(one.check.kind, one.check.name) for one in found}), _period(weeks)
    first = f"no drift in {period}: none of {checks} checks went beyond its threshold"
    if fired:
        most = ", most of all" if len(fired) > 1 else ":"
        names = ", ".join(f"{title(one)} ({one.week})" for one in fired[:3])
        first = f"drift in {period}: {len(fired)} of {checks} checks fired{most} {names}"
    return [first, _promise(found, rule), *_gaps(found, weeks)]


def _period(weeks: Sequence[str]) -> str:
    return weeks[0] if len(weeks) == 1 else f"{weeks[0]} to {weeks[-1]}"


def _promise(found: Sequence[Finding], rule: Rule) -> str:
    """Return what the rule promises, and what too few past weeks cannot promise."""
    pairs = max(len(one.check.past) for one in found)
    rate = f"{rule.false_alarms_per_year:g} a year"
    words = (
        f"false alarms expected of ordinary weeks: {rate}, learnt from {pairs} pair{'s' * (pairs != 1)} of past weeks"
    )
    if pairs < FEW_PAIRS:
        words += ", which are too few to hold the rule to it: bring older batches, or raise drift.history"
    shift = _detectable_shift(found)
    seen = (
        "" if shift is None else f"; a shift of {shift:g} standard deviations of one feature is seen nine times in ten"
    )
    return words + seen


def _gaps(found: Sequence[Finding], weeks: Sequence[str]) -> list[str]:
    """Return what was not compared or could not have fired, so that silence is not taken for calm."""
    words = []
    blind = [title(one) for one in _worst(found) if one.detectable is None]
    if blind:
        words.append(f"with so little history or so few rows no change is seen nine times in ten by {_few(blind)}")
    empty = [week for week in weeks if week not in {one.week for one in found}]
    if empty:
        words.append(f"too few rows to compare: {_few(empty)}")
    unlabelled = [week for week in weeks if week not in {one.week for one in found if one.check.kind == LABELS}]
    if unlabelled:
        words.append(f"the rate of fraud is not compared, as labels are not known or all the same: {_few(unlabelled)}")
    return words


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
