"""Train on the training rows; write one model file that holds all it needs, and prove that it says the same."""

import sys
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from tqdm import tqdm

from fraud import params
from fraud.calibration import Calibration, calibrate
from fraud.contract import Contract, profiles, profiles_alike
from fraud.cost import Cost, cheapest_threshold
from fraud.errors import Problem, run
from fraud.estimator import Params, estimator
from fraud.features import Matrix, Values
from fraud.onnx_file import settle, to_onnx
from fraud.outputs import md5_of, whole
from fraud.rows import Rows, read_rows
from fraud.schema import Schema, load
from fraud.scoring import Model

FORESTS = ("random_forest", "extra_trees")
TOLERANCE = 1e-9  # How far the file's probability may be from scikit-learn's.
VOTES = 2  # Added to both sides of a forest's vote before calibration; measured in DECISIONS.md.
SMALL_MARGIN = 1e-9  # For models whose scores are smooth; log-odds end at 20.


class Trained(NamedTuple):
    """A pipeline fitted on all training rows, and how its scores become probabilities and decisions."""

    pipeline: Any
    calibration: Calibration
    threshold: float


def train(rows: Rows, schema: Schema, params: Params, cost: Cost) -> Trained:
    """Return a fitted model; calibration and threshold come from scores of rows that the scoring fold never saw."""
    least = _least_frauds(rows.labels, params.folds)
    scores = out_of_fold(estimator(params, schema, least, 1), rows, params)
    margin = VOTES / params.trees if params.model in FORESTS else SMALL_MARGIN
    calibration = calibrate(scores, rows.labels, margin)
    probabilities = calibration.probabilities(scores)
    threshold = cheapest_threshold(probabilities, rows.lost, cost) if params.threshold == "cost" else params.threshold
    pipeline = estimator(params, schema, least, -1).fit(rows.features, rows.labels)
    settle(pipeline["model"])
    return Trained(pipeline, calibration, threshold)


def out_of_fold(pipeline: Any, rows: Rows, params: Params) -> Values:
    """Return a score for each row from a model that was fitted, sampler and all, on the other folds."""
    cut = StratifiedKFold(params.folds, shuffle=True, random_state=params.seed)
    folds = list(cut.split(rows.features, rows.labels))
    fits = (delayed(_score_fold)(clone(pipeline), rows, fold) for fold in folds)
    jobs = 1 if params.model == "hist_gradient_boosting" else -1  # Boosting uses all cores itself.
    parts = Parallel(n_jobs=jobs, prefer="threads", return_as="generator")(fits)
    scores = np.empty(len(rows.labels))
    for (_, tested), part in zip(folds, tqdm(parts, "train", params.folds, file=sys.stderr, unit="fold"), strict=True):
        scores[tested] = part
    return scores


def _score_fold(pipeline: Any, rows: Rows, fold: tuple[Any, Any]) -> Values:
    fitted, tested = fold
    pipeline.fit(rows.features[fitted], rows.labels[fitted])
    return pipeline.predict_proba(rows.features[tested])[:, 1]


def _least_frauds(labels: NDArray[np.int64], folds: int) -> int:
    """Return how many frauds the poorest training fold has; too few to learn from is a problem."""
    frauds, others = int(labels.sum()), int((labels == 0).sum())
    if min(frauds, others) < 2 * folds:
        raise Problem(
            f"the training rows hold {frauds} frauds and {others} legitimate payments, but {folds} folds need "
            f"{2 * folds} of each; raise split.weeks, or lower train.folds"
        )
    return frauds - -(-frauds // folds)


def check_same(file: Model, trained: Trained, features: Matrix) -> None:
    """Stop when the model file and scikit-learn differ on any row, in probability or decision."""
    scores = trained.pipeline.predict_proba(features)[:, 1]
    expected, found = trained.calibration.probabilities(scores), file.probabilities(features)
    worst = float(np.abs(expected - found).max())
    decisions = int(((expected >= trained.threshold) != (found >= trained.threshold)).sum())
    if not worst <= TOLERANCE or decisions:
        raise Problem(
            f"models/model.onnx is {worst:.1e} away from scikit-learn and decides {decisions} rows otherwise; "
            "this is a fault of src/fraud/onnx_file.py: report it with params.yaml"
        )


def contract(trained: Trained, rows: Rows, schema: Schema, params: Params, md5: str) -> Contract:
    """Return what the model file says about itself."""
    profile = profiles(rows.features, schema)
    weeks = np.split(rows.features, np.cumsum(rows.weeks, dtype=int)[:-1])
    return Contract(
        schema=schema,
        features=list(schema.features),
        threshold=trained.threshold,
        calibration=trained.calibration,
        model=params.model,
        sampler=params.sampler,
        seed=params.seed,
        training_md5=md5,
        training_rows=len(rows.labels),
        training_frauds=int(rows.labels.sum()),
        profile=profile,
        weeks=[profiles_alike(week, schema, profile) for week in weeks],
    )


def main(schema_path: str, source: str, target: str) -> None:
    """Train on the Parquet file `source` and write the model file `target`."""
    section, cost, schema = params.load("train", Params), params.load("cost", Cost), load(schema_path)
    rows, md5 = read_rows(source, schema, cost), md5_of(source)
    trained = train(rows, schema, section, cost)
    content = to_onnx(trained.pipeline, trained.calibration, contract(trained, rows, schema, section, md5))
    check_same(Model(content), trained, rows.features)
    with whole(target) as draft:
        draft.write_bytes(content)


if __name__ == "__main__":
    run(main)
