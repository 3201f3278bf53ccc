"""Turn records into the numbers that the model sees; pipeline and server share this."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fraud.schema import Column, Schema

Matrix = NDArray[np.float64]
Values = NDArray[np.float64]


class Columns(Protocol):
    """Anything that gives a column by its name: a dict of lists, a table, a frame."""

    def __getitem__(self, name: str, /) -> Any: ...


def matrix(columns: Columns, schema: Schema) -> Matrix:
    """Return one row a record and one column a feature, in the schema's order.

    A category is its place in the schema's list; a missing value is NaN.
    """
    parts = [_numbers(columns[name], column) for name, column in schema.features.items()]
    return np.stack(parts).T  # So that each column lies in one piece.


def codes(column: Column) -> dict[str, float]:
    """Return the number that the model sees for each category of a column."""
    return {str(category): float(code) for code, category in enumerate(column.categories)}


def _numbers(values: Any, column: Column) -> Values:
    if column.type != "category":
        return np.asarray(values, dtype=np.float64)
    code = codes(column)
    return np.array([code.get(value, np.nan) for value in np.asarray(values, dtype=object)], dtype=np.float64)
