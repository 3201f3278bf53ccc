"""Where a label came from: what turned out to be true, or what the model itself had said (derived)."""

import pyarrow as pa
import pyarrow.compute as pc

from fraud.schema import GUESS, SOURCE, Column

FEEDBACK, DERIVED = "feedback", "derived"
SOURCES = Column(role="ignored", type="category", categories=(FEEDBACK, DERIVED), missing=True)


def set_apart(table: pa.Table, label: str) -> pa.Table:
    """Return the rows of a batch with derived labels in a column of their own, so that nobody takes them for known."""
    if SOURCE not in table.column_names:
        return table
    guess = pc.if_else(_derived(table), table[label], None)
    return _with(table, label, known_labels(table, label)).append_column(GUESS, guess)


def taken_in(table: pa.Table, label: str) -> pa.Table:
    """Return the rows with derived labels where none is known: what may be trained on, and nothing be measured by."""
    if GUESS not in table.column_names:
        return table
    return without_guesses(_with(table, label, pc.coalesce(table[label], table[GUESS])))


def without_guesses(table: pa.Table) -> pa.Table:
    """Return the rows with the labels that are known, and no others."""
    return table.drop_columns([GUESS]) if GUESS in table.column_names else table


def known_labels(table: pa.Table, label: str) -> pa.ChunkedArray:
    """Return the labels of rows that may be trained on, those that were derived left out."""
    return pc.if_else(_derived(table), None, table[label]) if SOURCE in table.column_names else table[label]


def _derived(table: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(table[SOURCE], DERIVED), fill_value=False)


def _with(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)
