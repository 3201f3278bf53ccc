"""Score the weeks that the model was not trained on; say how well it does there, without labels and then with them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from msgspec import Meta
from tqdm import tqdm

from fraud import batches, params
from fraud.cost import Cost, losses
from fraud.drift_rule import Rule
from fraud.errors import run
from fraud.estimates import METRICS, Draws, Payments, expected, realised
from fraud.features import Values, matrix
from fraud.importance import importance
from fraud.outputs import write_csv, write_json
from fraud.params import Section
from fraud.rows import read_rows
from fraud.schema import BATCH, load
from fraud.scoring import load as load_model
from fraud.tables import by_week, read_table, without_pandas, write_table


class Params(Section, frozen=True):
    """Section `estimate` of params.yaml."""

    samples: Annotated[int, Meta(ge=20)]
    seed: Annotated[int, Meta(ge=0)]


def scored(table: pa.Table, part: str, probability: Values, label: str) -> pa.Table:
    """Return each row's week, what part the week plays, its probability, and its label where it is known."""
    names = {BATCH: table[BATCH], "part": pa.repeat(part, len(table))}
    return pa.table(names | {"probability": probability, "label": table[label].cast(pa.float64())})


def estimate(payments: Payments, labels: Values, cost: Cost, draws: Draws) -> dict[str, Any]:
    """Return what the metrics are expected to be and, for the payments whose labels are known, what they are."""
    known = ~np.isnan(labels)
    part = Payments(payments.probability[known], payments.at_stake[known], payments.threshold)
    truth = labels[known].astype(np.int64)
    return {
        "rows": len(labels),
        "labelled": len(truth),
        "frauds": int(truth.sum()),
        "expected_frauds": round(float(payments.probability.sum()), 3),
        "estimated": expected(payments, cost, draws),
        "realised": realised(part, truth, cost) if len(truth) else dict.fromkeys(METRICS),
    }


def past_weeks(folder: str, split_report: str, history: int) -> list[pa.Table]:
    """Return the newest weeks before the training weeks; more than `history` of them are not read."""
    files, split = batches.find(folder), json.loads(Path(split_report).read_text(encoding="utf-8"))
    names, trained = list(files), split["train"]["batches"]
    return [read_table(files[name]) for name in names[: names.index(trained[0])][-history:]] if trained else []


def sentence(found: list[dict[str, Any]]) -> str:
    """Return the newest week's expectation in words."""
    newest = found[-1]
    value, low, high = newest["estimated"]["average_precision"]
    words = f"{newest['week']}: the scores promise an average precision of {value} ({low} to {high})"
    truth = newest["realised"]["average_precision"]
    return words if truth is None else f"{words}; the {newest['labelled']} labels known so far give {truth}"


def points(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row a week and metric."""
    return [
        {"week": one["week"], "metric": name, "realised": one["realised"][name]}
        | dict(zip(("estimated", "low", "high"), one["estimated"][name], strict=True))
        for one in found
        for name in METRICS
    ]


def main(schema_path: str, model_path: str, folder: str, *others: str) -> None:
    """Score past, test and current weeks; write the scores, the estimates and each feature's importance."""
    split_report, test_path, current_path, target, report, plots = others
    section, rule, cost = params.load("estimate", Params), params.load("drift", Rule), params.load("cost", Cost)
    schema, model = load(schema_path), load_model(model_path)
    draws = Draws(section.samples, section.seed, model.contract.training_frauds)
    parts = [("past", table) for table in past_weeks(folder, split_report, rule.history)]
    for part, path in (("test", test_path), ("current", current_path)):
        parts += [(part, table) for _, table in by_week(read_table(path))]
    scores, found = [], []
    for part, table in tqdm(parts, "estimate", file=sys.stderr, unit="week"):
        probability = model.probabilities(matrix(table, schema))
        scores.append(scored(table, part, probability, schema.label))
        if part != "past":
            at_stake = losses(table, np.ones(len(table), dtype=np.int64), schema, cost)
            payments = Payments(probability, at_stake, model.contract.threshold)
            labels = scores[-1]["label"].to_numpy()
            found.append({"week": table[BATCH][0].as_py(), "part": part} | estimate(payments, labels, cost, draws))
    write_table(target, pa.concat_tables(scores))
    write_json(report, {"weeks": found, "sentences": [sentence(found)]})
    write_csv(Path(plots) / "estimated.csv", points(found))
    test = read_rows(test_path, schema, cost)
    lost = importance(model, test.features, test.labels, section.seed)
    write_csv(
        Path(plots) / "importance.csv",
        [
            {"feature": name, "importance": loss}
            for name, loss in sorted(lost.items(), key=lambda item: (-item[1], item[0]))
        ],
    )


if __name__ == "__main__":
    without_pandas()
    run(main)
