"""Where the bins of a profile lie in a picture, and where two profiles differ most."""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from fraud.loop.pages.page import number
from fraud.profiles import Profile

FEWEST = 9  # Bins of numbers, below which each is a bar with its name.
SKEWED = 3  # How many times farther the upper tail reaches than the lower one before the axis becomes logarithmic.


class Scale(NamedTuple):
    """The ends of the bins on a picture's axis, and where on it the reference's 5 %, median and 95 % lie."""

    ends: list[float]
    ticks: list[tuple[float, str]]
    whole: bool  # Only whole numbers: each lies in the middle of its bin.


class Difference(NamedTuple):
    """The values at which a week is farthest from the reference, in words, and how many rows have them."""

    values: str
    reference: float
    week: float


def shares(profile: Profile) -> list[float]:
    """Return the share of rows in each bin, among those that have a value."""
    rows = sum(profile.counts)
    return [count / rows if rows else 0.0 for count in profile.counts]


def missing(profile: Profile) -> float:
    """Return the share of rows without a value."""
    return profile.missing / max(1, sum(profile.counts) + profile.missing)


def names(profile: Profile, categories: Sequence[str]) -> list[str]:
    """Return what each bin is called: its category, or the numbers in it."""
    if not profile.edges:
        known = len(categories) == len(profile.counts)
        return list(categories) if known else [f"category {place + 1}" for place in range(len(profile.counts))]
    first, last = (plain(edge) for edge in (profile.edges[0], profile.edges[-1]))
    between = [
        plain(high) if _whole(profile) and high - low == 1 else f"to {plain(high)}"
        for low, high in pairwise(profile.edges)
    ]
    return [first if _whole(profile) else f"up to {first}", *between, f"above {last}"]


def plain(value: float) -> str:
    """Return a whole number as it is, and another one with three digits."""
    return f"{value:,.0f}".replace("-", "\N{MINUS SIGN}") if value == int(value) else number(value)


def difference(reference: Profile, week: Profile, categories: Sequence[str]) -> Difference:
    """Return the category, or the limit of numbers and the side of it that grew, where the two lie farthest apart."""
    sides = shares(reference), shares(week)
    if reference.edges:
        sides = list(accumulate(sides[0])), list(accumulate(sides[1]))
    place = max(range(len(sides[0])), key=lambda bin_: abs(sides[0][bin_] - sides[1][bin_]))
    if not reference.edges:
        return Difference(names(reference, categories)[place], sides[0][place], sides[1][place])
    edge = reference.edges[min(place, len(reference.edges) - 1)]
    before, then = sides[0][place], sides[1][place]
    if then >= before:
        return Difference(f"up to {plain(edge)}", before, then)
    return Difference(f"above {plain(edge)}", round(1 - before, 12), round(1 - then, 12))


def scale(reference: Profile) -> Scale:
    """Return where the bins lie; the outer ones, which are open, are drawn in to half their neighbour's height."""
    whole, edges = _whole(reference), reference.edges
    low, middle, high = edges[1], edges[len(edges) // 2], edges[-2]
    values = [edges[0] - 0.5, *(edge + 0.5 for edge in edges)] if whole else edges
    skewed = values[1] > 0 and high - middle > SKEWED * (middle - low)
    ends = [_bent(value, skewed) for value in values]
    heights = _heights(joined(reference), ends)
    first, last = joined(reference)[0], joined(reference)[-1]
    ends[0] = max(ends[0], ends[1] - 2 * first / heights[1])
    ends[-1] = min(ends[-1], ends[-2] + 2 * last / heights[-2])
    ticks = [(_bent(value, skewed), _tick(value, value if skewed else high - low)) for value in (low, middle, high)]
    near = 0.15 * (ends[-1] - ends[0])
    apart = ticks[1][0] - ticks[0][0] > near and ticks[2][0] - ticks[1][0] > near
    return Scale(ends, ticks if apart else [ticks[0], ticks[2]], whole)


def _tick(value: float, size: float) -> str:
    """Return a number with as many digits as three digits of `size` take."""
    if value == int(value):
        return plain(value)
    digits = max(0, 2 - math.floor(math.log10(size)))
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def joined(profile: Profile) -> list[float]:
    """Return the shares by the bins of `Scale`: what lies beyond the reference belongs to its outermost bins."""
    found = shares(profile)
    found[-2:] = [found[-2] + found[-1]]
    if not _whole(profile):
        found[:2] = [found[0] + found[1]]
    return found


def densities(profile: Profile, ends: Sequence[float]) -> list[float]:
    """Return the height of each bin, so that areas are shares of rows."""
    return _heights(joined(profile), ends)


def _heights(found: Sequence[float], ends: Sequence[float]) -> list[float]:
    return [share / (high - low) for share, (low, high) in zip(found, pairwise(ends), strict=True)]


def _whole(profile: Profile) -> bool:
    return all(edge == int(edge) for edge in profile.edges)


def _bent(value: float, skewed: bool) -> float:
    if not skewed:
        return value
    return math.log10(value) if value > 0 else -math.inf
