"""Say of each metric whether a candidate is better than the champion, from resampled rows that both have scored.

Both models get the same resampled rows, so that what is hard for both cancels out of their difference.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from fraud import params
from fraud.cost import Cost
from fraud.errors import Problem, nearest
from fraud.features import Values
from fraud.metrics import Scored, measure, scored
from fraud.params import FILE, Section
from fraud.rows import Rows

CHANCE = 0.05  # That any interval of a comparison misses the difference that very many rows would show.
CELLS = 1_000_000  # Weights in memory at a time: 8 MB an array.

Verdict = Literal["better", "worse", "no different", "cannot tell"]


class Limit(Section, frozen=True):
    """Which way a metric gets better, and the difference up to which two models count as equally good."""

    better: Literal["higher", "lower"]
    tolerance: Annotated[float, Meta(ge=0)]


class Gate(Section, frozen=True):
    """Section `gate` of params.yaml."""

    metrics: dict[str, Any]
    samples: Annotated[int, Meta(ge=200)]
    seed: Annotated[int, Meta(ge=0)]


class Ranked(NamedTuple):
    """Rows in the order of one model's probabilities, and the place that each had before."""

    rows: Scored
    order: NDArray[np.int64]


class Pair(NamedTuple):
    """Two models on the same rows, and how many payments each row stands for."""

    champion: Ranked
    candidate: Ranked
    counts: Values


class Finding(NamedTuple):
    """What the rows say of one metric; the interval is that of candidate less champion."""

    champion: float
    candidate: float
    low: float
    high: float
    verdict: Verdict


def load() -> tuple[Gate, dict[str, Limit]]:
    """Return section `gate` of params.yaml, and the limit of each metric in it."""
    section, where = params.load("gate", Gate), f"{FILE}, section 'gate'"
    if not section.metrics:
        raise Problem(f"{where}: metrics: found none, expected one at least, like average_precision")
    one = np.ones(1)
    known = list(values(ranked(one, Rows(np.ones((1, 1)), np.ones(1, int), one), 1, Cost(0, 0, 0, 1, "-")), one))
    for name in section.metrics:
        if name not in known:
            remedy = nearest(str(name), known) or f"; expected {', '.join(known)}"
            raise Problem(f"{where}: unknown metric '{name}'{remedy}")
    return section, {
        name: params.check(f"{where}, metric '{name}'", limit, Limit) for name, limit in section.metrics.items()
    }


def ranked(probabilities: Values, rows: Rows, threshold: float, cost: Cost) -> Ranked:
    """Return the rows as a model with these probabilities and this threshold sees them."""
    order = np.argsort(-probabilities, kind="stable")
    return Ranked(scored(probabilities[order], rows.labels[order], rows.lost[order], threshold, cost), order)


def resampled(pair: Pair, samples: int, seed: int) -> Iterator[Values]:
    """Yield bootstrap samples, some at a time: how often each row was drawn, a line a sample."""
    rng, total = np.random.default_rng(seed), int(pair.counts.sum())
    chunk = max(1, CELLS // len(pair.counts))
    for start in range(0, samples, chunk):
        yield rng.multinomial(total, pair.counts / total, min(chunk, samples - start)).astype(float)


def differences(pair: Pair, weights: Values) -> dict[str, Values]:
    """Return candidate less champion for each sample, metric by metric; NaN where it is not defined."""
    champion, candidate = (measure(one.rows, weights[:, one.order]) for one in (pair.champion, pair.candidate))
    return {name: candidate[name] - champion[name] for name in candidate}


def findings(pair: Pair, drawn: list[dict[str, Values]], limits: Mapping[str, Limit]) -> dict[str, Finding]:
    """Return what the differences of all samples say; the intervals hold together, not one by one.

    With one chance in twenty for each of five metrics, one of them would be wrong once in five comparisons.
    """
    champion, candidate = (values(one, pair.counts) for one in (pair.champion, pair.candidate))
    found = {}
    for name, limit in limits.items():
        bounds = interval(np.concatenate([part[name] for part in drawn]), CHANCE / len(limits))
        found[name] = Finding(
            champion[name], candidate[name], *bounds, verdict(candidate[name] - champion[name], bounds, limit)
        )
    return found


def interval(drawn: Values, chance: float) -> tuple[float, float]:
    """Return the bounds that leave out `chance` of the values, half of it on either side; NaN without a value."""
    defined = drawn[np.isfinite(drawn)]
    low, high = np.quantile(defined, [chance / 2, 1 - chance / 2]) if len(defined) else (np.nan, np.nan)
    return float(low), float(high)


def verdict(difference: float, bounds: tuple[float, float], limit: Limit) -> Verdict:
    """Return what a difference and its interval say.

    Better or worse takes both: it is beyond the tolerance, and resampling alone does not turn its sign.
    """
    sign = 1 if limit.better == "higher" else -1
    low, high = sorted(sign * bound for bound in bounds)
    if high < 0 and sign * difference < -limit.tolerance:
        return "worse"
    if low > 0 and sign * difference > limit.tolerance:
        return "better"
    return "no different" if -limit.tolerance <= low and high <= limit.tolerance else "cannot tell"


def values(one: Ranked, counts: Values) -> dict[str, float]:
    """Return the metrics of one model, with each row counted as often as it stands for payments."""
    return {name: float(value[0]) for name, value in measure(one.rows, counts[None, one.order]).items()}
