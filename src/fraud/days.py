"""When payments can be reviewed: day by day where the data tells the day, and else batch by batch."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraud.features import Columns, Values
from fraud.schema import BATCH, Schema

SECONDS = 86_400
DAYS_OF_A_BATCH = 7


class Days(NamedTuple):
    """The period of each row, counted from 0, and how many days a period has."""

    period: NDArray[np.int64]
    length: int


def days(columns: Columns, schema: Schema) -> Days:
    """Return the day of each row; without a time column a batch counts as a week. No time at all is one more day."""
    if schema.time is None:
        return Days(_numbered(np.asarray(columns[BATCH])), DAYS_OF_A_BATCH)
    return Days(_numbered(np.floor(seconds(columns, schema.time) / SECONDS)), 1)


def seconds(columns: Columns, name: str) -> Values:
    """Return the time column in seconds, NaN where there is no time; a number counts seconds already."""
    values = np.asarray(columns[name])
    if values.dtype.kind != "M":
        return values.astype(np.float64)
    return np.where(np.isnat(values), np.nan, values.astype("datetime64[s]").astype(np.float64))


def _numbered(values: NDArray[Any]) -> NDArray[np.int64]:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
