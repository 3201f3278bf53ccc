"""Training: what lands in the model file, and what stops it."""

import math
from functools import reduce
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from imblearn.base import BaseSampler

from examples import CATEGORIES, COST, MIXED, NUMBERS, labelled, params, payments
from fraud.calibration import Calibration, calibrate
from fraud.contract import Contract
from fraud.errors import Problem
from fraud.estimator import Params, estimator
from fraud.features import Matrix, matrix
from fraud.onnx_file import to_onnx
from fraud.profiles import alike, merge
from fraud.rows import Rows
from fraud.rows import labelled as from_table
from fraud.schema import Schema
from fraud.scoring import Model
from fraud.stages.train import Trained, check_same, contract, out_of_fold, train
from servers import SCHEMAS, example

MODELS = ["random_forest", "extra_trees", "logistic_regression", "hist_gradient_boosting"]


def fitted(rows: Rows, schema: Schema, section: Params) -> tuple[Trained, Model]:
    trained = train(rows, schema, section, COST)
    return trained, Model(file_of(trained, rows, schema, section))


def file_of(trained: Trained, rows: Rows, schema: Schema, section: Params) -> bytes:
    return to_onnx(trained.pipeline, trained.calibration, contract(trained, rows, schema, section, "0" * 32))


@pytest.mark.parametrize("schema", [NUMBERS, MIXED, CATEGORIES], ids=lambda schema: schema.name)
@pytest.mark.parametrize("model", MODELS)
def test_the_model_file_says_what_scikit_learn_says(model: str, schema: Schema) -> None:
    rows = labelled(schema)
    trained, file = fitted(rows, schema, params(model=model))
    unseen = labelled(schema, rows=1000, seed=8).features
    expected = trained.calibration.probabilities(trained.pipeline.predict_proba(unseen)[:, 1])
    np.testing.assert_allclose(file.probabilities(unseen), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dataset", SCHEMAS)
@pytest.mark.parametrize("model", MODELS)
def test_a_payment_gets_the_same_bits_alone_and_at_every_place_of_a_batch_of_any_size(model: str, dataset: str) -> None:
    served = example(dataset, model, min_leaf=20)  # The votes of larger leaves take more values.
    features, score = np.tile(served.features, (2, 1))[:1000], served.loaded.probabilities
    alone = np.concatenate([score(features[place : place + 1]) for place in range(len(features))])
    for size in (*range(2, 41), 100, 1000):
        for start in (*range(0, 1001 - size, size), 1000 - size):
            found = score(features[start : start + size])
            assert found.tobytes() == alone[start : start + size].tobytes(), f"{size} rows from {start} on"
    for offset in range(100):
        moved = score(np.concatenate([features[:offset], features[500:501], features[offset:99]]))
        assert moved[offset] == alone[500]


@pytest.mark.parametrize("sampler", ["smote", "undersample", "none"])
@pytest.mark.parametrize("schema", [NUMBERS, MIXED, CATEGORIES], ids=lambda schema: schema.name)
def test_every_sampler_works_on_numbers_and_categories(sampler: str, schema: Schema) -> None:
    _, file = fitted(labelled(schema), schema, params(sampler=sampler, trees=3))
    assert file.contract.sampler == sampler


@pytest.mark.parametrize("model", MODELS)
def test_the_same_rows_give_the_same_bytes_whatever_the_number_of_jobs(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, section, files = labelled(MIXED), params(model=model), []
    for jobs in ("1", "4"):
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", jobs)
        files.append(file_of(train(rows, MIXED, section, COST), rows, MIXED, section))
    assert files[0] == files[1]


def test_another_seed_gives_another_model() -> None:
    rows = labelled(NUMBERS)
    files = [file_of(train(rows, NUMBERS, params(seed=seed), COST), rows, NUMBERS, params()) for seed in (1, 2)]
    assert files[0] != files[1]


def test_the_sampler_never_sees_the_rows_that_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = BaseSampler.fit_resample

    def watched(self: Any, X: Matrix, y: Any, **more: Any) -> Any:
        seen.append(len(X))
        return original(self, X, y, **more)

    monkeypatch.setattr(BaseSampler, "fit_resample", watched)
    rows = labelled(NUMBERS, rows=300)
    scores = out_of_fold(estimator(params(), NUMBERS, 10, 1), rows, params(folds=3))
    assert seen == [200, 200, 200]
    assert len(scores) == 300


def test_smote_leaves_rows_alone_that_hold_enough_frauds() -> None:
    rows, section = labelled(NUMBERS, fraud_share=0.4), params(ratio=0.1)
    resampled = estimator(section, NUMBERS, 50, 1)["sample"].fit_resample(rows.features, rows.labels)[1]
    assert len(resampled) == len(rows.labels)


def test_smote_brings_frauds_up_to_the_ratio() -> None:
    rows = labelled(NUMBERS, rows=1000, fraud_share=0.02)
    resampled = estimator(params(ratio=0.5), NUMBERS, 15, 1)["sample"].fit_resample(rows.features, rows.labels)[1]
    assert resampled.sum() == (resampled == 0).sum() / 2


def test_probabilities_are_calibrated_although_the_sampler_bends_scores() -> None:
    rows, unseen = (
        labelled(NUMBERS, rows=4000, fraud_share=0.02),
        labelled(NUMBERS, rows=4000, fraud_share=0.02, seed=8),
    )
    trained, file = fitted(rows, NUMBERS, params(model="logistic_regression", ratio=1.0))
    bent = trained.pipeline.predict_proba(unseen.features)[:, 1].mean()
    assert bent > 0.1
    assert file.probabilities(unseen.features).mean() == pytest.approx(0.02, rel=0.3)


def test_a_record_is_scored_in_the_order_that_the_contract_of_the_file_says() -> None:
    rows, table = labelled(MIXED), payments(MIXED)
    _, file = fitted(rows, MIXED, params(trees=3))
    np.testing.assert_array_equal(
        file.probabilities(matrix(table, file.contract.schema)), file.probabilities(rows.features)
    )


def test_features_that_say_nothing_about_fraud_are_a_problem_and_no_model_that_ranks_the_wrong_way() -> None:
    scores, labels = np.linspace(0, 1, 100), (np.arange(100) < 10).astype(np.int64)
    with pytest.raises(Problem, match=r"no better than chance .* check the label column"):
        calibrate(scores, labels, 0.01)


def test_calibration_stays_finite_where_scores_part_the_classes() -> None:
    scores, labels = np.linspace(0, 1, 100), (np.arange(100) >= 90).astype(np.int64)
    probabilities = calibrate(scores, labels, 0.01).probabilities(scores)
    assert np.isfinite(probabilities).all()
    assert probabilities[labels == 1].min() > probabilities[labels == 0].max()


def test_a_fixed_threshold_is_taken_as_it_is() -> None:
    _, file = fitted(labelled(NUMBERS), NUMBERS, params(threshold=0.25, trees=3))
    assert file.contract.threshold == 0.25


def test_the_file_carries_its_contract() -> None:
    rows = labelled(MIXED)
    trained, file = fitted(rows, MIXED, params(trees=3))
    assert file.contract == contract(trained, rows, MIXED, params(trees=3), "0" * 32)
    assert file.contract.features == ["amount", "shop", "age", "country"]
    assert list(file.contract.schema.features) == file.contract.features
    shop = file.contract.profile["shop"]
    assert sum(shop.counts) + shop.missing == len(rows.labels)
    assert sum(file.contract.profile["amount"].counts) == len(rows.labels)


def test_the_contract_has_a_profile_of_each_training_batch_and_they_add_up_to_the_whole() -> None:
    table = payments(MIXED).append_column("batch", pa.array(["W1"] * 150 + ["W2"] * 50 + ["W10"] * 200))
    rows = from_table(table, MIXED, COST)
    _, file = fitted(rows, MIXED, params(trees=3))
    ages = [week["age"] for week in file.contract.weeks]
    assert [sum(age.counts) + age.missing for age in ages] == [150, 50, 200]
    assert ages[1] == alike(rows.features[150:200, 2], MIXED.features["age"], file.contract.profile["age"])
    for name, whole in file.contract.profile.items():
        assert reduce(merge, (week[name] for week in file.contract.weeks)) == whole


def test_rows_of_one_batch_are_one_week() -> None:
    _, file = fitted(labelled(MIXED), MIXED, params(trees=3))
    assert file.contract.weeks == [file.contract.profile]


def test_a_contract_of_before_there_were_weeks_is_still_read() -> None:
    _, file = fitted(labelled(MIXED), MIXED, params(trees=3))
    old = msgspec.to_builtins(file.contract)
    del old["weeks"]
    assert msgspec.json.decode(msgspec.json.encode(old), type=Contract).weeks == []


def test_a_missing_value_is_filled_inside_the_model() -> None:
    rows = labelled(MIXED)
    _, file = fitted(rows, MIXED, params(trees=3))
    filled = rows.features.copy()
    places = [list(MIXED.features).index(name) for name in ("shop", "age")]
    filled[:, places[0]] = np.bincount(
        rows.features[~np.isnan(rows.features[:, places[0]]), places[0]].astype(int)
    ).argmax()
    filled[:, places[1]] = np.nanmedian(rows.features[:, places[1]])
    empty = rows.features.copy()
    empty[:, places] = math.nan
    np.testing.assert_array_equal(file.probabilities(empty), file.probabilities(filled))


def test_a_constant_feature_and_one_without_any_value_do_no_harm() -> None:
    rows = labelled(MIXED)
    rows.features[:, 0] = 1.0
    rows.features[:, 2] = math.nan
    _, file = fitted(rows, MIXED, params(trees=3))
    assert np.isfinite(file.probabilities(rows.features)).all()


@pytest.mark.parametrize("frauds", [0, 5, 395, 400])
def test_too_few_of_a_class_is_a_problem_that_names_the_way_out(frauds: int) -> None:
    with pytest.raises(Problem, match=rf"hold {frauds} frauds and {400 - frauds} legitimate .* raise split.weeks"):
        train(labelled(NUMBERS, fraud_share=frauds / 400), NUMBERS, params(), COST)


def test_few_frauds_get_fewer_neighbours() -> None:
    _, file = fitted(labelled(NUMBERS, fraud_share=6 / 400), NUMBERS, params(neighbours=50))
    assert file.contract.training_frauds == 6


def test_a_file_that_says_something_else_than_scikit_learn_stops_the_stage() -> None:
    rows = labelled(NUMBERS)
    trained, file = fitted(rows, NUMBERS, params(trees=3))
    other = trained._replace(
        calibration=Calibration(trained.calibration.slope, trained.calibration.intercept + 1e-6, 0.1)
    )
    with pytest.raises(Problem, match=r"models/model.onnx is .* away from scikit-learn"):
        check_same(file, other, rows.features)


@pytest.mark.parametrize(("frauds", "said"), [(0, "0 frauds and 90"), (5, "5 frauds and 85"), (90, "90 frauds and 0")])
def test_too_few_rows_of_a_kind_are_a_problem_that_counts_them(frauds: int, said: str) -> None:
    rows = labelled(NUMBERS, rows=90, fraud_share=frauds / 90)
    with pytest.raises(
        Problem, match=rf"the training rows hold {said} legitimate payments, but 3 folds need 6 of each"
    ):
        train(rows, NUMBERS, params(), COST)


@pytest.mark.parametrize("sampler", ["smote", "undersample", "none"])
def test_fewer_than_ten_frauds_are_enough_where_the_folds_are_few(sampler: str) -> None:
    rows = labelled(NUMBERS, fraud_share=9 / 400)
    told_apart = rows._replace(features=rows.features + 50 * rows.labels[:, None])
    _, file = fitted(told_apart, NUMBERS, params(sampler=sampler))
    found = file.probabilities(told_apart.features)
    assert np.isfinite(found).all()
    assert found[rows.labels == 1].min() > found[rows.labels == 0].max()
