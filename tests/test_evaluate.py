"""Evaluate: metrics equal scikit-learn's, with intervals, and points for the plots."""

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from examples import COST, MIXED, NUMBERS, ROOT, labelled, params, payments
from fraud.cost import Cost, cheapest_threshold
from fraud.curves import curves
from fraud.errors import Problem
from fraud.metrics import Scored, measure, report, scored
from fraud.outputs import write_json
from fraud.rows import Rows
from fraud.schema import Schema
from fraud.stages import evaluate as stage
from fraud.stages.evaluate import evaluate
from fraud.tables import write_table
from test_train import fitted

SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9, 1.0]) | st.floats(0, 1), st.integers(0, 1)), min_size=2
)


def example(rows: int = 2000, seed: int = 7, threshold: float = 0.3) -> Scored:
    rng = np.random.default_rng(seed)
    fraud = (rng.random(rows) < 0.05).astype(np.int64)
    probability = np.clip(np.round(rng.beta(1, 12, rows) + 0.4 * fraud * rng.random(rows), 2), 0, 1)
    return scored(probability, fraud, fraud * rng.lognormal(4, 1, rows), threshold, COST)


def values(rows: Scored) -> dict[str, float]:
    return {name: float(value[0]) for name, value in measure(rows, np.ones((1, len(rows.fraud)))).items()}


@given(SCORES)
def test_ranking_metrics_are_those_of_scikit_learn_ties_included(pairs: list[tuple[float, int]]) -> None:
    probability, fraud = np.array([score for score, _ in pairs]), np.array([label for _, label in pairs])
    found = values(scored(probability, fraud, fraud.astype(float), 0.5, COST))
    if 0 < fraud.sum() < len(fraud):
        assert found["average_precision"] == pytest.approx(sk.average_precision_score(fraud, probability))
        assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(fraud, probability))
    assert found["brier"] == pytest.approx(np.mean((probability - fraud) ** 2))


def test_decision_metrics_are_those_of_scikit_learn() -> None:
    rows = example()
    alerts = rows.probability >= rows.threshold
    found = values(rows)
    assert found["precision"] == pytest.approx(sk.precision_score(rows.fraud, alerts))
    assert found["recall"] == pytest.approx(sk.recall_score(rows.fraud, alerts))
    assert found["alerts_per_1000"] == pytest.approx(1000 * alerts.mean())
    cost_with = rows.lost[~alerts].sum() + COST.alert * alerts.sum()
    assert found["saved_per_1000"] == pytest.approx((rows.lost.sum() - cost_with) / len(alerts) * 1000)


def test_recall_is_read_where_one_legitimate_row_in_a_hundred_is_flagged() -> None:
    rows = example()
    false, true, _ = sk.roc_curve(rows.fraud, rows.probability, drop_intermediate=False)
    assert values(rows)["recall_at_1pct"] == pytest.approx(true[false <= 0.01].max())


def test_intervals_hold_the_value_and_narrow_with_more_rows() -> None:
    small, large = (report(example(rows), 200, 7) for rows in (500, 20_000))
    for name in values(example(500)):
        low, high = large[f"{name}_interval"]
        assert low <= large[name] <= high or name == "calibration_error"  # Its bootstrap is biased upwards.
    widths = [np.ptp(one["average_precision_interval"]) for one in (small, large)]
    assert widths[1] < widths[0] / 3


def test_an_interval_covers_what_a_large_sample_says() -> None:
    truth = values(example(200_000, seed=1))["average_precision"]
    hits = sum(
        low <= truth <= high
        for low, high in (
            report(example(2000, seed=seed), 200, 7)["average_precision_interval"] for seed in range(2, 42)
        )
    )
    assert hits >= 33  # Of 40 at 95 %: fewer come up once in 300 times.


def test_the_same_seed_gives_the_same_report_and_the_counts_are_there() -> None:
    first, again = report(example(), 50, 7), report(example(), 50, 7)
    assert first == again
    assert (first["rows"], first["frauds"]) == (2000, int(example().fraud.sum()))
    assert report(example(), 50, 8) != first


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_leaves_what_is_not_defined_empty_and_never_nan(label: int, tmp_path: Path) -> None:
    rows = scored(np.array([0.1, 0.9]), np.array([label, label]), np.array([0.0, 0.0]), 0.5, COST)
    found = report(rows, 50, 7)
    assert found["roc_auc"] is None
    assert found["roc_auc_interval"] == [None, None]
    write_json(tmp_path / "metrics.json", found)
    assert "NaN" not in (tmp_path / "metrics.json").read_text()
    assert set(curves(rows)) == {"precision_recall", "roc", "reliability", "reliability_before", "cost", "confusion"}


def test_no_alert_at_all_leaves_precision_empty() -> None:
    assert report(example(threshold=1.1), 50, 7)["precision"] is None


