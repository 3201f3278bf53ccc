"""Ingest: every row is kept or quarantined with its reason, and a file that is no batch is refused."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import NUMBERS, ROOT
from fraud import batches
from fraud.errors import Problem
from fraud.schema import Column, Schema, load
from fraud.stages.ingest import Checked, ingest, main, summary

HEADER = b"seconds,speed,amount,fraud"
GOOD = b"1,2.5,10,0"
SCHEMA = """
amount: amount
columns:
  seconds: {role: time, type: number, min: 0}
  speed: {role: feature, type: number}
  amount: {role: feature, type: number, min: 0}
  fraud: {role: label, type: integer, missing: true}
"""


def checked(*lines: bytes, header: bytes = HEADER, schema: Schema = NUMBERS) -> Checked:
    return ingest([header, *lines], schema, "2026-W08.csv")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,fast,10,0", "speed is 'fast', expected a number"),
        (b"1,nan,10,0", "speed is 'nan', expected a number"),
        (b"1,NaN,10,0", "speed is 'NaN', expected a number"),
        (b"1,-inf,10,0", "speed is '-inf', expected a number"),
        (b"1,1e999,10,0", "speed is '1e999', expected a number"),
        (b'1,"2,5",10,0', "speed is '2,5', expected a number"),
        (b"1,1_000,10,0", "speed is '1_000', expected a number"),
        (b"1,2.5,-3,0", "amount is -3, below the minimum 0"),
        (b"1,,10,0", "speed is missing"),
        (b"1,2.5,10,2", "fraud is 2, expected 0 or 1"),
        (b"1,2.5,10,0.5", "fraud is '0.5', expected a whole number"),
        (b"1,2.5,10,yes", "fraud is 'yes', expected a whole number"),
        (b"1,1e39,10,0", "speed is 1e39, beyond what models can hold, 1e+15"),
        (b"1," + b"x" * 999 + b",10,0", f"speed is '{'x' * 60}', expected a number"),
        (b"1,2.5", "found 2 fields, expected 4"),
        (b"1,2.5,10,0,9", "found 5 fields, expected 4"),
        (b"1,2.5,1\xff0,0", "byte 8 is not UTF-8"),
        (b'1,"2.5,10,0', "a quote or a line end is in the middle of a field"),
        (b"1,2.5\r,10,0", "a quote or a line end is in the middle of a field"),
        (b"1,slow,-3,0", "speed is 'slow', expected a number; amount is -3, below the minimum 0"),
    ],
)
def test_a_row_that_does_not_fit_is_quarantined_with_its_number_reason_and_text(line: bytes, reason: str) -> None:
    found = checked(GOOD, line, GOOD)
    assert found.rejected == [(2, reason, line)]
    assert found.table.num_rows == 2


@pytest.mark.parametrize(
    "line",
    [b"1,2.5,10,0", b" 1 , 2.5,10 ,0", b'"1","2.5","10","0"', b"1,2.5e0,1E1,0.0", b"1,+2.5,10.,-0", b"1,2.5,10,"],
)
def test_a_row_that_fits_is_kept_however_it_is_written(line: bytes) -> None:
    table = checked(line).table
    assert table.select(["seconds", "speed", "amount"]).to_pylist() == [{"seconds": 1.0, "speed": 2.5, "amount": 10.0}]
    assert table["batch"].to_pylist() == ["2026-W08"]


def test_a_row_without_a_label_is_kept_where_the_schema_allows_it() -> None:
    found = checked(b"1,2.5,10,", b"1,2.5,10,1")
    assert found.table["fraud"].to_pylist() == [None, 1]
    counts = {"rows": 2, "kept": 2, "quarantined": 0, "frauds": 1, "unlabelled": 1}
    assert summary(found, NUMBERS) == counts | {"sources": {"delivered": {"labels": 1, "frauds": 1}}}


def test_columns_may_come_in_any_order() -> None:
    found = checked(b"0,10,2.5,1", header=b"fraud, amount,speed,seconds")
    assert found.table.column_names == ["seconds", "speed", "amount", "fraud", "batch"]
    assert found.table["amount"].to_pylist() == [10.0]


def test_an_unknown_category_is_quarantined_and_the_known_ones_are_named() -> None:
    shop = Column(role="feature", type="category", categories=("food", "fuel"))
    schema = Schema("shops", {"shop": shop, "fraud": Column(role="label", type="integer")})
    found = checked(b"food,0", b"cars,0", header=b"shop,fraud", schema=schema)
    assert found.rejected[0].reason == "shop is 'cars', expected one of food, fuel"


def test_a_category_may_hold_commas_and_other_letters() -> None:
    shop = Column(role="feature", type="category", categories=("bread, cakes", "café"))
    schema = Schema("shops", {"shop": shop, "fraud": Column(role="label", type="integer")})
    found = checked(b'"bread, cakes",0', "café,0".encode(), header=b"shop,fraud", schema=schema)
    assert found.table["shop"].to_pylist() == ["bread, cakes", "café"]


def test_a_date_is_read_with_and_without_a_zone() -> None:
    schema = Schema("dated", {"at": Column(role="time", type="date"), "fraud": Column(role="label", type="integer")})
    lines = (
        b"2026-02-16T09:30:00,0",
        b"2026-02-16 10:30:00+01:00,0",
        b"2026-02-16T09:30:00Z,0",
        b"last week,0",
        b"0001-01-01T00:00:00+10:00,0",
    )
    found = checked(*lines, header=b"at,fraud", schema=schema)
    assert {str(moment) for moment in found.table["at"].to_pylist()} == {"2026-02-16 09:30:00"}
    assert found.rejected[0].reason == "at is 'last week', expected a date like 2026-02-16T09:30:00"


def test_a_column_that_is_ignored_is_left_out_and_not_checked() -> None:
    schema = Schema("noted", NUMBERS.columns | {"note": Column(role="ignored")})
    assert checked(GOOD + b",", header=HEADER + b",note", schema=schema).table.column_names[-2:] == ["fraud", "batch"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"2026-W08.csv: found an empty file"),
        ([HEADER], r"2026-W08.csv: found a header and no rows"),
        (
            [b"seconds,speed,fraud", GOOD],
            r"column 'amount' is missing; found 3 columns, expected 4 \(schema 'numbers'\)",
        ),
        ([HEADER + b",speed", GOOD], r"column 'speed' is there 2 times"),
        ([b"seconds,sped,amount,fraud", GOOD], r"unknown column 'sped' \(did you mean 'speed'\?\)"),
        ([HEADER.replace(b",", b";"), GOOD], r"found one column, 'seconds;speed;amount;fraud'; separate the columns"),
        ([b"seconds,sp\xffed,amount,fraud", GOOD], r"the header is not UTF-8 text"),
        ([HEADER + b"\r" + GOOD + b"\r" + GOOD, GOOD], r"a quote or a carriage return is in the middle of a field of"),
    ],
)
def test_a_file_that_is_no_batch_is_refused_with_its_name_and_the_remedy(content: list[bytes], message: str) -> None:
    with pytest.raises(Problem, match=message):
        ingest(content, NUMBERS, "2026-W08.csv")


@given(
    st.lists(st.sampled_from([GOOD, b"1,x,10,0", b'1,"', b"1", b"2,3,4,1", b"\xff,1,1,1", b'"1","2",3,']), min_size=1)
)
def test_rows_in_are_rows_kept_and_rows_quarantined(lines: list[bytes]) -> None:
    found = checked(*lines)
    count = summary(found, NUMBERS)
    assert count["rows"] == len(lines) == len(found.table) + len(found.rejected)
    assert [line for _, _, line in found.rejected] == [lines[row - 1] for row, _, _ in found.rejected]


class Folder:
    """A folder with a schema, params and batches, in which the stage runs."""

    def __init__(self, path: Path, limit: float = 0.5) -> None:
        (path / "batches").mkdir()
        (path / "numbers.yaml").write_text(SCHEMA)
        (path / "params.yaml").write_text(f"ingest: {{max_quarantined: {limit}}}")

    def run(self) -> dict[str, dict[str, int]]:
        main("numbers.yaml", "batches", "kept", "quarantine", "ingest.json")
        return dict(json.loads(Path("ingest.json").read_text())["batches"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def test_each_batch_is_counted_and_its_bad_rows_can_be_read_again(folder: Folder) -> None:
    Path("batches/2026-W09.csv").write_bytes(HEADER + b"\n" + GOOD + b"\n1,x,10,0\n" + GOOD + b"\n1,2.5")
    Path("batches/2026-W10.csv").write_bytes(HEADER + b"\n" + GOOD + b"\n")
    counts = folder.run()
    known = {"rows": 4, "kept": 2, "quarantined": 2, "frauds": 0, "unlabelled": 0}
    assert counts["2026-W09"] == known | {"sources": {"delivered": {"labels": 2, "frauds": 0}}}
    with Path("quarantine/2026-W09.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"row": "2", "reason": "speed is 'x', expected a number", "line": "1,x,10,0"}
    assert rows[1]["line"] == "1,2.5"
    assert Path("quarantine/2026-W10.csv").read_text() == "row,reason,line\n"


@pytest.mark.parametrize("content", [HEADER + b"\r\n" + GOOD + b"\r\n", b"\xef\xbb\xbf" + HEADER + b"\n" + GOOD])
@pytest.mark.parametrize("packed", [False, True])
def test_line_ends_byte_order_marks_and_gzip_make_no_difference(folder: Folder, content: bytes, packed: bool) -> None:
    path = Path("batches/2026-W08.csv.gz" if packed else "batches/2026-W08.csv")
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    assert folder.run()["2026-W08"]["kept"] == 1
    assert pq.read_table("kept/2026-W08.parquet").select(["speed"]).to_pylist() == [{"speed": 2.5}]


@pytest.mark.parametrize("label", [b"0", b"1"])
def test_a_batch_of_one_class_only_is_accepted(folder: Folder, label: bytes) -> None:
    Path("batches/2026-W08.csv").write_bytes(HEADER + b"\n" + b"1,2.5,10," + label + b"\n")
    assert folder.run()["2026-W08"]["frauds"] == int(label)


def test_a_batch_that_is_there_twice_is_refused(folder: Folder) -> None:
    Path("batches/2026-W08.csv").write_bytes(HEADER + b"\n" + GOOD)
    Path("batches/2026-W08.csv.gz").write_bytes(gzip.compress(HEADER + b"\n" + GOOD, mtime=0))
    with pytest.raises(Problem, match=r"batch '2026-W08' is there twice, as 2026-W08.csv too"):
        folder.run()


def test_a_file_that_is_no_csv_is_refused_and_hidden_ones_are_left_alone(folder: Folder) -> None:
    Path("batches/2026-W08.csv").write_bytes(HEADER + b"\n" + GOOD)
    Path("batches/.gitignore").touch()
    Path("batches/_SUCCESS").touch()
    assert list(folder.run()) == ["2026-W08"]
    Path("batches/2026-W09.xlsx").touch()
    with pytest.raises(Problem, match=r"2026-W09.xlsx: not a batch"):
        folder.run()


def test_too_many_bad_rows_stop_the_stage_after_the_reasons_were_written(tmp_path: Path, folder: Folder) -> None:
    Path("params.yaml").write_text("ingest: {max_quarantined: 0.3}")
    Path("batches/2026-W08.csv").write_bytes(HEADER + b"\n" + GOOD + b"\n1,x,10,0\n")
    with pytest.raises(Problem, match=r"2026-W08: 1 of 2 rows .*max_quarantined = 0.3 .* quarantine/2026-W08.csv"):
        folder.run()
    assert (tmp_path / "quarantine/2026-W08.csv").exists()
    assert json.loads(Path("ingest.json").read_text())["batches"]["2026-W08"]["quarantined"] == 1


def test_one_bad_week_among_many_good_ones_stops_the_stage_too(folder: Folder) -> None:
    for week in range(10, 40):
        Path(f"batches/2026-W{week}.csv").write_bytes(HEADER + b"\n" + GOOD + b"\n")
    Path("batches/2026-W40.csv").write_bytes(HEADER + b"\n1,x,10,0\n")
    with pytest.raises(Problem, match="2026-W40: 1 of 1 rows"):
        folder.run()


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_batches_says_how_to_bring_some(folder: Folder, there: bool) -> None:
    if not there:
        Path("batches").rmdir()
    with pytest.raises(Problem, match="make data"):
        folder.run()


def test_numbers_in_batch_names_count_as_numbers() -> None:
    assert batches.in_order(["week-10", "week-9", "2026-W08", "week-9b"]) == [
        "2026-W08",
        "week-9",
        "week-9b",
        "week-10",
    ]


def test_the_kaggle_file_is_read_with_its_quotes() -> None:
    schema = load(ROOT / "data/schemas/creditcard.yaml")
    header = ",".join(f'"{name}"' for name in schema.columns).encode()
    line = b"0," + b",".join([b"-1.3598071336738"] * 28) + b',149.62,"0"'
    found = ingest([header, line], schema, "creditcard.csv")
    assert not found.rejected
    assert found.table["Class"].to_pylist() == [0]
