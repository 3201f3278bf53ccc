"""The contract that a model file carries: what it takes, how it decides, and where it comes from."""

import msgspec

from fraud.calibration import Calibration
from fraud.features import Matrix
from fraud.profiles import Profile, alike, profile
from fraud.schema import Schema

KEY = "contract"  # Its name in the metadata of the ONNX file.
BINS = 20  # Of a profile; each holds as many training rows.


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
    profile: dict[str, Profile]  # Of the training rows, by feature.
    weeks: list[dict[str, Profile]] = []  # The same of each training batch, oldest first, in the same bins.


def profiles(features: Matrix, schema: Schema) -> dict[str, Profile]:
    """Return the distribution of each feature in a few numbers."""
    columns = zip(schema.features.items(), features.T, strict=True)
    return {name: profile(values, column, BINS) for (name, column), values in columns}


def profiles_alike(features: Matrix, schema: Schema, bins: dict[str, Profile]) -> dict[str, Profile]:
    """Return the distribution of each feature in the bins of other profiles."""
    columns = zip(schema.features.items(), features.T, strict=True)
    return {name: alike(values, column, bins[name]) for (name, column), values in columns}
