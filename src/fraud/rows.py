"""Labelled rows as train and evaluate take them."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fraud.cost import Cost, losses
from fraud.features import Matrix, Values, matrix
from fraud.schema import Schema
from fraud.tables import read_table


class Rows(NamedTuple):
    """Labelled rows: what the model sees, what was true, and what each costs when no alert is raised for it."""

    features: Matrix
    labels: NDArray[np.int64]
    lost: Values


def read_rows(path: str, schema: Schema, cost: Cost) -> Rows:
    """Return the rows of a Parquet file in which every row has a label."""
    return labelled(read_table(path), schema, cost)


def labelled(table: pa.Table, schema: Schema, cost: Cost) -> Rows:
    """Return the rows of a table in which every row has a label."""
    labels = np.asarray(table[schema.label], dtype=np.int64)
    return Rows(matrix(table, schema), labels, losses(table, labels, schema, cost))
