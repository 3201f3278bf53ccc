"""Simulate pairs of models, and count how often `make gate` rejects one that is as good, and one that is worse."""

import sys
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from tqdm import tqdm

from fraud import gate_rule, params
from fraud.cost import Cost
from fraud.errors import run
from fraud.features import Values
from fraud.gate_rule import CHANCE, Gate, Limit, Pair, differences, interval, ranked, resampled, values, verdict
from fraud.rows import Rows

PAIRS = 500
ROWS = 20_000
FRAUDS = (75, 150)  # Each pair draws their number evenly from here, unless its scenario says otherwise.
SHARED = 0.8  # Of the variance of a score, what both models have in common.
HARD = 0.12  # Share of frauds that look much like the rest, so that average precision comes out near 0.87.
CUT = 3.6  # The score at which a model raises an alert.
WOBBLE = 0.25  # Standard deviation of that score between two trainings, where each picks its own.
LARGE = 500_000  # Rows on which a worse model is tuned.


class Scenario(NamedTuple):
    """How much average precision the candidate lacks, how much thresholds vary, and what the test rows hold."""

    title: str
    lost: float = 0
    wobble: float = 0
    frauds: tuple[int, int] = FRAUDS
    tolerated: float = 1  # Share of the tolerances that applies.


SCENARIOS = (
    Scenario("as good, same threshold"),
    Scenario("as good, same threshold, no tolerance", tolerated=0),
    Scenario("as good, same threshold, 20 to 40 frauds", frauds=(20, 40)),
    Scenario("as good, each with its own threshold", wobble=WOBBLE),
    Scenario("average precision lower by 0.03", lost=0.03),
    Scenario("average precision lower by 0.05", lost=0.05),
    Scenario("average precision lower by 0.1", lost=0.1),
)
RULES = (
    "each at 95 %",
    "all together at 95 %",
    "all together, interval beyond the tolerance",
    "average precision alone",
)


class Scores(NamedTuple):
    """What two models say of the same rows, the legitimate ones first."""

    rows: Rows
    champion: Values
    candidate: Values


def simulate(rng: np.random.Generator, rows: int, frauds: int, strength: float = 1) -> Scores:
    """Return scores of two models that are alike, but for the candidate's `strength` on frauds."""
    labels = (np.arange(rows) >= rows - frauds).astype(np.int64)
    signal = labels * np.where(rng.random(rows) < HARD, rng.normal(0.8, 1, rows), rng.normal(6, 1.2, rows))
    common = np.sqrt(SHARED) * rng.normal(size=rows)
    champion, candidate = (common + np.sqrt(1 - SHARED) * rng.normal(size=rows) for _ in range(2))
    lost = labels * rng.lognormal(3.7, 1.5, rows)  # 126 a fraud in the mean, and a long tail.
    return Scores(Rows(np.empty((rows, 0)), labels, lost), champion + signal, candidate + strength * signal)


def probability(scores: Values) -> Values:
    """Return scores as probabilities, a half of which lies where alerts begin."""
    return 1 / (1 + np.exp(-3 * (scores - CUT)))


def paired(scores: Scores, cuts: tuple[float, float], cost: Cost) -> Pair:
    """Return the two models on rows that are put together where that changes no order and no decision.

    Legitimate rows between the same two frauds in both orders are one row, which stands for as many. Resampling then
    takes a twentieth of the time; it leaves out how the Brier score varies among those, which is next to nothing.
    """
    sides = (scores.champion, scores.candidate)
    fraud = scores.rows.labels == 1
    keys = [np.where(fraud, np.arange(len(fraud)), -1)]
    for side, cut in zip(sides, cuts, strict=True):
        keys += [np.searchsorted(np.sort(side[fraud]), side), np.where(side >= cut, 1, 0)]
    _, first, cell, counts = np.unique(
        np.stack(keys), axis=1, return_index=True, return_inverse=True, return_counts=True
    )
    rows = Rows(scores.rows.features[first], scores.rows.labels[first], scores.rows.lost[first])
    means = [np.sqrt(np.bincount(cell, probability(side) ** 2) / counts) for side in sides]
    thresholds = [float(probability(np.array(cut))) for cut in cuts]
    models = [ranked(mean, rows, cut, cost) for mean, cut in zip(means, thresholds, strict=True)]
    return Pair(models[0], models[1], counts.astype(float))


def rejected(pair: Pair, gate: Gate, limits: Mapping[str, Limit]) -> list[bool]:
    """Return whether each of the rules rejects the candidate."""
    drawn = [differences(pair, weights) for weights in resampled(pair, gate.samples, gate.seed)]
    champion, candidate = (values(one, pair.counts) for one in (pair.champion, pair.candidate))

    def bounds(name: str, chance: float) -> tuple[float, float]:
        return interval(np.concatenate([part[name] for part in drawn]), chance)

    def worse(name: str, chance: float) -> bool:
        return verdict(candidate[name] - champion[name], bounds(name, chance), limits[name]) == "worse"

    together = CHANCE / len(limits)
    return [
        any(worse(name, CHANCE) for name in limits),
        any(worse(name, together) for name in limits),
        any(is_beyond(bounds(name, together), limits[name]) for name in limits),
        "average_precision" in limits and worse("average_precision", CHANCE),
    ]


def is_beyond(bounds: tuple[float, float], limit: Limit) -> bool:
    """Return whether a whole interval is worse than the tolerance: the stricter rule, which was not taken."""
    return bounds[1] < -limit.tolerance if limit.better == "higher" else bounds[0] > limit.tolerance


def weaker(lost: float, cost: Cost) -> float:
    """Return the strength at which the candidate's average precision is lower by `lost` on very many rows."""
    low, high = 0.0, 1.0
    for _ in range(12 if lost else 0):
        middle = (low + high) / 2
        scores = simulate(np.random.default_rng(7), LARGE, LARGE * sum(FRAUDS) // 2 // ROWS, middle)
        pair = paired(scores, (CUT, CUT), cost)
        champion, candidate = (values(one, pair.counts)["average_precision"] for one in (pair.champion, pair.candidate))
        low, high = (middle, high) if champion - candidate > lost else (low, middle)
    return high


def shares(scenario: Scenario, gate: Gate, limits: Mapping[str, Limit], cost: Cost) -> list[float]:
    """Return the share of pairs in which each rule rejects the candidate."""
    rng, strength = np.random.default_rng(gate.seed), weaker(scenario.lost, cost)
    applied = {name: replace(limit, tolerance=scenario.tolerated * limit.tolerance) for name, limit in limits.items()}
    found = []
    for _ in tqdm(range(PAIRS), scenario.title, file=sys.stderr):
        scores = simulate(rng, ROWS, int(rng.integers(*scenario.frauds, endpoint=True)), strength)
        first, second = CUT + scenario.wobble * rng.normal(size=2)
        found.append(rejected(paired(scores, (first, second), cost), gate, applied))
    return list(np.mean(found, axis=0))


def main() -> None:
    """Print a table: a line a scenario, a column a rule."""
    (gate, limits), cost = gate_rule.load(), params.load("cost", Cost)
    print(f"| candidate | {' | '.join(RULES)} |\n|---|{'---|' * len(RULES)}")
    for scenario in SCENARIOS:
        found = " | ".join(f"{100 * share:.1f} %" for share in shares(scenario, gate, limits, cost))
        print(f"| {scenario.title} | {found} |", flush=True)


if __name__ == "__main__":
    run(main)
