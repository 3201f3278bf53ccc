"""Measure how often ordinary weeks set off an alarm, and how often real changes do, beside other rules."""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import stats
from tqdm import tqdm

from fraud import params
from fraud.distances import ks_statistic
from fraud.drift_rule import Rule, checks, judge
from fraud.errors import Problem, run
from fraud.features import Values
from fraud.loop.bench.worlds import REFERENCE, Week, World, draw, pool, schema_of
from fraud.samples import compare

KINDS, FEATURES, JITTERS = ("independent", "correlated", "heavy"), (6, 30), (0.0, 0.05)
WEEKS = {1_000: 400, 10_000: 120, 100_000: 12}  # How many ordinary weeks of so many rows, for each other setting.
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
OURS, OTHERS = "this rule", ("KS p < 0.05", "KS Bonferroni", "PSI > 0.2")
EVIDENTLY = ("Evidently, any column", "Evidently, data set")
SEEN_BY_EVIDENTLY, ITS_ROWS = 4, 10_000  # How many trials of a line it is asked about, and of which size.
ITS_PYTHON = Path(".venv-evidently/bin/python")
SPEED_ROWS, SPEED_FEATURES, TURNS = 1_000_000, 30, 3


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
    return {OURS: any(one.fired for one in found)} | plain


def _plain(reference: list[Week], current: Week) -> dict[str, bool]:
    """Return what the usual rules say of the columns of numbers."""
    before = np.concatenate([week.features[:, :-1] for week in reference])
    pairs = [
        tuple(np.sort(side[~np.isnan(side)]) for side in pair)
        for pair in zip(before.T, current.features[:, :-1].T, strict=True)
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


class Line(NamedTuple):
    """Trials of one kind, and what they are."""

    name: str
    trials: list[Trial]


def ordinary(weeks: dict[int, int]) -> Iterator[Line]:
    """Yield the trials in which nothing happens."""
    for rows, features, kind, jitter in product(weeks, FEATURES, KINDS, JITTERS):
        world = World(kind, rows, features, jitter)
        name = f"{rows} rows, {features} features, {kind}, " + (f"jitter {jitter} sd" if jitter else "no jitter")
        yield Line(name, _trials(world, weeks[rows]))


def changed(weeks: int) -> Iterator[Line]:
    """Yield the trials in which something does, and one in which it is too small to matter."""
    for jitter, (name, change) in product(JITTERS, CHANGES.items()):
        world = World("independent", 10_000, 30, jitter)
        yield Line(name + (f", jitter {jitter} sd" if jitter else ""), _trials(world, weeks, *change))
    tiny = World("independent", 1_000_000, 6, 0.0, past=4)
    yield Line(
        "one feature + 0.01 sd at 1,000,000 rows (must not fire)", _trials(tiny, max(1, weeks // 20), "shift", 0.01)
    )


def _trials(world: World, weeks: int, change: str = "none", size: float = 0.0) -> list[Trial]:
    return [Trial(seed, world, change, size) for seed in range(weeks)]


def count(line: Line, rule: Rule) -> dict[str, list[bool]]:
    """Return what each rule said of each trial of a line."""
    answers = Parallel(n_jobs=-1, return_as="generator")(delayed(alarms)(trial, rule) for trial in line.trials)
    found = list(tqdm(answers, line.name, len(line.trials), leave=False, file=sys.stderr, unit="week"))
    said = {name: [one[name] for one in found] for name in (OURS, *OTHERS)}
    if line.trials[0].world.rows == ITS_ROWS and ITS_PYTHON.exists():
        theirs = evidently([_pair(trial) for trial in line.trials[:SEEN_BY_EVIDENTLY]])
        said |= {name: [bool(answer[place]) for answer in theirs] for place, name in enumerate(EVIDENTLY, 1)}
    return said


def evidently(pairs: Sequence[dict[str, Values]]) -> list[list[float]]:
    """Return for each pair of samples the seconds that Evidently took, and its two answers."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{place}.npz") for place in range(len(pairs))]
        for path, pair in zip(paths, pairs, strict=True):
            np.savez(path, reference=pair["reference"], current=pair["current"])
        script = Path(__file__).with_name("evidently_default.py")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(ITS_PYTHON), "-W", "ignore", str(script), *paths]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        remedy = f"remove {ITS_PYTHON.parents[1]} and run `make bench-drift` again"
        raise Problem(f"Evidently ended with: {done.stderr.strip().splitlines()[-1]}; {remedy}")
    answers = (line.split() for line in done.stdout.splitlines())
    return [
        [float(seconds), float(any_column == "True"), float(whole == "True")] for seconds, any_column, whole in answers
    ]


def _pair(trial: Trial) -> dict[str, Values]:
    rng = np.random.default_rng(trial.seed)
    past = [draw(rng, trial.world) for _ in range(trial.world.past)]
    current = draw(rng, trial.world, trial.change, trial.size)
    return {"reference": np.concatenate([week.features for week in past[-REFERENCE:]]), "current": current.features}


def table(lines: Sequence[Line], rule: Rule) -> dict[str, list[bool]]:
    """Print the share of weeks in which each rule fired, a row a line, and return all answers."""
    names = (OURS, *OTHERS, *EVIDENTLY)
    print("| weeks | " + " | ".join(("", *names)[1:]) + " |  |", flush=True)
    print("|---:|" + "---:|" * len(names) + "---|")
    total: dict[str, list[bool]] = {name: [] for name in names}
    for line in lines:
        said = count(line, rule)
        for name in names:
            total[name] += said.get(name, [])
        print(f"| {len(line.trials)} | {_shares(said, names)} | {line.name} |", flush=True)
    print(f"| {len(total[OURS])} | {_shares(total, names)} | all |\n", flush=True)
    return total


def _shares(said: dict[str, list[bool]], names: Sequence[str]) -> str:
    return " | ".join(f"{np.mean(said[name]):.3f}" if said.get(name) else "" for name in names)


def speed() -> None:
    """Print how long a million rows take against a profiled reference, beside scipy and Evidently, in turns."""
    rng = np.random.default_rng(7)
    reference, current = rng.normal(size=(2, SPEED_FEATURES, SPEED_ROWS))
    profiled = [np.sort(column) for column in reference]
    seconds: dict[str, list[float]] = {"ours": [], "scipy": []}
    for _ in tqdm(range(TURNS), "speed", file=sys.stderr, unit="turn"):
        start = time.perf_counter()
        ours = [ks_statistic(one, np.sort(other)) for one, other in zip(profiled, current, strict=True)]
        middle = time.perf_counter()
        theirs = [stats.ks_2samp(one, other).statistic for one, other in zip(reference, current, strict=True)]
        seconds["ours"].append(middle - start)
        seconds["scipy"].append(time.perf_counter() - middle)
        if ours != theirs:
            raise Problem("the statistic differs from scipy's; this is a fault of src/fraud/distances.py")
    if ITS_PYTHON.exists():
        pair = {"reference": reference.T, "current": current.T}
        seconds["Evidently"] = [answer[0] for answer in evidently([pair])]
    ours_median = median(seconds.pop("ours"))
    size = f"{SPEED_ROWS} x {SPEED_FEATURES}"
    print(f"{size} against a profiled reference: {ours_median:.2f} s, each statistic equal to scipy's")
    for name, took in seconds.items():
        print(f"  {name}: {median(took):.1f} s, {median(took) / ours_median:.1f} times as long")


def main(weeks: str = "") -> None:
    """Print false alarms, power and speed; `weeks` is the share of the usual number of weeks."""
    share = float(weeks or 1)
    rule = params.load("drift", Rule)
    print(f"ordinary weeks: the share in which a rule fired; promised {rule.weekly_chance:.4f}\n")
    counts = {rows: max(1, round(share * number)) for rows, number in WEEKS.items()}
    found = table(list(ordinary(counts)), rule)[OURS]
    most = stats.binom.isf(0.01, len(found), rule.weekly_chance) / len(found)
    print(f"{np.mean(found):.4f} of {len(found)} ordinary weeks; chance explains up to {most:.4f} (99 %)\n")
    print("changed weeks: the share in which a rule fired\n")
    table(list(changed(max(1, round(share * CHANGED_WEEKS)))), rule)
    speed()


if __name__ == "__main__":
    run(main)
