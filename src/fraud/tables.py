"""Arrow tables as Parquet files: the same bytes for the same rows, and quick to start with."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraud import batches
from fraud.outputs import whole
from fraud.schema import BATCH


class _NoPandas:
    """An import finder that finds no pandas."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def without_pandas() -> None:
    """Keep pyarrow from importing pandas, as it does wherever it is installed; that takes longer than a small stage."""
    sys.meta_path.insert(0, _NoPandas())


def read_table(path: str | Path) -> pa.Table:
    """Return what `write_table` wrote; `pyarrow.parquet.read_table` would load what many files take."""
    return pq.ParquetFile(path).read()


def by_week(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield the rows of each batch, oldest first."""
    for name in batches.in_order(pc.unique(table[BATCH]).to_pylist()):
        yield name, table.filter(pc.equal(table[BATCH], name))


def write_table(path: str | Path, table: pa.Table) -> None:
    """Write `table` without the metadata of the library that made it."""
    words = [field.name for field in table.schema if pa.types.is_string(field.type)]  # Numbers seldom repeat.
    with whole(path) as draft:
        pq.write_table(table.replace_schema_metadata(None), draft, compression="lz4", use_dictionary=words)
