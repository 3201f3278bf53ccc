"""Models and samplers as one scikit-learn pipeline: prepare, sample (in training only), encode, model."""

from typing import Annotated, Any, Literal

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
from imblearn.pipeline import Pipeline
from imblearn.under_sampling import RandomUnderSampler
from msgspec import Meta
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from fraud.params import Section
from fraud.preparation import Encode, Prepare
from fraud.schema import Schema

Labels = NDArray[np.int64]


class Params(Section, frozen=True):
    """Section `train` of params.yaml."""

    model: Literal["random_forest", "extra_trees", "logistic_regression", "hist_gradient_boosting"]
    trees: Annotated[int, Meta(ge=1)]
    min_leaf: Annotated[int, Meta(ge=1)]
    sampler: Literal["smote", "undersample", "none"]
    ratio: Annotated[float, Meta(gt=0, le=1)]
    neighbours: Annotated[int, Meta(ge=1)]
    folds: Annotated[int, Meta(ge=2)]
    threshold: Literal["cost"] | Annotated[float, Meta(ge=0, le=1)]
    seed: Annotated[int, Meta(ge=0)]


def estimator(params: Params, schema: Schema, frauds: int, jobs: int) -> Pipeline:
    """Return an unfitted pipeline for training rows of which at least `frauds` are fraud."""
    sizes = [len(column.categories) for column in schema.features.values()]
    steps = [("prepare", Prepare(sizes)), ("sample", sampler(params, sizes, frauds))]
    return Pipeline([*steps, ("encode", Encode(sizes)), ("model", model(params, jobs))])


def sampler(params: Params, sizes: list[int], frauds: int) -> Any:
    """Return the sampler; it leaves rows alone that hold `ratio` frauds for each legitimate row already."""
    if params.sampler == "none":
        return "passthrough"
    if params.sampler == "undersample":
        return RandomUnderSampler(
            sampling_strategy=lambda y: {0: min(_count(y, 0), round(_count(y, 1) / params.ratio))},
            random_state=params.seed,
        )
    # SMOTE needs k + 1 frauds to find k neighbours.
    neighbours = min(params.neighbours, frauds - 1)
    options = {
        "sampling_strategy": lambda y: {1: max(_count(y, 1), round(_count(y, 0) * params.ratio))},
        "random_state": params.seed,
        "k_neighbors": neighbours,
    }
    categories = [place for place, size in enumerate(sizes) if size]
    if len(categories) == len(sizes):
        return SMOTEN(**options)
    if categories:
        return SMOTENC(categories, **options)
    # Brute force, the default for many columns, rounds as the processor does; a tree does not.
    return SMOTE(**options | {"k_neighbors": NearestNeighbors(n_neighbors=neighbours + 1, algorithm="kd_tree")})


def model(params: Params, jobs: int) -> Any:
    """Return the unfitted classifier."""
    forest = {"n_estimators": params.trees, "min_samples_leaf": params.min_leaf, "n_jobs": jobs}
    match params.model:
        case "random_forest":
            return RandomForestClassifier(**forest, random_state=params.seed)
        case "extra_trees":
            return ExtraTreesClassifier(**forest, random_state=params.seed)
        case "hist_gradient_boosting":
            return HistGradientBoostingClassifier(
                max_iter=params.trees, min_samples_leaf=params.min_leaf, early_stopping=False, random_state=params.seed
            )
        case "logistic_regression":
            # Newton's method converges so far that processors agree after rounding.
            return LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=200)


def _count(y: Labels, value: int) -> int:
    return int((y == value).sum())
