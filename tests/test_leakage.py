"""No leak: what is tested was never trained on, by no step; and each check is seen to catch a leak that was planted."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from imblearn.base import BaseSampler
from imblearn.over_sampling import SMOTENC
from sklearn.ensemble import ExtraTreesClassifier

from examples import COST, ROOT, params
from fraud.estimator import estimator
from fraud.features import Matrix, Values
from fraud.preparation import Encode, Prepare
from fraud.rows import Rows
from fraud.schema import Column, Schema
from fraud.stages import train as stage
from fraud.stages.split import Params, Splits, split, window
from fraud.yamlfile import read_yaml

ROWS = 60
# The category is the row's number: it passes through every step as it is, so that each step can be asked what it saw.
MARKED = Schema(
    "marked",
    {
        "amount": Column(role="feature", type="number", min=0),
        "row": Column(role="feature", type="category", categories=tuple(f"r{row}" for row in range(ROWS))),
        "fraud": Column(role="label", type="integer"),
    },
)
FRAUD = (np.arange(ROWS) % 4 == 0).astype(np.int64)
AMOUNTS = np.random.default_rng(7).random(ROWS) + FRAUD
MARKED_ROWS = Rows(np.stack([AMOUNTS, np.arange(ROWS, dtype=float)]).T, FRAUD, 100 * FRAUD.astype(float))


class Event(NamedTuple):
    """A step, and the rows that it was given."""

    step: str
    rows: set[int]


def numbers(X: Matrix) -> set[int]:
    """Return the numbers of the rows, also of those that are encoded already."""
    return {int(row) for row in (X[:, 1] if X.shape[1] == 2 else X[:, 1:].argmax(axis=1))}


def leaks(log: list[Event]) -> set[str]:
    """Return the steps that were fitted on a row which the same fold scored."""
    found, fitted = set[str](), list[Event]()
    for event in log:
        if event.step == "score":
            found |= {one.step for one in fitted if one.rows & event.rows}
            fitted = []
        else:
            fitted.append(event)
    return found


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Record what each step sees, one fold after the other."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    events: list[Event] = []

    def watch(kind: Any, method: str, step: str) -> None:
        original: Callable[..., Any] = getattr(kind, method)

        def watched(self: Any, X: Matrix, *more: Any, **options: Any) -> Any:
            events.append(Event(step, numbers(X)))
            return original(self, X, *more, **options)

        monkeypatch.setattr(kind, method, watched)

    watch(Prepare, "fit", "prepare")
    watch(BaseSampler, "fit_resample", "sample")
    watch(Encode, "fit", "encode")
    watch(ExtraTreesClassifier, "fit", "model")
    watch(ExtraTreesClassifier, "predict_proba", "score")
    return events


class LeakyPrepare(Prepare):
    def fit(self, X: Matrix, y: Any = None) -> Any:  # noqa: ARG002 - scikit-learn's signature
        return super().fit(MARKED_ROWS.features, FRAUD)


class LeakySampler(SMOTENC):  # type: ignore[misc]  # imbalanced-learn ships no types
    def fit_resample(self, X: Matrix, y: Any) -> Any:  # noqa: ARG002 - imbalanced-learn's signature
        return super().fit_resample(MARKED_ROWS.features, FRAUD)


class LeakyEncode(Encode):
    def fit(self, X: Matrix, y: Any = None) -> Any:  # noqa: ARG002 - scikit-learn's signature
        return super().fit(MARKED_ROWS.features, FRAUD)


class LeakyTrees(ExtraTreesClassifier):  # type: ignore[misc]  # scikit-learn ships no types
    def fit(self, X: Matrix, y: Any) -> Any:  # noqa: ARG002 - scikit-learn's signature
        return super().fit(Encode([0, ROWS]).fit_transform(MARKED_ROWS.features), FRAUD)


LEAKS = {
    "prepare": LeakyPrepare([0, ROWS]),
    "sample": LeakySampler([1], k_neighbors=2),
    "encode": LeakyEncode([0, ROWS]),
    "model": LeakyTrees(5),
}


@pytest.mark.parametrize("sampler", ["smote", "undersample", "none"])
def test_each_row_is_scored_once_by_steps_that_never_saw_it(sampler: str, log: list[Event]) -> None:
    section = params(sampler=sampler, ratio=0.5)
    stage.out_of_fold(estimator(section, MARKED, 10, 1), MARKED_ROWS, section)
    assert leaks(log) == set()
    scored = [row for event in log if event.step == "score" for row in event.rows]
    assert sorted(scored) == list(range(ROWS))
    assert {event.step for event in log} >= {"prepare", "encode", "model", "score"}
    assert ("sample" in {event.step for event in log}) == (sampler != "none")


@pytest.mark.parametrize("step", LEAKS)
def test_a_step_that_is_fitted_on_all_rows_is_caught(step: str, log: list[Event]) -> None:
    pipeline = estimator(params(), MARKED, 10, 1).set_params(**{step: LEAKS[step]})
    stage.out_of_fold(pipeline, MARKED_ROWS, params())
    assert step in leaks(log)


def decided_on(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Values], list[Values]]:
    """Return what calibration and threshold were fitted on in a training, beside the honest scores."""
    given: list[Values] = []

    def watch(name: str) -> None:
        original: Callable[..., Any] = getattr(stage, name)

        def watched(scores: Values, *more: Any) -> Any:
            given.append(scores)
            return original(scores, *more)

        monkeypatch.setattr(stage, name, watched)

    watch("calibrate")
    watch("cheapest_threshold")
    section = params(ratio=0.5)
    honest = stage.out_of_fold(estimator(section, MARKED, 10, 1), MARKED_ROWS, section)
    trained = stage.train(MARKED_ROWS, MARKED, section, COST)
    return given, [honest, trained.calibration.probabilities(honest)]


def test_calibration_and_threshold_see_scores_of_rows_that_their_model_never_saw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, honest = decided_on(monkeypatch)
    np.testing.assert_array_equal(given, honest)


def test_calibration_on_scores_of_the_training_rows_themselves_is_caught(
    monkeypatch: pytest.MonkeyPatch, log: list[Event]
) -> None:
    def in_sample(pipeline: Any, rows: Rows, _: Any) -> Values:
        scores: Values = pipeline.fit(rows.features, rows.labels).predict_proba(rows.features)[:, 1]
        return scores

    section = params(ratio=0.5)
    honest = stage.out_of_fold(estimator(section, MARKED, 10, 1), MARKED_ROWS, section)
    assert leaks(log) == set()
    monkeypatch.setattr(stage, "out_of_fold", in_sample)
    given, _ = decided_on(monkeypatch)
    assert not np.array_equal(given[0], honest)
    assert "model" in leaks(log)


def test_training_is_given_no_test_rows_and_evaluation_no_training_rows() -> None:
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    data = {name: [dep for dep in stages[name]["deps"] if dep.startswith("data/split")] for name in stages}
    assert (data["train"], data["evaluate"]) == (["data/split/train.parquet"], ["data/split/test.parquet"])


SPLIT = Params(method="time", until=None, weeks=4, test_weeks=1, label_delay_weeks=0, test_fraction=0.25, seed=7)


def parted(section: Params) -> Splits:
    """Return the parts of five batches whose rows carry the second at which they happened."""
    tables = {}
    for week in range(5):
        seconds = np.arange(8) + 8 * week
        tables[f"W{week}"] = pa.table({"second": seconds, "fraud": seconds % 2, "batch": [f"W{week}"] * 8})
    return split(tables, window(list(tables), section), "fraud", section)


def faults(parts: Splits) -> set[str]:
    """Return what is wrong with the parts."""
    train, test = (part["second"].to_pylist() for part in (parts.train, parts.test))
    found = {"in both"} if set(train) & set(test) else set[str]()
    return found | ({"older than training"} if min(test) < max(train) else set())


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_no_row_is_in_both_parts_and_no_test_row_is_older_than_a_training_row(delay: int) -> None:
    assert faults(parted(msgspec.structs.replace(SPLIT, label_delay_weeks=delay))) == set()


def test_a_stratified_split_shares_no_row_although_it_mixes_times() -> None:
    assert faults(parted(msgspec.structs.replace(SPLIT, method="stratified"))) == {"older than training"}


def test_a_test_row_among_the_training_rows_and_one_from_before_are_caught() -> None:
    parts = parted(SPLIT)
    shared = parts._replace(train=pa.concat_tables([parts.train, parts.test.slice(0, 1)]))
    assert "in both" in faults(shared)
    assert "older than training" in faults(parts._replace(train=parts.test, test=parts.train))
