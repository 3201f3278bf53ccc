"""Say whether the current weeks still look like the training rows."""

import csv
from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from fraud import batches, params
from fraud.drift_rule import Finding, Key, Rule, checks, equal_weeks, judge
from fraud.errors import run
from fraud.features import Values, matrix
from fraud.labels import known_labels
from fraud.outputs import write_csv, write_json
from fraud.profiles import Profile
from fraud.samples import Sample, compare, profiles, sample, sorted_scores
from fraud.schema import BATCH, Schema, load
from fraud.tables import by_week, read_table, without_pandas
from fraud.verdict import Known, verdict, weekly

Weeks = Iterable[tuple[str, Sample]]


class Drift(NamedTuple):
    """What each check found in each current week, and every week's profile by feature."""

    findings: list[Finding]
    profiles: dict[str, dict[str, Profile]]


def drift(reference: Sample, past: Weeks, current: Weeks, schema: Schema, rule: Rule) -> Drift:  # one a part
    """Compare each past week with the week before it and each current week with the reference; two are in memory."""
    drawn = {"reference": profiles(reference, schema, reference)}

    def seen(weeks: Weeks) -> Iterator[tuple[str, Sample]]:
        for week, one in weeks:
            drawn[week] = profiles(one, schema, reference)
            yield week, one

    before = [compare(one, other, schema) for (_, one), (_, other) in pairwise(seen(past))]
    now = {week: compare(reference, one, schema) for week, one in seen(current)}
    return Drift(judge(checks(before, now), rule), drawn)


class Scored(NamedTuple):
    """Probabilities, with labels where they are known, of the weeks that the model was not trained on."""

    table: pa.Table

    def ready(self, table: pa.Table, schema: Schema) -> Sample:
        """Return the rows of one week made ready for comparison, with their scores where there are any."""
        mine = self.table.filter(pc.equal(self.table[BATCH], table[BATCH][0]))
        return _sample(table, schema)._replace(scores=_scores(mine) if len(mine) else {})

    def reference(self, table: pa.Table, schema: Schema) -> Sample:
        """Return the training rows made ready; their scores are those of the test rows, which the model did not see."""
        test = self.table.filter(pc.equal(self.table["part"], "test"))
        return _sample(table, schema)._replace(
            weeks=effective_weeks(table), scores=_scores(test), score_weeks=effective_weeks(test)
        )


def _sample(table: pa.Table, schema: Schema) -> Sample:
    return sample(matrix(table, schema), known_labels(table, schema.label).cast(pa.float64()).to_numpy(), schema)


def _scores(scored: pa.Table) -> dict[Key, Values]:
    return sorted_scores(scored["probability"].to_numpy(), scored["label"].to_numpy())


def effective_weeks(table: pa.Table) -> float:
    """Return how many weeks of equal size stray from each other as the weeks of `table` do."""
    return equal_weeks(pc.value_counts(table[BATCH]).field("counts").to_numpy().astype(float))


def past_weeks(names: list[str], current: pa.Table, history: int) -> list[str]:
    """Return the newest weeks before the first current one."""
    now = set(pc.unique(current[BATCH]).to_pylist())
    end = next((place for place, name in enumerate(names) if name in now), len(names))
    return names[max(0, end - history) : end]


def category_changes(
    drawn: dict[str, dict[str, Profile]], schema: Schema
) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Return by week and feature the categories that the reference does not have, and those that the week lacks."""
    found = {}
    for week, name in product(drawn, schema.features):
        categories = [str(one) for one in schema.features[name].categories]
        before, now = drawn["reference"][name].counts, drawn[week][name].counts
        if categories:
            new = [one for one, old, count in zip(categories, before, now, strict=True) if count and not old]
            gone = [one for one, old, count in zip(categories, before, now, strict=True) if old and not count]
            found[week, name] = {"new_categories": new, "vanished_categories": gone}
    return found


def read_importance(path: str) -> dict[str, float]:
    """Return how much the model leans on each feature."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return {row["feature"]: float(row["importance"]) for row in csv.DictReader(file)}


def main(schema_path: str, reference_path: str, current_path: str, *others: str) -> None:
    """Compare two Parquet files, learn ordinary weeks from the folder of batches, and write the verdict."""
    folder, scores_path, importance_path, report, plot, drawn = others
    rule, schema, scored = params.load("drift", Rule), load(schema_path), Scored(read_table(scores_path))
    reference, current, files = read_table(reference_path), read_table(current_path), batches.find(folder)
    past = past_weeks(list(files), current, rule.history)
    before = ((name, scored.ready(read_table(files[name]), schema)) for name in past)
    now = ((name, scored.ready(table, schema)) for name, table in by_week(current))
    found = drift(scored.reference(reference, schema), before, now, schema, rule)
    rows = {"reference": len(reference), "current": len(current)}
    weeks = batches.in_order(pc.unique(current[BATCH]).to_pylist())
    known = Known(read_importance(importance_path), category_changes(found.profiles, schema), weeks)
    write_json(report, verdict(found.findings, rule, known) | {"rows": rows, "past_weeks": past})
    write_csv(plot, weekly(found.findings))
    write_json(drawn, msgspec.to_builtins(found.profiles))


if __name__ == "__main__":
    without_pandas()
    run(main)
