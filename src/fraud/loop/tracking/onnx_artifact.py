"""The model file in MLflow's form: the bytes that dvc.lock pins, a signature and an example from its contract."""

import shutil
from pathlib import Path
from typing import Any

from fraud.contract import Contract
from fraud.scoring import INEXACT, OUTPUT, load
from fraud.usual import ordinary

NAME = "model.onnx"  # MLflow's name for it.
SESSION = {  # As fraud.scoring runs it, so that mlflow.pyfunc gives the same numbers to the last bit.
    "intra_op_num_threads": 1,
    "inter_op_num_threads": 1,
    "execution_mode": "sequential",
    "extra_session_config": {"optimization.disable_specified_optimizers": ";".join(INEXACT)},
}


def write(source: Path, folder: Path) -> None:
    """Write the folder that MLflow loads a model from; a file that is not a model of ours is a problem."""
    import mlflow.onnx  # noqa: PLC0415  # it imports pandas
    import onnx  # noqa: PLC0415  # 1 s

    contract = load(source).contract
    mlflow.onnx.save_model(
        onnx.load(source),
        folder,
        signature=_signature(contract),
        input_example=_example(contract),
        metadata=_metadata(contract),
        pip_requirements=["mlflow", f"onnx=={onnx.__version__}", "onnxruntime"],
        onnx_execution_providers=["CPUExecutionProvider"],
        onnx_session_options=SESSION,
        save_as_external_data=False,
    )
    shutil.copyfile(source, folder / NAME)  # What onnx writes need not be what it read, byte for byte.


def _signature(contract: Contract) -> Any:
    """Return a column for each feature: the file takes doubles, NaN where missing, a category as its place."""
    from mlflow.models import ModelSignature  # noqa: PLC0415  # it is in .venv-mlflow only
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415  # the same

    inputs = Schema([ColSpec("double", name) for name in contract.schema.features])
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec("double", OUTPUT)]))


def _example(contract: Contract) -> Any:
    import pandas as pd  # noqa: PLC0415  # it is slow

    return pd.DataFrame([ordinary(contract)], columns=list(contract.schema.features))


def _metadata(contract: Contract) -> dict[str, Any]:
    features = contract.schema.features.items()
    return {
        "dataset": contract.schema.name,
        "threshold": contract.threshold,
        "types": {name: column.type for name, column in features},
        "categories": {name: list(column.categories) for name, column in features if column.categories},
    }
