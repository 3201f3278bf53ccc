"""Score payments with a model file, through the one runtime that pipeline and server share."""

import os
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraud.contract import KEY, Contract
from fraud.errors import Problem
from fraud.features import Matrix

# From 1.29 on onnxruntime reports to its maker unless this is set when it is imported; a bank's payments stay at home.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort  # noqa: E402

INPUT, OUTPUT = "features", "probability"
INEXACT = ["NoopElimination"]  # It drops the addition of a constant below 1e-7, which it takes for 0.


class Model:
    """A model in memory; it never changes."""

    def __init__(self, content: bytes) -> None:
        """Load the bytes of an ONNX file; one thread scores, so that the order of sums is fixed."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(
                content, options, providers=["CPUExecutionProvider"], disabled_optimizers=INEXACT
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.contract = msgspec.json.decode(metadata[KEY], type=Contract)
        except KeyError:
            raise Problem("the model carries no contract; make it with `make repro`") from None
        except Exception as error:  # The runtime has no common class for its errors.
            raise Problem(f"not a model of this project: {str(error).splitlines()[0]}") from None

    def probabilities(self, features: Matrix) -> NDArray[np.float64]:
        """Return the probability of fraud of each row of features, in the contract's order."""
        if not len(features):
            return np.empty(0)
        result: NDArray[np.float64] = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(features)})[0]
        return result


def load(path: str | Path) -> Model:
    """Return the model in the file at `path`."""
    try:
        return Model(Path(path).read_bytes())
    except Problem as problem:
        raise Problem(f"{path}: {problem}") from None
