"""Check text columns against the schema: each becomes numbers, categories or dates, and each misfit gets a reason."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fraud.schema import Column

Mask = NDArray[np.bool_]
LARGEST = 1e15  # Scaled by a small spread it still fits into single precision.
NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


class Misfit(NamedTuple):
    """Rows of one column that do not fit, and why; `{}` in the reason stands for the value."""

    rows: Mask
    reason: str


class Fitted(NamedTuple):
    """A column in its type; rows that do not fit hold null."""

    values: pa.Array
    misfits: list[Misfit]


def fit(text: pa.Array, column: Column) -> Fitted:
    """Return a text column in its declared type, in the order of the rows, with what does not fit."""
    values = PARSERS[column.type](text, column)
    given, parsed = _mask(pc.is_valid(text)), _mask(pc.is_valid(values))
    misfits = [Misfit(given & ~parsed, _expected(column))]
    if column.role in ("feature", "label", "time") and not column.missing:
        misfits.append(Misfit(~given, "is missing"))
    if column.type in ("number", "integer"):
        misfits.extend(_outside(values, column))
    return Fitted(values, [misfit for misfit in misfits if misfit.rows.any()])


def _outside(values: pa.Array, column: Column) -> Iterator[Misfit]:
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    with np.errstate(invalid="ignore"):
        yield Misfit(np.abs(numbers) > LARGEST, f"is {{}}, beyond what models can hold, {LARGEST:g}")
        if column.role == "label":
            yield Misfit(np.isfinite(numbers) & (numbers != 0) & (numbers != 1), "is {}, expected 0 or 1")
        if column.min is not None:
            yield Misfit(numbers < column.min, f"is {{}}, below the minimum {column.min:g}")
        if column.max is not None:
            yield Misfit(numbers > column.max, f"is {{}}, above the maximum {column.max:g}")


def _expected(column: Column) -> str:
    if column.type == "category":
        return f"is '{{}}', expected one of {', '.join(map(str, column.categories))}"
    kinds = {"number": "a number", "integer": "a whole number", "date": "a date like 2026-02-16T09:30:00"}
    return f"is '{{}}', expected {kinds.get(column.type, 'text')}"


def _number(text: pa.Array, _: Column) -> pa.Array:
    try:
        numbers = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        looks_right = pc.match_substring_regex(text, NUMBER)
        trimmed = pc.utf8_trim_whitespace(pc.if_else(looks_right, text, None))
        numbers = pc.cast(trimmed, pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, None)


def _integer(text: pa.Array, column: Column) -> pa.Array:
    numbers = _number(text, column)
    whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), 2.0**53))
    return pc.cast(pc.if_else(whole, numbers, None), pa.int64())


def _category(text: pa.Array, column: Column) -> pa.Array:
    known = pc.is_in(text, value_set=pa.array(column.categories, pa.string()))
    return pc.if_else(known, text, None)


def _date(text: pa.Array, _: Column) -> pa.Array:
    try:
        return pc.cast(text, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return pa.array([_moment(value) for value in text.to_pylist()], pa.timestamp("us"))


def _moment(value: str | None) -> datetime | None:
    """Return a moment in UTC without its zone; a date that names no zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat(value or "")
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None


def _text(text: pa.Array, _: Column) -> pa.Array:
    return text


PARSERS: dict[str, Callable[[pa.Array, Column], pa.Array]] = {
    "number": _number,
    "integer": _integer,
    "category": _category,
    "date": _date,
    "text": _text,
}


def _mask(values: Any) -> Mask:
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=bool)
