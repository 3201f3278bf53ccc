"""The data contract: what each column of a data set is, and which of them the model sees."""

import math
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

from fraud.errors import Problem
from fraud.params import Section, check
from fraud.yamlfile import read_yaml

Role = Literal["feature", "label", "time", "identifier", "ignored"]
Type = Literal["number", "integer", "category", "date", "text"]
TYPES_OF_ROLE: dict[str, tuple[str, ...]] = {
    "feature": ("number", "integer", "category"),
    "label": ("integer",),
    "time": ("number", "integer", "date"),
}
BATCH = "batch"  # The column that ingest adds: which batch a row came from.
SOURCE = "label_source"  # The column that a batch may have beside those of its schema: see fraud/labels.py.
GUESS = "derived_label"  # The column in which ingest keeps labels that nobody knows to be true.


class Column(Section, frozen=True):
    """One column of a batch file."""

    role: Role
    type: Type = "text"
    min: float | None = None
    max: float | None = None
    categories: tuple[str | int, ...] = ()
    missing: bool = False


class Layout(Section, frozen=True):
    """What a schema file holds."""

    columns: dict[Any, Any]
    title: str = ""
    amount: str | None = None  # The column that holds the money at stake in a payment.


class Schema(msgspec.Struct, frozen=True, dict=True):
    """A data set's columns, in the order of the contract."""

    name: str
    columns: dict[str, Column]
    amount: str | None = None

    @cached_property
    def features(self) -> dict[str, Column]:
        """The columns that the model sees, in the order in which it sees them."""
        return {name: column for name, column in self.columns.items() if column.role == "feature"}

    @cached_property
    def label(self) -> str:
        """The name of the column that says whether a payment was fraud."""
        return next(name for name, column in self.columns.items() if column.role == "label")

    @cached_property
    def time(self) -> str | None:
        """The name of the column that orders rows, if there is one."""
        return next((name for name, column in self.columns.items() if column.role == "time"), None)


def load(path: str | Path) -> Schema:
    """Return the schema in the YAML file at `path`, named as the file."""
    layout = check(str(path), read_yaml(path), Layout)
    columns = {name: _column(f"{path}, column '{name}'", values) for name, values in layout.columns.items()}
    for name, column in columns.items():
        _check_column(f"{path}, column '{name}'", name, column)
    _check_whole(str(path), columns, layout.amount)
    return Schema(Path(path).stem, columns, layout.amount)


def _column(where: str, values: Any) -> Column:
    column = check(where, values, Column)
    return msgspec.structs.replace(column, categories=tuple(map(str, column.categories)))


def _check_column(where: str, name: Any, column: Column) -> None:
    if not isinstance(name, str) or not name or name != name.strip():
        raise Problem(f"{where}: the name is {name!r}; write it in quotes, without blanks around it")
    allowed = TYPES_OF_ROLE.get(column.role)
    if allowed and column.type not in allowed:
        raise Problem(f"{where}: type '{column.type}' does not fit role '{column.role}'; use {' or '.join(allowed)}")
    if (column.type == "category") != bool(column.categories):
        raise Problem(f"{where}: `categories` and `type: category` go together; give both or neither")
    if len(set(column.categories)) != len(column.categories):
        raise Problem(f"{where}: a category is listed twice; list each once")
    _check_range(where, column)
    if name in (BATCH, SOURCE, GUESS):
        raise Problem(f"{where}: the name '{name}' is taken by ingest, which adds it; rename the column")


def _check_range(where: str, column: Column) -> None:
    limits = [limit for limit in (column.min, column.max) if limit is not None]
    if limits and column.type not in ("number", "integer"):
        raise Problem(f"{where}: `min` and `max` are for numbers, but the type is '{column.type}'; take them away")
    if any(math.isnan(limit) for limit in limits):
        raise Problem(f"{where}: `min` or `max` is not a number; write one, or leave it out")
    if limits != sorted(limits):
        raise Problem(f"{where}: min {column.min:g} is above max {column.max:g}; swap them")


def _check_whole(where: str, columns: dict[str, Column], amount: str | None) -> None:
    roles = [column.role for column in columns.values()]
    if roles.count("label") != 1:
        raise Problem(f"{where}: found {roles.count('label')} columns with role 'label', expected one")
    if roles.count("time") > 1:
        raise Problem(f"{where}: found {roles.count('time')} columns with role 'time', expected one at most")
    if "feature" not in roles:
        raise Problem(f"{where}: no column has role 'feature'; the model needs one at least")
    if amount is not None and not _is_money(columns.get(amount)):
        raise Problem(f"{where}: amount: '{amount}' is not a number column with `min` 0 or more that is kept; name one")


def _is_money(column: Column | None) -> bool:
    kept = column is not None and column.role in ("feature", "identifier") and column.type in ("number", "integer")
    return kept and column is not None and column.min is not None and column.min >= 0
