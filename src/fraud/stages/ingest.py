"""Check every row of every batch against the schema; what does not fit goes to quarantine with the reason."""

import csv
import io
import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from msgspec import Meta
from tqdm import tqdm

from fraud import batches, params
from fraud.columns import fit
from fraud.csv_records import FIELD, fields, read_records
from fraud.errors import Problem, run
from fraud.header import header
from fraud.labels import SOURCES, by_source, kinds, set_apart
from fraud.outputs import whole, write_json
from fraud.params import Section
from fraud.schema import BATCH, SOURCE, Schema, load
from fraud.tables import without_pandas, write_table

LONGEST = 60  # Letters of a value that a reason repeats.


class Params(Section, frozen=True):
    """Section `ingest` of params.yaml."""

    max_quarantined: Annotated[float, Meta(ge=0, le=1)]


class Rejected(NamedTuple):
    """A row that does not fit: its number (the first after the header is 1), why, and its text."""

    row: int
    reason: str
    line: bytes


class Checked(NamedTuple):
    """Every row of a batch is in one of the two, in the order of the file."""

    table: pa.Table
    rejected: list[Rejected]


def ingest(records: list[bytes], schema: Schema, file: str) -> Checked:
    """Return the rows of a batch file that fit the schema, and the others each with its reason."""
    if len(records) < 2:
        found = "a header and no rows" if records else "an empty file"
        raise Problem(f"{file}: found {found}, expected payments; deliver it again, or take the file away")
    names = header(records[0], schema, file)
    body = b"\n".join(records[1:])
    suspects = _suspects(records, body, len(names))
    broken = {row: reason for row in suspects if (reason := _broken(records[row], len(names)))}
    rows = [row for row in range(1, len(records)) if row not in broken]
    if broken:
        body = b"\n".join([records[row] for row in rows])
    table, misfits = _fit_columns(_parse(body, names), schema)
    reasons = broken | {rows[index]: reason for index, reason in misfits.items()}
    keep = np.ones(len(rows), dtype=bool)
    keep[list(misfits)] = False
    rejected = [Rejected(row, reasons[row], records[row]) for row in sorted(reasons)]
    table = set_apart(table.filter(pa.array(keep)), schema.label)
    return Checked(table.append_column(BATCH, pa.repeat(batches.batch_name(Path(file)), len(table))), rejected)


def _suspects(records: list[bytes], body: bytes, width: int) -> list[int]:
    """Return the rows that are not plain text of so many fields at first sight; few are, so that few are looked at."""
    commas = width - 1
    if body.isascii() and b'"' not in body and b"\r" not in body:
        return [row for row, record in enumerate(records) if row and record.count(b",") != commas]
    return [
        row
        for row, record in enumerate(records)
        if row and (record.count(b",") != commas or b'"' in record or b"\r" in record or not record.isascii())
    ]


def _broken(record: bytes, width: int) -> str | None:
    """Return why a record cannot be cut into fields, or None when it can."""
    if not record.isascii():
        try:
            record.decode()
        except UnicodeDecodeError as error:
            return f"byte {error.start + 1} is not UTF-8"
    found = record.count(b",") + 1
    if b'"' in record or b"\r" in record:
        if fields(record) is None:
            return "a quote or a line end is in the middle of a field"
        found = len(FIELD.findall(b"," + record))
    return None if found == width else f"found {found} fields, expected {width}"


def _parse(body: bytes, names: list[str]) -> pa.Table:
    if not body:
        return pa.schema([(name, pa.string()) for name in names]).empty_table()
    return pacsv.read_csv(
        pa.BufferReader(body),
        read_options=pacsv.ReadOptions(column_names=names, block_size=1 << 24),
        parse_options=pacsv.ParseOptions(newlines_in_values=b'"' in body, ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )


def _fit_columns(text: pa.Table, schema: Schema) -> tuple[pa.Table, dict[int, str]]:
    """Return the typed columns that are not ignored, and the reasons by the index of a row."""
    columns: dict[str, pa.Array] = {}
    reasons: dict[int, list[str]] = {}
    wanted = {name: column for name, column in schema.columns.items() if column.role != "ignored"}
    for name, column in (wanted | ({SOURCE: SOURCES} if SOURCE in text.column_names else {})).items():
        values = text[name].combine_chunks()
        columns[name], misfits = fit(kinds(values) if name == SOURCE else values, column)
        for misfit in misfits:
            for index in np.flatnonzero(misfit.rows):
                reason = f"{name} {misfit.reason}".replace("{}", str(values[int(index)])[:LONGEST])
                reasons.setdefault(int(index), []).append(reason)
    if SOURCE in columns:
        columns[SOURCE] = text[SOURCE].combine_chunks()  # With the names.
    return pa.table(columns), {index: "; ".join(parts) for index, parts in reasons.items()}


def summary(checked: Checked, schema: Schema) -> dict[str, Any]:
    """Return the counts of a batch, rows = kept + quarantined, and who gave how many labels."""
    kept, quarantined = len(checked.table), len(checked.rejected)
    label = checked.table[schema.label]
    return {
        "rows": kept + quarantined,
        "kept": kept,
        "quarantined": quarantined,
        "frauds": pc.sum(label).as_py() or 0,
        "unlabelled": label.null_count,
        "sources": {name: given._asdict() for name, given in by_source(checked.table, schema.label).items()},
    }


def write_rejected(path: Path, rejected: list[Rejected]) -> None:
    """Write a batch's quarantine file, a header alone where all rows fit; bytes that are no text are escaped."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Rejected._fields)
    writer.writerows((row, reason, line.decode(errors="backslashreplace")) for row, reason, line in rejected)
    with whole(path) as draft:
        draft.write_text(text.getvalue(), encoding="utf-8")


def check_share(counts: dict[str, dict[str, Any]], limit: float, target: Path) -> None:
    """Stop when a larger share of a batch than `limit` was quarantined."""
    for name, count in counts.items():
        if count["quarantined"] > limit * count["rows"]:
            raise Problem(
                f"{name}: {count['quarantined']} of {count['rows']} rows do not fit the schema, more than "
                f"ingest.max_quarantined = {limit:g} allows; the reasons are in {target / name}.csv: "
                "mend the data, the schema or the limit"
            )


def main(schema_path: str, source: str, target: str, quarantine: str, report: str) -> None:
    """Ingest each batch of the folder `source`; files of one batch are in memory at a time."""
    limit = params.load("ingest", Params).max_quarantined
    schema, counts = load(schema_path), dict[str, Any]()
    for folder in (target, quarantine):
        Path(folder).mkdir(parents=True, exist_ok=True)
    files = batches.find(source, batches.DELIVERED)
    for name, path in tqdm(files.items(), desc="ingest", unit="batch", file=sys.stderr):
        checked = ingest(read_records(path), schema, path.name)
        write_table(Path(target) / f"{name}.parquet", checked.table)
        write_rejected(Path(quarantine) / f"{name}.csv", checked.rejected)
        counts[name] = summary(checked, schema)
    write_json(report, {"batches": counts})
    check_share(counts, limit, Path(quarantine))


if __name__ == "__main__":
    without_pandas()
    run(main)
