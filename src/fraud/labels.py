"""Where a label came from: who said what turned out to be true, or the model itself (derived).

The column `label_source` says `feedback:NAME`, or `changed:NAME` where an earlier label said otherwise, or `derived`,
or nothing, and then the label was delivered with its batch.
"""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from fraud.schema import GUESS, SOURCE, Column

FEEDBACK, CHANGED, DERIVED, DELIVERED, OTHERS = "feedback", "changed", "derived", "delivered", "others"
SOURCES = Column(role="ignored", type="category", categories=(FEEDBACK, CHANGED, DERIVED), missing=True)
MOST = 20  # Sources of a batch that are told by name.


class Given(NamedTuple):
    """What one source gave."""

    labels: int
    frauds: int


def kinds(sources: pa.Array) -> pa.Array:
    """Return the sources without the names of who gave the labels."""
    return pc.replace_substring_regex(sources, rf"^({FEEDBACK}|{CHANGED}):.*$", r"\1")


def by_source(table: pa.Table, label: str) -> dict[str, Given]:
    """Return what each source gave to a batch, derived labels too; all but the largest are one."""
    rows = taken_in(table, label)
    rows = rows.filter(pc.is_valid(rows[label]))
    sources = rows[SOURCE] if SOURCE in rows.column_names else pa.nulls(len(rows), pa.string())
    named = pa.table({"source": pc.fill_null(sources, DELIVERED), "label": rows[label]})
    counted = named.group_by("source").aggregate([("label", "count"), ("label", "sum")])
    counted = counted.sort_by([("label_count", "descending"), ("source", "ascending")])
    found = {one["source"]: Given(one["label_count"], one["label_sum"]) for one in counted.to_pylist()}
    names, rest = list(found)[:MOST], [found[name] for name in list(found)[MOST:]]
    others = {OTHERS: Given(sum(one.labels for one in rest), sum(one.frauds for one in rest))} if rest else {}
    return {name: found[name] for name in names} | others


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
