"""Records and fields of CSV bytes."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.csv_records import fields, read_records, records
from fraud.errors import Problem

CELL = st.text(alphabet='ab1,"\n é', max_size=8)
ROWS = st.lists(st.lists(CELL, min_size=2, max_size=4), max_size=12)


def written(rows: list[list[str]], ending: str = "\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=ending).writerows(rows)
    return text.getvalue().encode()


@given(ROWS, st.sampled_from(["\n", "\r\n"]))
def test_reading_undoes_what_the_standard_library_writes(rows: list[list[str]], ending: str) -> None:
    found = list(records(io.BytesIO(written(rows, ending))))
    assert [[field.decode() for field in fields(record) or []] for record in found] == rows


@given(st.binary(max_size=200))
def test_no_byte_but_line_ends_is_ever_lost(content: bytes) -> None:
    kept = b"".join(records(io.BytesIO(content)))
    assert kept.translate(None, b"\r\n") == content.translate(None, b"\r\n")


def test_a_stray_quote_costs_only_its_own_record() -> None:
    found = list(records([b'1,"open,2\n', b"3,4,5\n", b'6,"seven",8\n']))
    assert found == [b'1,"open,2', b"3,4,5", b'6,"seven",8']
    assert fields(found[0]) is None


def test_a_quoted_field_may_hold_commas_quotes_and_line_ends() -> None:
    (found,) = records([b'1,"a, ""b""\n', b'c",2\n'])
    assert fields(found) == [b"1", b'a, "b"\nc', b"2"]


def test_blank_lines_are_no_records() -> None:
    assert list(records([b"\n", b"a,b\r\n", b"\r\n", b"1,2"])) == [b"a,b", b"1,2"]


def test_a_damaged_gzip_file_is_a_problem_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "2026-W08.csv.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00 this is no gzip")
    with pytest.raises(Problem, match=r"2026-W08.csv.gz: damaged gzip file .*; deliver it again"):
        read_records(path)
