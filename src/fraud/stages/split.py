"""Split the batches into training, test and current rows, by time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta

from fraud import batches, params
from fraud.errors import Problem, nearest, run
from fraud.labels import known_labels, taken_in, without_guesses
from fraud.outputs import write_json
from fraud.params import Section
from fraud.schema import BATCH, Schema, load
from fraud.tables import read_table, without_pandas, write_table


class Params(Section, frozen=True):
    """Section `split` of params.yaml."""

    method: Literal["time", "stratified"]
    until: str | None
    weeks: Annotated[int, Meta(ge=1)]
    test_weeks: Annotated[int, Meta(ge=1)]
    label_delay_weeks: Annotated[int, Meta(ge=0)]
    test_fraction: Annotated[float, Meta(gt=0, lt=1)]
    seed: Annotated[int, Meta(ge=0)]


class Window(NamedTuple):
    """The batches that serve for each part, oldest first."""

    train: list[str]
    test: list[str]
    current: list[str]


class Splits(NamedTuple):
    """Disjoint rows in the order of the batches; all training and test rows have a label, the latter a known one."""

    train: pa.Table
    test: pa.Table
    current: pa.Table


def window(names: list[str], params: Params) -> Window:
    """Return which of the batches `names`, oldest first, fall into each part.

    The batches whose labels were not known when the test weeks began are in none. A stratified split draws training
    and test rows from the same batches.
    """
    end = _end(names, params.until)
    chosen = names[max(0, end - params.weeks) : end]
    if len(chosen) < params.weeks:
        raise Problem(
            f"params.yaml, section 'split': weeks is {params.weeks}, but there are {len(chosen)} batches up to "
            f"{names[end - 1]}; lower weeks, or bring more with `make data`"
        )
    if params.method == "stratified":
        return Window(chosen, chosen, names[end:])
    trained = params.weeks - params.test_weeks - params.label_delay_weeks
    if trained < 1:
        raise Problem(
            f"params.yaml, section 'split': weeks is {params.weeks}, of which test_weeks ({params.test_weeks}) and "
            f"label_delay_weeks ({params.label_delay_weeks}) leave none to train on; raise weeks"
        )
    return Window(chosen[:trained], chosen[-params.test_weeks :], names[end:])


def _end(names: list[str], until: str | None) -> int:
    if until is None:
        return len(names)
    if until not in names:
        raise Problem(
            f"params.yaml, section 'split': until is '{until}'{nearest(until, names)}, but the batches are "
            f"{names[0]} to {names[-1]}; name one of them, or null for the newest"
        )
    return names.index(until) + 1


def split(tables: Mapping[str, pa.Table], window: Window, label: str, params: Params) -> Splits:
    """Return the rows of each part; rows without a label are only ever current, derived labels only ever train."""
    train, test, current = (_joined([tables[name] for name in part]) for part in window)
    usable = taken_in(train, label)
    usable = usable.filter(pc.is_valid(usable[label]))
    rest = without_guesses(current) if window.current else usable.slice(0, 0)
    if params.method == "stratified":
        known = pc.is_valid(known_labels(usable, label)).to_numpy()
        chosen = np.zeros(len(usable), dtype=bool)
        chosen[known] = _draw(usable[label].to_numpy()[known], params)
        return Splits(usable.filter(pa.array(~chosen)), usable.filter(pa.array(chosen)), rest)
    tested = without_guesses(test)
    return Splits(usable, tested.filter(pc.is_valid(tested[label])), rest)


def _joined(tables: list[pa.Table]) -> pa.Table | None:
    """Return the rows of all batches, of which some may say where their labels came from."""
    return pa.concat_tables(tables, promote_options="default") if tables else None


def _draw(labels: np.ndarray, params: Params) -> np.ndarray:
    """Return a mask that picks the same share of each class."""
    rng = np.random.default_rng(params.seed)
    chosen = np.zeros(len(labels), dtype=bool)
    for value in (0, 1):
        rows = rng.permutation(np.flatnonzero(labels == value))
        chosen[rows[: round(params.test_fraction * len(rows))]] = True
    return chosen


def summary(splits: Splits, schema: Schema) -> dict[str, Any]:
    """Return the data set, and the batches, rows and known frauds of each part."""
    parts = {
        name: {
            "batches": batches.in_order(pc.unique(part[BATCH]).to_pylist()),
            "rows": len(part),
            "frauds": pc.sum(part[schema.label]).as_py() or 0,
        }
        for name, part in splits._asdict().items()
    }
    return {"dataset": schema.name, **parts}


def main(schema_path: str, source: str, target: str, report: str) -> None:
    """Split the batches of the folder `source` into three files in `target`; older batches are not read."""
    section, schema = params.load("split", Params), load(schema_path)
    files = batches.find(source)
    parts = window(list(files), section)
    tables = {name: read_table(files[name]) for name in {name for part in parts for name in part}}
    splits = split(tables, parts, schema.label, section)
    for name, part in splits._asdict().items():
        write_table(Path(target) / f"{name}.parquet", part)
    write_json(report, summary(splits, schema))


if __name__ == "__main__":
    without_pandas()
    run(main)