def test_the_model_file_scores_the_test_rows_and_its_threshold_decides() -> None:
    rows = labelled(NUMBERS)
    _, model = fitted(rows, NUMBERS, params())
    found = evaluate(model, rows, COST)
    assert sorted(found.probability) == sorted(model.probabilities(rows.features))
    assert found.threshold == model.contract.threshold
    assert values(found)["average_precision"] > 0.9


def test_no_labelled_test_row_is_a_problem_that_names_the_way_out() -> None:
    rows = labelled(NUMBERS)
    _, model = fitted(rows, NUMBERS, params(trees=2))
    with pytest.raises(Problem, match=r"set split\.until to an older batch"):
        evaluate(model, Rows(rows.features[:0], rows.labels[:0], rows.lost[:0]), COST)


BAD: dict[str, tuple[Schema, dict[str, Any], str]] = {  # What is wrong with the test rows, and what is said about it.
    "no fraud": (NUMBERS, {"fraud": 0}, "the test rows hold no fraud: what takes both kinds is null in the reports"),
    "frauds only": (NUMBERS, {"fraud": 1}, "the test rows hold frauds only: what takes both kinds is null"),
    "few frauds": (NUMBERS, {}, "the test rows hold 9 frauds: read the intervals, not the values"),
    "a constant amount": (NUMBERS, {"amount": 1.0}, "read the intervals"),
    "features without a value": (MIXED, {"shop": None, "age": None}, "read the intervals"),
    "no time": (NUMBERS, {"seconds": None}, "read the intervals"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_test_rows_are_said_and_leave_null_and_never_nan(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    schema, changes, said = BAD[case]
    monkeypatch.chdir(tmp_path)
    _, model = fitted(labelled(schema), schema, params(trees=2))
    monkeypatch.setattr(stage, "load", lambda _: model)
    monkeypatch.setattr(stage, "load_schema", lambda _: schema)
    write_table("test.parquet", changed(payments(schema, rows=90), changes))
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    stage.main("schema.yaml", "model.onnx", "test.parquet", "metrics.json", "slices.json", "plots")
    assert said in capsys.readouterr().err.splitlines()[-1]
    metrics, slices = ((tmp_path / f"{name}.json").read_text() for name in ("metrics", "slices"))
    assert not re.search("NaN|Infinity", metrics + slices)
    assert (json.loads(metrics)["roc_auc"] is None) == (case in ("no fraud", "frauds only"))
    assert all(one["reason"] for one in json.loads(slices)["slices"] if one["average_precision"] is None)


def changed(table: pa.Table, values: dict[str, Any]) -> pa.Table:
    """Return the table, of one batch, with the same value in all rows of some columns."""
    for name, value in values.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array([value] * len(table), table.schema.field(name).type))
    return table.append_column("batch", pa.array(["2026-W08"] * len(table)))


def test_curves_are_short_begin_and_end_right_and_agree_with_the_metrics() -> None:
    rows = example(20_000)
    points = curves(rows)
    assert all(len(points[name]) <= 201 for name in points if name != "confusion")
    assert points["roc"][0] == {"false_positive_rate": 0.0, "true_positive_rate": 0.0}
    assert points["roc"][-1] == {"false_positive_rate": 1.0, "true_positive_rate": 1.0}
    assert points["precision_recall"][-1]["recall"] == 1.0
    assert sum(point["rows"] for point in points["reliability"]) == 20_000
    before = curves(rows._replace(raw=rows.probability / 2))["reliability_before"]
    assert sum(point["rows"] for point in before) == 20_000
    assert max(point["predicted"] for point in before) <= 0.5
    cells = Counter((point["actual"], point["predicted"]) for point in points["confusion"])
    assert cells["fraud", "fraud"] / (cells["fraud", "fraud"] + cells["fraud", "legitimate"]) == values(rows)["recall"]


def brute_force(probability: np.ndarray, lost: np.ndarray, cost: Cost) -> float:
    cuts = [*np.unique(probability), 2.0]
    return float(min(lost[probability < cut].sum() + cost.alert * (probability >= cut).sum() for cut in cuts))


@given(SCORES, st.integers(0, 99))
def test_no_other_threshold_is_cheaper(pairs: list[tuple[float, int]], seed: int) -> None:
    probability, fraud = np.array([score for score, _ in pairs]), np.array([label for _, label in pairs])
    lost = fraud * np.random.default_rng(seed).integers(1, 100, len(fraud)).astype(float)
    threshold = cheapest_threshold(probability, lost, COST)
    alerts = probability >= threshold
    assert lost[~alerts].sum() + COST.alert * alerts.sum() == pytest.approx(brute_force(probability, lost, COST))


def test_json_is_the_same_whatever_the_order_of_keys_and_knows_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": math.nan})
    write_json(tmp_path / "b", {"a": math.inf, "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text()) == {"a": None, "b": 1}
