"""When the payments of a week happen, and which of them are frauds; every simulator starts here."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

HOUR = 3_600
DAY = 24 * HOUR
WEEK = 7 * DAY
# Payments in each hour of a day, from midnight; only their ratios count.
HOURS = np.array([12, 7, 5, 4, 4, 6, 12, 24, 40, 52, 56, 56, 56, 54, 54, 54, 54, 56, 58, 56, 52, 46, 34, 20])
NIGHT_HOURS = np.array([60] * 5 + [50, 30] + [20] * 13 + [25, 30, 40, 60])  # In the scenario `night`.
RISK = np.array([4] * 6 + [1] * 17 + [2])  # How much likelier a fraud is in each hour than by day.
MANY_FRAUDS = 3  # Times the ordinary rate, in the scenario `fraud_rate`.
NEW_SHARE = 0.7  # Of the frauds are of the new kind, in the scenario `new_fraud`.
LARGE_AMOUNTS = 125  # Times the ordinary amounts, in the scenario `amounts`: from about 20 to about 2,500.
# In the scenario `bursts`: how many a week, the share of payments in them, and how long one lasts.
BURSTS, BURST_SHARE, BURST_SECONDS = 20, 0.25, 180


class Week(NamedTuple):
    """What makes one week: its number from 1, its size, and the drift that acts in it."""

    number: int
    rows: int
    fraud_rate: float
    drift: str


class Traffic(NamedTuple):
    """One value a payment, in the order of time; `seconds` count from the week's Monday."""

    seconds: Integers
    fraud: Flags
    burst: Flags  # Of legitimate payments only.


def traffic(rng: np.random.Generator, week: Week) -> Traffic:
    """Return the week's payments; the expected share of frauds is the week's rate, whatever the hours."""
    hours = NIGHT_HOURS if week.drift == "night" else HOURS
    burst = (rng.random(week.rows) < BURST_SHARE) & (week.drift == "bursts")
    seconds = np.where(burst, _burst_seconds(rng, week.rows), _seconds(rng, hours, week.rows))
    order = np.argsort(seconds, kind="stable")
    seconds, burst = seconds[order], burst[order]
    rate = week.fraud_rate * (MANY_FRAUDS if week.drift == "fraud_rate" else 1)
    risk = rate * RISK / np.average(RISK, weights=hours)
    fraud = rng.random(week.rows) < risk[hour_of(seconds)]
    return Traffic(seconds, fraud, burst & ~fraud)


def hour_of(seconds: Integers) -> Integers:
    """Return the hour of the day, 0 to 23."""
    return seconds % DAY // HOUR


def draw(rng: np.random.Generator, weights: Any, size: int) -> Integers:
    """Return `size` random places in `weights`, each as often as its weight says."""
    edges = np.cumsum(weights)
    return np.searchsorted(edges[:-1], rng.random(size) * edges[-1], side="right")


def draw_kinds(rng: np.random.Generator, fraud: Flags, shares: list[float], drift: str) -> Integers:
    """Return 0 for each legitimate payment, from 1 on a known kind of fraud, and after these the new kind."""
    new = NEW_SHARE if drift == "new_fraud" else 0.0
    weights = [share * (1 - new) for share in shares] + [new * sum(shares)]
    return np.where(fraud, 1 + draw(rng, weights, len(fraud)), 0)


def _seconds(rng: np.random.Generator, hours: Integers, size: int) -> Integers:
    return rng.integers(7, size=size) * DAY + draw(rng, hours, size) * HOUR + rng.integers(HOUR, size=size)


def _burst_seconds(rng: np.random.Generator, size: int) -> Integers:
    starts = rng.integers(WEEK - BURST_SECONDS, size=BURSTS)
    return starts[rng.integers(BURSTS, size=size)] + rng.integers(BURST_SECONDS, size=size)
