"""The contract that a model file carries: what it takes, how it decides, and where it comes from."""

import msgspec
import numpy as np

from fraud.calibration import Calibration
from fraud.features import Matrix
from fraud.schema import Schema

KEY = "contract"  # Its name in the metadata of the ONNX file.
QUANTILES = 20


class Profile(msgspec.Struct, frozen=True):
    """How one feature was distributed in training.

    Numbers: `counts[i]` rows lie above `edges[i]` and up to `edges[i + 1]`, the first edge included.
    Categories: `counts` goes by the schema's list, and there are no edges.
    """

    edges: list[float]
    counts: list[int]
    missing: int


class Contract(msgspec.Struct, frozen=True):
    """Everything that a server has to know about a model."""

    schema: Schema
    features: list[str]
    threshold: float
    calibration: Calibration
    model: str
    sampler: str
    seed: int
    training_md5: str
    training_rows: int
    training_frauds: int
    profile: dict[str, Profile]


def profile(features: Matrix, schema: Schema) -> dict[str, Profile]:
    """Return the distribution of each feature in a few numbers."""
    found = {}
    for place, (name, column) in enumerate(schema.features.items()):
        values = features[:, place]
        present = values[~np.isnan(values)]
        if column.type == "category":
            counts = np.bincount(present.astype(int), minlength=len(column.categories))
            found[name] = Profile([], counts.tolist(), len(values) - len(present))
        else:
            found[name] = Profile(*_quantiles(present), len(values) - len(present))
    return found


def _quantiles(values: Matrix) -> tuple[list[float], list[int]]:
    if not len(values):
        return [], []
    edges = np.unique(np.quantile(values, np.linspace(0, 1, QUANTILES + 1), method="lower"))
    places = np.maximum(np.searchsorted(edges, values, side="left"), 1)  # The lowest value belongs to the first bin.
    counts = np.bincount(places, minlength=len(edges))[1:].tolist() if len(edges) > 1 else [len(values)]
    return edges.tolist(), counts
