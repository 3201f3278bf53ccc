"""Payments as a shop or a payment service sees them."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from fraud.simulators.traffic import DAY, LARGE_AMOUNTS, Integers, Numbers, Week, draw, draw_kinds, hour_of, traffic

# Each category's share of the legitimate payments, its median amount and the spread of the amount's logarithm.
CATEGORIES = {
    "grocery": (0.26, 18, 0.5),
    "restaurant": (0.15, 16, 0.4),
    "fuel": (0.10, 32, 0.3),
    "retail": (0.13, 22, 0.6),
    "electronics": (0.04, 90, 0.6),
    "travel": (0.03, 140, 0.6),
    "entertainment": (0.07, 14, 0.5),
    "online": (0.14, 17, 0.8),
    "health": (0.05, 20, 0.5),
    "other": (0.03, 12, 0.8),
}
NAMES = np.array(list(CATEGORIES))
CATEGORY_SHARES, MEDIANS, SPREADS = np.array(list(CATEGORIES.values())).T
WEALTH = 0.3  # Spread of the logarithm of what a customer spends, now and before.
FIRST_PAYMENTS = 0.03  # Share of payments by customers of whom nothing is known.
# What amount, previous amount and minutes are times, by scenario.
DRIFT = {"amounts": (LARGE_AMOUNTS, LARGE_AMOUNTS, 1), "shift": (1, 2, 2)}


class Kind(NamedTuple):
    """A kind of payment: where the money goes, how much of it, and how soon after the payment before."""

    categories: tuple[str, ...]
    amount: float = 1.0  # Times the category's median.
    amount_spread: float = 1.0  # Times the category's spread.
    minutes: float = 900.0  # The median.
    minutes_spread: float = 1.0  # Of the logarithm.


LEGITIMATE = Kind(tuple(CATEGORIES))
CARD_TESTING = Kind(("online", "other"), 0.12, 0.4, 1.5, 0.8)
TAKEOVER = Kind(("electronics", "travel", "online"), 5.0, 0.8, 12.0, 1.0)
CASH_OUT = Kind(("grocery", "fuel", "health"), 10.0, 0.5, 90.0, 1.2)
MIMIC = LEGITIMATE
NEW = Kind(("entertainment", "health"), 3.0, 0.25, 9_000.0, 0.5)
KINDS = [LEGITIMATE, CARD_TESTING, TAKEOVER, CASH_OUT, MIMIC, NEW]
SHARES = [0.24, 0.27, 0.26, 0.23]  # Of the known kinds, among the frauds.


def payments(rng: np.random.Generator, week: Week) -> dict[str, Any]:
    """Return the columns of one week, in the order of time; previous values of a first payment are missing."""
    when = traffic(rng, week)
    kind = draw_kinds(rng, when.fraud, SHARES, week.drift)
    category = _categories(rng, kind)
    usual = _spending(rng, kind, category) * np.array(DRIFT.get(week.drift, (1, 1, 1)))[:, None]
    amount, previous, minutes = np.where(when.burst, _burst_spending(rng, week.rows), usual).round(2)
    first = rng.random(week.rows) < FIRST_PAYMENTS
    return {
        "amount": amount,
        "hour": hour_of(when.seconds),
        "day_of_week": when.seconds // DAY,
        "merchant_category": NAMES[category],
        "previous_amount": pa.array(previous, mask=first),
        "time_since_last": pa.array(minutes, mask=first),
        "is_fraud": when.fraud.astype(np.int64),
    }


def _categories(rng: np.random.Generator, kind: Integers) -> Integers:
    weights = [CATEGORY_SHARES * np.isin(NAMES, each.categories) for each in KINDS]
    return np.choose(kind, [draw(rng, weight, len(kind)) for weight in weights])


def _spending(rng: np.random.Generator, kind: Integers, category: Integers) -> Numbers:
    """Return three rows: amounts, previous amounts (legitimate ones always) and minutes since then."""
    wealth = np.exp(WEALTH * rng.standard_normal(len(kind)))
    before = np.zeros_like(kind)
    previous = _amounts(rng, before, _categories(rng, before))
    median, spread = np.array([(each.minutes, each.minutes_spread) for each in KINDS])[kind].T
    minutes = median * np.exp(spread * rng.standard_normal(len(kind)))
    return np.stack([wealth * _amounts(rng, kind, category), wealth * previous, minutes])


def _amounts(rng: np.random.Generator, kind: Integers, category: Integers) -> Numbers:
    times, spread = np.array([(each.amount, each.amount_spread) for each in KINDS])[kind].T
    return times * MEDIANS[category] * np.exp(spread * SPREADS[category] * rng.standard_normal(len(kind)))


def _burst_spending(rng: np.random.Generator, size: int) -> Numbers:
    """Return three rows: small, similar amounts within two minutes of each other."""
    return np.array([[2.0], [2.0], [0.0]]) + 2 * rng.random((3, size))
