"""Calibration: how far probabilities can be trusted is measured as others measure it, before and after."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from examples import COST, NUMBERS, labelled, params
from fraud.calibration import Calibration, calibrate, log_odds
from fraud.loop.bench.calibration import HEAD, before_and_after, line
from fraud.metrics import Scored, intervals, measure, report, scored
from fraud.stages.evaluate import evaluate
from test_train import fitted


def drawn(rows: int = 5000, bend: float = 1.0, seed: int = 7) -> Scored:
    """Return rows whose log-odds are `bend` times as large as they should be."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-3, 1.5, rows)
    fraud = (rng.random(rows) < 1 / (1 + np.exp(-true))).astype(np.int64)
    return scored(1 / (1 + np.exp(-bend * true)), fraud, 100 * fraud.astype(float), 0.5, COST)


def value(rows: Scored, name: str) -> float:
    return float(measure(rows, np.ones((1, len(rows.fraud))))[name][0])


@pytest.mark.parametrize("bend", [0.5, 1.0, 2.0])
def test_the_slope_is_that_of_a_logistic_regression(bend: float) -> None:
    rows = drawn(bend=bend)
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(log_odds(rows.probability, 0)[:, None], rows.fraud)
    assert value(rows, "calibration_slope") == pytest.approx(model.coef_[0, 0], abs=1e-3)


@pytest.mark.parametrize("bend", [0.5, 1.0, 2.0])
def test_the_interval_of_the_slope_tells_bold_and_timid_probabilities_from_right_ones(bend: float) -> None:
    low, high = intervals(drawn(bend=bend), 200, 7)["calibration_slope"]
    assert low is not None
    assert high is not None
    assert low < 1 / bend < high
    assert (low < 1 < high) == (bend == 1)


def test_the_interval_of_the_slope_covers_the_truth_as_often_as_it_says() -> None:
    bounds = [report(drawn(1500, seed=seed), 100, 7)["calibration_slope_interval"] for seed in range(40)]
    assert sum(low <= 1 <= high for low, high in bounds) >= 33  # Of 40 at 95 %: fewer come up once in 300 times.


def test_brier_skill_is_what_is_gained_on_the_rate_of_fraud() -> None:
    rows = drawn()
    ours = brier_score_loss(rows.fraud, rows.probability)
    base = brier_score_loss(rows.fraud, np.full(len(rows.fraud), rows.fraud.mean()))
    assert value(rows, "brier_skill") == pytest.approx(1 - ours / base)
    assert value(rows, "predicted_to_observed") == pytest.approx(rows.probability.mean() / rows.fraud.mean())


def test_probabilities_that_part_the_classes_have_no_slope() -> None:
    rows = scored(np.linspace(0.01, 0.99, 100), (np.arange(100) > 80).astype(np.int64), np.zeros(100), 0.5, COST)
    assert report(rows, 50, 7)["calibration_slope"] is None
    assert report(rows, 50, 7)["calibration_slope_interval"] == [None, None]


@pytest.mark.parametrize("curve", [Calibration(1.8, 0.7, 0.005), Calibration(0.4, -3.0, 1e-9)])
def test_the_score_can_be_had_back_from_the_probability(curve: Calibration) -> None:
    scores = np.array([0.0, 0.01, 0.3, 0.99, 1.0])
    np.testing.assert_allclose(curve.scores(curve.probabilities(scores)), scores, atol=1e-6)
    assert ((curve.scores(np.array([0.0, 1.0])) >= 0) & (curve.scores(np.array([0.0, 1.0])) <= 1)).all()


@pytest.mark.parametrize("sampler", ["none", "undersample", "smote"])
def test_calibration_mends_what_a_sampler_bends_on_rows_that_were_never_seen(sampler: str) -> None:
    rows, unseen = (labelled(NUMBERS, rows=4000, fraud_share=0.03, seed=seed) for seed in (7, 8))
    _, model = fitted(rows, NUMBERS, params(model="logistic_regression", sampler=sampler, ratio=1.0))
    found = report(evaluate(model, unseen, COST), 200, 7)
    assert 0.7 < found["calibration_slope"] < 1.4
    assert found["predicted_to_observed"] == pytest.approx(1, abs=0.25)
    assert sampler == "none" or found["brier"] < found["brier_uncalibrated"] / 2


def test_calibrating_what_is_calibrated_changes_little() -> None:
    rows = drawn(20_000)
    again = calibrate(rows.probability, rows.fraud, 1e-9)
    assert again.slope == pytest.approx(1, abs=0.1)
    assert again.intercept == pytest.approx(0, abs=0.2)


def test_the_table_of_samplers_shows_each_measure_before_and_after() -> None:
    rows = labelled(NUMBERS, rows=1000)
    _, model = fitted(rows, NUMBERS, params(model="logistic_regression", ratio=1.0))
    before, after = before_and_after(model, labelled(NUMBERS, rows=1000, seed=8), COST)
    slope = model.contract.calibration.slope
    assert before["calibration_slope"] == pytest.approx(slope * after["calibration_slope"])
    assert before["predicted_to_observed"] > after["predicted_to_observed"]
    shown = line("smote 1", before, after)
    assert shown.count("|") == HEAD.splitlines()[0].count("|")
    assert f"| {after['calibration_slope']:.2f} (" in shown
