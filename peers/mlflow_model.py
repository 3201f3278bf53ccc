"""Save the forest as an MLflow model, which `mlflow models serve` takes; its predict is predict_proba."""

import sys

import joblib
import mlflow.sklearn

source, target = sys.argv[1:]
mlflow.sklearn.save_model(
    joblib.load(source),
    target,
    serialization_format="cloudpickle",
    pyfunc_predict_fn="predict_proba",
    pip_requirements=[],
)
