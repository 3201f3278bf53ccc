"""Measure how often ordinary weeks set off an alarm, and how often real changes do, beside other rules."""

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import stats
from tqdm import tqdm

from fraud import params
from fraud.distances import ks_statistic
from fraud.drift_rule import Rule, checks, judge
from fraud.errors import Problem, run
from fraud.features import Matrix, Values
from fraud.loop.worlds import REFERENCE, Week, World, draw, pool, schema_of
from fraud.samples import compare

KINDS, FEATURES, JITTERS = ("independent", "correlated", "heavy"), (6, 30), (0.0, 0.05)
WEEKS = {1_000: 400, 10_000: 150, 100_000: 24}  # How many ordinary weeks of so many rows, for each other setting.
CHANGES = {
    "one feature + 0.1 sd": ("shift", 0.1),
    "one feature + 0.25 sd": ("shift", 0.25),
    "one feature + 0.5 sd": ("shift", 0.5),
    "one feature's spread x 1.3": ("spread", 1.3),
    "category mix, 5 % of rows": ("mix", 0.05),
    "a new category, 1 % of rows": ("new", 0.01),
    "missing, from 0 to 5 %": ("missing", 0.05),
    "all features + 0.05 sd": ("all", 0.05),
    "fraud pattern, marginals as before": ("pattern", 0.0),
}
CHANGED_WEEKS = 60  # How many weeks show the power against each change.
TINY = 0.01  # Standard deviations that must not fire at a million rows.
OTHERS = ("KS p < 0.05", "KS Bonferroni", "PSI > 0.2")
EVIDENTLY = Path(".venv-evidently/bin/python")


class Trial(NamedTuple):
    """One world and what happens in its current week."""

    seed: int
    world: World
    change: str = "none"
    size: float = 0.0


def alarms(trial: Trial, rule: Rule) -> dict[str, bool]:
    """Return which rules fire on the current week of a trial."""
    schema, rng = schema_of(trial.world.features), np.random.default_rng(trial.seed)
    past = [draw(rng, trial.world) for _ in range(trial.world.past)]
    current = draw(rng, trial.world, trial.change, trial.size)
    reference = pool(past[-REFERENCE:], schema)
    ready = current.ready(schema)
    before = [compare(*pair, schema) for pair in pairwise(week.ready(schema) for week in past)]
    found = judge(checks(before, {"now": compare(reference, ready, schema)}), rule)
    plain = _plain(past[-REFERENCE:], current)
    return {"this rule": any(one.fired for one in found)} | plain


def _plain(reference: list[Week], current: Week) -> dict[str, bool]:
    """Return what the usual rules say of the columns of numbers."""
    before = np.concatenate([week.features[:, :-1] for week in reference])
    pairs = [
        tuple(np.sort(side[~np.isnan(side)]) for side in pair) for pair in zip(before.T, current.features[:, :-1].T)
    ]
    chances = [stats.kstwobign.sf(ks_statistic(*pair) * math.sqrt(_size(pair))) for pair in pairs]
    answers = min(chances) < 0.05, min(chances) < 0.05 / len(pairs), max(_psi(*pair) for pair in pairs) > 0.2
    return dict(zip(OTHERS, map(bool, answers), strict=True))


def _size(pair: tuple[Values, ...]) -> float:
    return 1 / sum(1 / len(side) for side in pair)


def _psi(reference: Values, current: Values) -> float:
    """Return the population stability index over tenths of the reference."""
    limits = np.quantile(reference, np.linspace(0.1, 0.9, 9))
    p, q = (
        np.clip(np.diff(np.searchsorted(side, limits), prepend=0, append=len(side)) / len(side), 1e-4, None)
        for side in (reference, current)
    )
    return float(((p - q) * np.log(p / q)).sum())
