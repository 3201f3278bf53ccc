"""The forest that all servers of `make bench-serve` hold, in the forms in which the others load it."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import RobustScaler

from fraud import params
from fraud.contract import Contract
from fraud.cost import Cost
from fraud.errors import Problem
from fraud.estimator import Params, estimator
from fraud.loop.bench.graph import process
from fraud.loop.bench.peers import ENVIRONMENTS, Names
from fraud.loop.files import TRAIN
from fraud.onnx_file import settle
from fraud.rows import read_rows


def write(contract: Contract, path: Path) -> None:
    """Fit the forest of params.yaml on the training rows, as train does, and write it for the peers."""
    cost, section, schema = params.load("cost", Cost), params.load("train", Params), contract.schema
    if not all(column.type == "number" and not column.missing for column in schema.features.values()):
        raise Problem("params.yaml: the peers take numbers only; set `dataset: creditcard` and run `make repro`")
    rows = read_rows(TRAIN, schema, cost)
    pipeline = estimator(section, schema, int(rows.labels.sum()), -1).fit(rows.features, rows.labels)
    settle(pipeline["model"])
    _save(plain(pipeline, contract.features), contract.features, path)


def plain(pipeline: Any, names: Names) -> Pipeline:
    """Return a fitted pipeline of ours as one of scikit-learn's own parts only; it scores on one thread.

    The sampler, which acts in training alone, is left out, and numbers that are never missing need no filling.
    """
    prepare, model = pipeline["prepare"], pipeline["model"].set_params(n_jobs=1)
    scaler = RobustScaler()
    scaler.center_, scaler.scale_, scaler.n_features_in_ = prepare.centre_, prepare.scale_, len(names)
    return make_pipeline(scaler, model)


def _save(pipeline: Pipeline, names: Names, path: Path) -> None:
    """Write the forest for those that are asked with arrays, with names for frames, and as MLflow has it."""
    joblib.dump(pipeline, path)
    python = ENVIRONMENTS / "mlflow/bin/python"
    if python.exists():
        process(Path(), str(python), "peers/mlflow_model.py", str(path), f"{path}.mlflow")
    pipeline[0].feature_names_in_ = np.array(names, dtype=object)
    joblib.dump(pipeline, f"{path}.named")
