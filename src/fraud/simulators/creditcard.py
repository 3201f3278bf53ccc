"""Card payments with about the class statistics of the ULB data set."""

from typing import Any, NamedTuple

import numpy as np

from fraud.simulators.traffic import (
    HOURS,
    LARGE_AMOUNTS,
    WEEK,
    Integers,
    Numbers,
    Traffic,
    Week,
    draw,
    draw_kinds,
    hour_of,
    traffic,
)

COMPONENTS = [f"V{number}" for number in range(1, 29)]
# Standard deviations of V1 to V28 among ULB's legitimate payments; their means are 0.
SPREADS = np.ravel(
    [
        [1.94, 1.64, 1.45, 1.40, 1.36, 1.33, 1.16, 1.16, 1.10, 1.05, 1.00, 0.95, 1.00, 0.90],
        [0.92, 0.84, 0.73, 0.83, 0.81, 0.77, 0.72, 0.72, 0.62, 0.61, 0.52, 0.48, 0.40, 0.33],
    ]
)
# All components of a payment stray together, which gives heavy tails; the mean square of the scales is 1.
SCALES, SCALE_SHARES = np.array([0.6, 1.0, 3.05]), [0.65, 0.30, 0.05]
ONES = 0.04  # Share of the legitimate amounts that are exactly 1.00.
CLOCK = {"V1": 0.2, "V3": 0.5, "V11": -0.4, "V25": 0.3}  # Standard deviations from 9 o'clock to 3 at night.
NIGHTNESS = 1 - np.abs((np.arange(24) + 9) % 24 - 12) / 6  # By hour: 1 at three at night, -1 at 15 o'clock.
SHIFT = {"V4": 0.9, "V10": -0.7, "V12": -0.8, "V14": -1.0}  # Standard deviations, in the scenario `shift`.


class Kind(NamedTuple):
    """A kind of payment: its median amount, the spread of the amount's logarithm, its components' means."""

    amount: float
    amount_spread: float
    means: dict[str, float]
    severity: tuple[float, float] = (1.0, 1.0)  # The means of one payment are times a number between these,
    both_signs: bool = False  # and in every second payment turned around, which no linear model can tell.


LEGITIMATE = Kind(22, 1.6, {})
STRONG = {"V3": -10.5, "V7": -9.0, "V10": -9.0, "V12": -10.0, "V14": -11.0, "V17": -11.0}
WEAKER = {"V1": -7.5, "V2": 5.5, "V4": 6.0, "V5": -5.0, "V6": -2.0, "V9": -4.0, "V11": 5.5, "V16": -7.0, "V18": -4.0}
BLATANT = Kind(9, 1.9, STRONG | WEAKER, (0.25, 1.9))
CARD_TESTING = Kind(1, 0, {"V8": 3.5, "V19": -2.4, "V20": 2.4, "V21": 2.2, "V27": -1.2}, (0.6, 1.4), both_signs=True)
TAKEOVER = Kind(280, 0.8, {"V2": 1.5, "V4": 3.4, "V11": 2.4, "V12": -3.0, "V14": -3.6}, (0.6, 1.4))
MIMIC = LEGITIMATE
NEW = Kind(40, 1.2, {"V13": 3.2, "V15": -2.9, "V22": 2.2, "V24": -2.0, "V26": 1.5, "V28": 1.1}, (0.8, 1.2))
KINDS = [LEGITIMATE, BLATANT, CARD_TESTING, TAKEOVER, MIMIC, NEW]
SHARES = [0.44, 0.20, 0.19, 0.17]  # Of the known kinds, among the frauds.


def creditcard(rng: np.random.Generator, week: Week) -> dict[str, Any]:
    """Return the columns of one week, sorted by Time, which counts from the start of week 1."""
    when = traffic(rng, week)
    kind = draw_kinds(rng, when.fraud, SHARES, week.drift)
    components = _components(rng, kind) + SPREADS * _clock(when)
    if week.drift == "shift":
        components += SPREADS * _vector(SHIFT)
    components = components.round(4) + 0.0  # Which turns -0.0 into 0.0.
    amounts = np.where(when.burst, 2 + 2 * rng.random(week.rows), _amounts(rng, kind))
    if week.drift == "amounts":
        amounts *= LARGE_AMOUNTS
    return {
        "Time": (week.number - 1) * WEEK + when.seconds,
        **dict(zip(COMPONENTS, components.T, strict=True)),
        "Amount": amounts.round(2),
        "Class": when.fraud.astype(np.int64),
    }


def _components(rng: np.random.Generator, kind: Integers) -> Numbers:
    scale = SCALES[draw(rng, SCALE_SHARES, len(kind))]
    low, high = np.array([each.severity for each in KINDS])[kind].T
    turned = np.array([each.both_signs for each in KINDS])[kind] & (rng.random(len(kind)) < 0.5)
    severity = (low + (high - low) * rng.random(len(kind))) * np.where(turned, -1, 1)
    means = np.array([_vector(each.means) for each in KINDS])[kind]
    noise = SPREADS * rng.standard_normal((len(kind), len(COMPONENTS)))
    return scale[:, None] * noise + severity[:, None] * means


def _clock(when: Traffic) -> Numbers:
    nightness = NIGHTNESS - np.average(NIGHTNESS, weights=HOURS)  # An ordinary week's mean is 0.
    return nightness[hour_of(when.seconds)][:, None] * _vector(CLOCK)


def _amounts(rng: np.random.Generator, kind: Integers) -> Numbers:
    median, spread = np.array([(each.amount, each.amount_spread) for each in KINDS])[kind].T
    amounts = median * np.exp(spread * rng.standard_normal(len(kind)))
    return np.where((rng.random(len(kind)) < ONES) & (kind == 0), 1.0, amounts)


def _vector(values: dict[str, float]) -> Numbers:
    return np.array([values.get(name, 0.0) for name in COMPONENTS])
