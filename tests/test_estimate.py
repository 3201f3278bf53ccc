"""Estimate: what calibrated scores promise, what came of it, and which features the model leans on."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from examples import COST, NUMBERS, labelled, params
from fraud.estimates import METRICS, Payments, at_their_word, expected, realised, trust
from fraud.importance import _average_precision, importance
from fraud.rows import Rows
from fraud.stages.estimate import Week, estimate, past_weeks, points, sentence
from fraud.tables import write_table
from test_train import fitted

TRUST = at_their_word(500, 100, 7)


def payments(rows: int = 4000, seed: int = 7) -> Payments:
    rng = np.random.default_rng(seed)
    return Payments(rng.beta(0.05, 1.0, rows).clip(1e-9, 1 - 1e-9), rng.lognormal(4, 1, rows).round(2), 0.2)


def drawn(found: Payments, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(len(found.probability)) < found.probability).astype(np.int64)


def ends(band: list[float | None]) -> tuple[float, float]:
    _, low, high = band
    assert low is not None
    assert high is not None
    return low, high


def test_what_is_promised_is_what_comes_on_average_where_probabilities_are_right() -> None:
    found = payments()
    promised = expected(found, COST, TRUST, 7)
    came = [realised(found, drawn(found, seed), COST) for seed in range(200)]
    for name in METRICS:
        mean = np.mean([one[name] for one in came])
        assert promised[name][0] == pytest.approx(mean, rel=0.03), name


def test_the_band_holds_what_comes_nineteen_times_in_twenty() -> None:
    hits = []
    for seed in range(60):
        found = payments(seed=seed)
        promised, came = expected(found, COST, at_their_word(500, 60, 7), 7), realised(found, drawn(found, seed), COST)
        low, high = ends(promised["recall"])
        hits.append(low <= (came["recall"] or 0) <= high)
    assert np.mean(hits) > 0.85


def test_fewer_frauds_behind_the_calibration_widen_the_band() -> None:
    few, many = (
        ends(expected(payments(), COST, at_their_word(frauds, 100, 7), 7)["precision"]) for frauds in (5, 5000)
    )
    assert few[1] - few[0] > 1.5 * (many[1] - many[0])


def test_probabilities_that_are_too_timid_are_mended_by_labelled_weeks() -> None:
    honest = payments(20_000)
    odds = np.log(honest.probability / (1 - honest.probability))
    timid = honest._replace(probability=1 / (1 + np.exp(-(odds / 1.5 - 0.5))))
    learnt = trust(timid.probability, drawn(honest, 3), 100, 7)
    assert learnt.slopes[0] == pytest.approx(1.5, rel=0.1)
    promised, by_word = (expected(timid, COST, believed, 7)["recall"] for believed in (learnt, TRUST))
    came = realised(timid, drawn(honest, 4), COST)["recall"]
    assert ends(promised)[0] <= (came or 0) <= ends(promised)[1]
    assert not ends(by_word)[0] <= (came or 0) <= ends(by_word)[1]


def test_labelled_weeks_with_few_frauds_teach_nothing_and_widen_the_band() -> None:
    probability, labels = np.linspace(0.01, 0.9, 300), np.zeros(300, dtype=np.int64)
    labels[:5] = 1
    found = trust(probability, labels, 50, 7)
    assert found.meant(probability, 0) == pytest.approx(probability)
    assert np.std(found.intercepts) > 0.3


def test_the_same_seed_gives_the_same_band() -> None:
    assert expected(payments(), COST, TRUST, 7) == expected(payments(), COST, TRUST, 7)
    assert expected(payments(), COST, TRUST, 7) != expected(payments(), COST, TRUST, 8)


def test_weeks_without_labels_are_estimated_and_have_no_realised_values() -> None:
    found = payments(500)
    report = estimate(Week("w1", "current", found, np.full(500, np.nan)), COST, TRUST, 7)
    assert (report["rows"], report["labelled"], report["frauds"]) == (500, 0, 0)
    assert report["realised"] == dict.fromkeys(METRICS)
    assert report["estimated"]["recall"][0] is not None
    assert "labels known" not in sentence([{"week": "w1", **report}])


def test_only_known_labels_count_for_what_was_realised() -> None:
    found, labels = payments(500), np.zeros(500)
    labels[0], labels[1:250] = 1, np.nan
    report = estimate(Week("w1", "current", found, labels), COST, TRUST, 7)
    assert (report["labelled"], report["frauds"]) == (251, 1)
    assert report["realised"]["recall"] in (0.0, 1.0)
    assert "the 251 labels known so far give" in sentence([{"week": "w1", **report}])
    assert [row["metric"] for row in points([{"week": "w1", **report}])] == list(METRICS)


def test_a_week_without_fraud_leaves_what_is_not_defined_empty() -> None:
    found = Payments(np.full(50, 0.01), np.ones(50), 0.5)
    came = realised(found, np.zeros(50, dtype=np.int64), COST)
    assert (came["recall"], came["precision"], came["alerts_per_1000"]) == (None, None, 0.0)
    assert "NaN" not in json.dumps(expected(found, COST, TRUST, 7))


def test_history_is_read_from_before_the_training_weeks_only(tmp_path: Path) -> None:
    for week in range(1, 7):
        write_table(tmp_path / f"w{week}.parquet", pa.table({"batch": [f"w{week}"]}))
    report = tmp_path / "split.json"
    report.write_text(json.dumps({"train": {"batches": ["w4", "w5"]}}))
    (tmp_path / "weeks").mkdir()
    for path in tmp_path.glob("w?.parquet"):
        path.rename(tmp_path / "weeks" / path.name)
    tables = past_weeks(str(tmp_path / "weeks"), str(report), 2)
    assert [table["batch"][0].as_py() for table in tables] == ["w2", "w3"]


def noisy(rows: Rows, seed: int) -> Rows:
    noise = np.random.default_rng(seed + 10).normal(size=(2, len(rows.labels)))
    return rows._replace(features=np.column_stack([noise[0], noise[1] + 3 * rows.labels]))


def test_a_feature_that_tells_fraud_matters_and_noise_does_not() -> None:
    learnt, fresh = (noisy(labelled(NUMBERS, rows=1000, seed=seed), seed) for seed in (1, 2))
    _, model = fitted(learnt, NUMBERS, params(trees=20))
    found = importance(model, fresh.features, fresh.labels, 7)
    assert found["amount"] > 0.3
    assert found["speed"] < found["amount"] / 3
    assert importance(model, fresh.features, 0 * fresh.labels, 7) == {"speed": 0.0, "amount": 0.0}


def test_average_precision_is_that_of_scikit_learn_ties_included() -> None:
    rng = np.random.default_rng(7)
    scores, truth = rng.integers(0, 9, 300) / 9, rng.integers(0, 2, 300)
    assert _average_precision(scores, truth) == pytest.approx(sk.average_precision_score(truth, scores))


def test_what_is_known_without_labels_has_no_band() -> None:
    value, low, high = expected(payments(), COST, TRUST, 7)["alerts_per_1000"]
    assert low == value == high


def test_too_few_expected_frauds_promise_nothing_that_hangs_on_them() -> None:
    found = Payments(np.full(30, 0.01), np.ones(30), 0.5)
    promised = expected(found, COST, TRUST, 7)
    assert promised["recall"] == promised["average_precision"] == [None, None, None]
    week = {"week": "w1", **estimate(Week("w1", "current", found, np.full(30, np.nan)), COST, TRUST, 7)}
    assert sentence([week]) == "w1: too few frauds are expected to promise an average precision"


def test_a_realised_value_outside_the_band_is_said_to_be_no_promise_kept() -> None:
    found = payments()
    wrong = Week("w1", "current", found, drawn(found, 3)[::-1].astype(float))
    assert "outside the band: fraud changed" in sentence([{"week": "w1", **estimate(wrong, COST, TRUST, 7)}])
