"""Say whether the current weeks still look like the training rows."""

import csv
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fraud import batches, params
from fraud.distances import Distance
from fraud.drift_rule import Check, Rule, judge
from fraud.errors import run
from fraud.features import Values, matrix
from fraud.outputs import write_csv, write_json
from fraud.profiles import Profile
from fraud.samples import Key, Sample, compare, profiles, ranked, sample
from fraud.schema import BATCH, Schema, load
from fraud.tables import by_week, read_table, without_pandas
from fraud.verdict import verdict, weekly

Distances = dict[Key, Distance]


def checks(past: list[Distances], current: dict[str, Distances], reference_weeks: float) -> list[Check]:
    """Return what is compared in a current week, each with its distances in past and current weeks."""
    keys = dict.fromkeys(key for found in current.values() for key in found)
    return [
        Check(
            *key,
            [found[key] for found in past if key in found],
            {week: found[key] for week, found in current.items() if key in found},
            reference_weeks,
        )
        for key in keys
    ]


class Weeks(NamedTuple):
    """The checks of features and labels, and each week's profile by feature, for pictures."""

    checks: list[Check]
    profiles: dict[str, dict[str, Profile]]


def weeks(reference: pa.Table, past: Iterable[pa.Table], current: pa.Table, schema: Schema) -> Weeks:
    """Return what is compared in each week; past weeks are in memory two at a time."""
    whole, drawn = ready(reference, schema), dict[str, dict[str, Profile]]()

    def read(week: str, table: pa.Table) -> Sample:
        one = ready(table, schema)
        drawn[week] = profiles(one, schema, whole)
        return one

    before = [compare(*pair, schema) for pair in pairwise(read(table[BATCH][0].as_py(), table) for table in past)]
    now = {week: compare(whole, read(week, table), schema) for week, table in by_week(current)}
    return Weeks(checks(before, now, effective_weeks(reference)), {"reference": profiles(whole, schema, whole)} | drawn)


def score_checks(scores: pa.Table) -> list[Check]:
    """Return the checks of the model's score, on weeks that it was not trained on, against the test weeks."""
    parts = {part: scores.filter(pc.equal(scores["part"], part)) for part in ("past", "test", "current")}
    if not len(parts["test"]):
        return []
    unseen = [scored(table) for part in ("past", "test") for _, table in by_week(parts[part])]
    reference = scored(parts["test"])
    now = {week: _compare_scores(reference, scored(table)) for week, table in by_week(parts["current"])}
    return checks([_compare_scores(*pair) for pair in pairwise(unseen)], now, effective_weeks(parts["test"]))


def _compare_scores(reference: dict[Key, Values], current: dict[Key, Values]) -> Distances:
    found = {key: ranked(values, current[key]) for key, values in reference.items()}
    return {key: distance for key, distance in found.items() if distance is not None}


def scored(scores: pa.Table) -> dict[Key, Values]:
    """Return the sorted probabilities of all payments, and of those that are known to be fraud."""
    probability, label = scores["probability"].to_numpy(), _labels(scores, "label")
    return {
        ("score", "all payments"): np.sort(probability),
        ("score", "known frauds"): np.sort(probability[label == 1]),
    }


def ready(table: pa.Table, schema: Schema) -> Sample:
    """Return the rows of a table made ready for comparison."""
    return sample(matrix(table, schema), _labels(table, schema.label), schema)


def effective_weeks(table: pa.Table) -> float:
    """Return how many weeks of equal size stray from each other as the weeks of `table` do."""
    rows = pc.value_counts(table[BATCH]).field("counts").to_numpy().astype(float)
    return float(rows.sum() ** 2 / (rows**2).sum())


def past_weeks(names: list[str], current: pa.Table, history: int) -> list[str]:
    """Return the newest weeks before the first current one."""
    now = set(pc.unique(current[BATCH]).to_pylist())
    end = next((place for place, name in enumerate(names) if name in now), len(names))
    return names[max(0, end - history) : end]


def _labels(table: pa.Table, name: str) -> Values:
    return table[name].cast(pa.float64()).to_numpy()


def main(schema_path: str, reference_path: str, current_path: str, *others: str) -> None:
    """Compare two Parquet files, learn ordinary weeks from the folder of batches, and write the verdict."""
    folder, scores_path, importance_path, report, plot, drawn = others
    rule, schema = params.load("drift", Rule), load(schema_path)
    reference, current, files = read_table(reference_path), read_table(current_path), batches.find(folder)
    past = past_weeks(list(files), current, rule.history)
    found = weeks(reference, (read_table(files[name]) for name in past), current, schema)
    findings = judge([*found.checks, *score_checks(read_table(scores_path))], rule)
    with Path(importance_path).open(encoding="utf-8", newline="") as file:
        importance = {row["feature"]: float(row["importance"]) for row in csv.DictReader(file)}
    rows = {"reference": len(reference), "current": len(current)}
    write_json(report, verdict(findings, rule, importance) | {"rows": rows, "past_weeks": past})
    write_csv(plot, weekly(findings))
    write_json(drawn, msgspec.to_builtins(found.profiles))


if __name__ == "__main__":
    without_pandas()
    run(main)
