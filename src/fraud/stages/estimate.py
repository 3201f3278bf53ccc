"""Score the weeks that the model was not trained on; say how well it does there, without labels and then with them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
from msgspec import Meta
from tqdm import tqdm

from fraud import batches, params
from fraud.cost import Cost, losses
from fraud.drift_rule import Rule
from fraud.errors import run
from fraud.estimates import METRICS, Payments, Trust, at_their_word, expected, realised, trust
from fraud.features import Values, matrix
from fraud.importance import importance
from fraud.outputs import write_csv, write_json
from fraud.params import Section
from fraud.rows import read_rows
from fraud.schema import BATCH, Schema, load
from fraud.scoring import Model
from fraud.scoring import load as load_model
from fraud.tables import by_week, read_table, without_pandas, write_table

FIRST = "average_precision"  # The metric that the sentence speaks of.


class Params(Section, frozen=True):
    """Section `estimate` of params.yaml."""

    samples: Annotated[int, Meta(ge=20)]
    seed: Annotated[int, Meta(ge=0)]


class Week(NamedTuple):
    """The scored payments of one week, which plays a part: past, test or current."""

    name: str
    part: str
    payments: Payments
    labels: Values  # NaN where not known.


def score(model: Model, table: pa.Table, part: str, schema: Schema, cost: Cost) -> Week:
    """Return a week with its probabilities."""
    at_stake = losses(table, np.ones(len(table), dtype=np.int64), schema, cost)
    payments = Payments(model.probabilities(matrix(table, schema)), at_stake, model.contract.threshold)
    return Week(table[BATCH][0].as_py(), part, payments, table[schema.label].cast(pa.float64()).to_numpy())


def as_table(weeks: list[Week]) -> pa.Table:
    """Return every payment's week, what part that plays, its probability, and its label where it is known."""
    return pa.concat_tables(
        pa.table(
            {
                BATCH: pa.repeat(week.name, len(week.labels)),
                "part": pa.repeat(week.part, len(week.labels)),
                "probability": week.payments.probability,
                "label": week.labels,
            }
        )
        for week in weeks
    )


def estimates(weeks: list[Week], frauds: int, cost: Cost, section: Params) -> list[dict[str, Any]]:
    """Return the report of each test week, by the model's word, and of each current week, by what test weeks taught."""
    by_word = at_their_word(frauds, section.samples, section.seed)
    tested = [week for week in weeks if week.part == "test"]
    labels = np.concatenate([np.empty(0), *(week.labels for week in tested)]).astype(np.int64)
    learnt = trust(
        np.concatenate([np.empty(0), *(week.payments.probability for week in tested)]),
        labels,
        section.samples,
        section.seed,
    )
    return [
        {"week": week.name, "part": week.part}
        | estimate(week, cost, by_word if week.part == "test" else learnt, section.seed)
        for week in weeks
        if week.part != "past"
    ]


def estimate(week: Week, cost: Cost, believed: Trust, seed: int) -> dict[str, Any]:
    """Return what the metrics are expected to be and, for the payments whose labels are known, what they are."""
    payments, known = week.payments, ~np.isnan(week.labels)
    part = Payments(payments.probability[known], payments.at_stake[known], payments.threshold)
    truth = week.labels[known].astype(np.int64)
    return {
        "rows": len(known),
        "labelled": len(truth),
        "frauds": int(truth.sum()),
        "expected_frauds": round(float(believed.meant(payments.probability, 0).sum()), 3),
        "estimated": expected(payments, cost, believed, seed),
        "realised": realised(part, truth, cost) if len(truth) else dict.fromkeys(METRICS),
    }


def past_weeks(folder: str, split_report: str, history: int) -> list[pa.Table]:
    """Return the newest weeks before the training weeks; more than `history` of them are not read."""
    files, split = batches.find(folder), json.loads(Path(split_report).read_text(encoding="utf-8"))
    names, trained = list(files), split["train"]["batches"]
    return [read_table(files[name]) for name in names[: names.index(trained[0])][-history:]] if trained else []


def sentence(found: list[dict[str, Any]]) -> str:
    """Return the newest week's expectation in words, and whether to trust it."""
    newest = found[-1]
    value, low, high = newest["estimated"][FIRST]
    if value is None or low is None:
        return f"{newest['week']}: too few frauds are expected to promise an average precision"
    words = f"{newest['week']}: the scores promise an average precision of {value:.3f} ({low:.3f} to {high:.3f})"
    truth = newest["realised"][FIRST]
    if truth is None:
        return f"{words}, as long as fraud looks as it did"
    held = "within the band" if low <= truth <= high else "outside the band: fraud changed, so do not trust the promise"
    return f"{words}; the {newest['labelled']} labels known so far give {truth:.3f}, {held}"


def most_first(lost: dict[str, float]) -> list[str]:
    """Return the names from the largest value to the smallest."""
    return sorted(lost, key=lambda name: (-lost[name], name))


def points(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row a week and metric."""
    return [
        {"week": one["week"], "metric": name, "realised": one["realised"][name]}
        | dict(zip(("estimated", "low", "high"), one["estimated"][name], strict=True))
        for one in found
        for name in METRICS
    ]


def read_weeks(folder: str, split_report: str, history: int, **paths: str) -> list[tuple[str, pa.Table]]:
    """Return the past weeks and those in the files of the other parts, each with its part, in this order."""
    weeks = [("past", table) for table in past_weeks(folder, split_report, history)]
    return weeks + [(part, table) for part, path in paths.items() for _, table in by_week(read_table(path))]


def main(schema_path: str, model_path: str, folder: str, *others: str) -> None:
    """Score past, test and current weeks; write the scores, the estimates and each feature's importance."""
    split_report, test_path, current_path, target, report, plots = others
    section, rule, cost = params.load("estimate", Params), params.load("drift", Rule), params.load("cost", Cost)
    schema, model = load(schema_path), load_model(model_path)
    tables = read_weeks(folder, split_report, rule.history, test=test_path, current=current_path)
    bar = tqdm(tables, "estimate", file=sys.stderr, unit="week")
    weeks = [score(model, table, part, schema, cost) for part, table in bar]
    write_table(target, as_table(weeks))
    found = estimates(weeks, model.contract.training_frauds, cost, section)
    write_json(report, {"weeks": found, "sentences": [sentence(found)]})
    write_csv(Path(plots) / "estimated.csv", points(found))
    test = read_rows(test_path, schema, cost)
    lost = importance(model, test.features, test.labels, section.seed)
    write_csv(
        Path(plots) / "importance.csv", [{"feature": name, "importance": lost[name]} for name in most_first(lost)]
    )


if __name__ == "__main__":
    without_pandas()
    run(main)
