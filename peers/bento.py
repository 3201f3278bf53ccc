"""A BentoML service around scikit-learn's predict_proba, with two workers."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=2)
class Fraud:
    """The forest."""

    def __init__(self) -> None:
        """Load it, once a worker."""
        self.model = joblib.load(os.environ["FOREST"])

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Answer with the forest's votes."""
        return self.model.predict_proba(rows)
