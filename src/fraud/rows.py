"""Labelled rows as train and evaluate take them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fraud.cost import Cost, losses
from fraud.features import Matrix, Values, matrix
from fraud.schema import BATCH, Schema
from fraud.tables import read_table


class Rows(NamedTuple):
    """Labelled rows: what the model sees, what was true, and what each costs when no alert is raised for it."""

    features: Matrix
    labels: NDArray[np.int64]
    lost: Values
    weeks: Sequence[int] = ()  # How many come from each batch, in the order of the rows; empty means one batch.


def read_rows(path: str, schema: Schema, cost: Cost) -> Rows:
    """Return the rows of a Parquet file in which every row has a label."""
    return labelled(read_table(path), schema, cost)


def labelled(table: pa.Table, schema: Schema, cost: Cost) -> Rows:
    """Return the rows of a table in which every row has a label."""
    labels = np.asarray(table[schema.label], dtype=np.int64)
    weeks = pc.value_counts(table[BATCH]).field("counts").to_pylist()
    return Rows(matrix(table, schema), labels, losses(table, labels, schema, cost), weeks)
