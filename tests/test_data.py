"""make data: files, folders and buckets become batches that DVC has recorded, and params.yaml names them."""

import errno
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fraud import errors
from fraud.csv_records import BOM, read_records
from fraud.errors import Problem
from fraud.loop import data
from fraud.loop.importing import bucket, raw_folder
from fraud.loop.importing import cut as cut_module
from fraud.loop.importing.cut import Pieces, cut
from fraud.params_file import set_value
from fraud.schema import Column, Schema

ROOT = Path(__file__).parent.parent
HEADER = b"seconds,speed,amount,fraud\n"
NUMBERS_YAML = """
columns:
  seconds: {role: time, type: number, min: 0}
  speed: {role: feature, type: number}
  amount: {role: feature, type: number, min: 0}
  fraud: {role: label, type: integer, missing: true}
"""
PARAMS = """\
dataset: numbers  # the schema
batches: data/simulate

split:
  until: 2026-W08       # the newest
  weeks: 4
"""
NUMBERS = Schema(
    "numbers",
    {
        "seconds": Column(role="time", type="number", min=0),
        "speed": Column(role="feature", type="number"),
        "amount": Column(role="feature", type="number", min=0),
        "fraud": Column(role="label", type="integer", missing=True),
    },
)
DATED = Schema(
    "dated",
    {
        "note": Column(role="ignored"),
        "day": Column(role="time", type="date"),
        "amount": Column(role="feature", type="number"),
        "fraud": Column(role="label", type="integer", missing=True),
    },
)


def rows(*times: float | str) -> bytes:
    return b"".join(f"{moment},1,2,0\n".encode() for moment in times)


def script(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def pieces(
    tmp_path: Path, content: bytes, count: int | None, schema: Schema = NUMBERS
) -> tuple[Pieces, dict[str, bytes]]:
    source, target = tmp_path / "all.csv", tmp_path / "batches"
    source.write_bytes(content)
    target.mkdir()
    found = cut(source, schema, count, target)
    return found, {path.name: path.read_bytes() for path in sorted(target.iterdir())}


# --- params.yaml


WORD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=12)
COMMENT = st.one_of(st.just(""), WORD.map(lambda word: "  # " + word))
OLD = st.sampled_from(["2026-W08", "null", "7", "'a # b'", '"it\'s"', "a b", "x#y", "''"])


@settings(deadline=None)
@given(WORD, OLD, COMMENT, st.sampled_from(["\n", "\r\n"]), st.integers(1, 4))
def test_a_changed_value_reads_back_and_every_other_byte_stays(
    value: str, old: str, comment: str, end: str, spaces: int
) -> None:
    before = (
        f"# all{end}until: 1{comment}{end}{end}split:{comment}{end}# here{end}   weeks: 4{end}   until:" + " " * spaces
    )
    after = f"{comment}{end}   seed: 7{comment}{end}train: {{until: 3}}{end}"
    new = set_value(before + old + after, "split.until", value)
    assert new.startswith(before)
    assert new.endswith(after)
    read = YAML(typ="safe", pure=True).load(new)
    assert read == {"until": 1, "split": {"weeks": 4, "until": value, "seed": 7}, "train": {"until": 3}}


def test_a_value_stays_one_word_between_braces() -> None:
    assert set_value("split: {until: x, weeks: 4}", "split.until", "a, b: 3") == 'split: {until: "a, b: 3", weeks: 4}'
    assert set_value("split: {until: x, weeks: 4}", "split.until", "a,b}") == 'split: {until: "a,b}", weeks: 4}'


def test_the_own_params_file_differs_in_the_two_values_only() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    new = set_value(set_value(text, "batches", "data/raw/x"), "split.until", "batch-12")
    pairs = zip(text.splitlines(), new.splitlines(), strict=True)
    assert [line.split("#")[0].strip() for old, line in pairs if old != line] == [
        "batches: data/raw/x",
        "until: batch-12",
    ]


@pytest.mark.parametrize("text", ["split:\n  weeks: 4\n", "until: x\n", "split: 3\n", ""])
def test_a_key_that_is_not_there_is_a_problem(text: str) -> None:
    with pytest.raises(Problem, match=r"params.yaml: there is no key 'split.until'"):
        set_value(text, "split.until", "x")


@pytest.mark.parametrize("value", ["|\n    x", "", "&here x", "{a: 1}", "\n    weeks: 3"])
def test_a_value_that_is_no_plain_word_on_its_line_is_refused_rather_than_mangled(value: str) -> None:
    with pytest.raises(Problem, match=r"params.yaml: found no plain value at 'split.until'; write one"):
        set_value(f"split:\n  until: {value}\n", "split.until", "x")


# --- cut


TIME = st.one_of(
    st.integers(0, 50).map(str), st.floats(0, 1e300).map(repr), st.sampled_from(["", "soon", "-4", "nan", '"7"'])
)
CELL = st.text(alphabet='ab1,"\n\r é', max_size=6)
QUOTED = CELL.map(lambda cell: '"' + cell.replace('"', '""') + '"')
LINE = st.one_of(
    st.tuples(TIME, st.one_of(QUOTED, st.just("5")), st.just("2"), st.just("0")).map(",".join),
    st.text(alphabet='12,"\r a', max_size=9),
)


@settings(deadline=None)
@given(st.lists(LINE, max_size=30), st.integers(1, 40), st.sampled_from(["\n", "\r\n"]), st.integers(1, 9))
def test_every_record_lands_in_exactly_one_batch_with_its_very_bytes(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], count: int, end: str, chunk: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    content = end.join([HEADER.decode().strip(), *lines, "60,1,2,0", "70,1,2,0"]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut_module, "CHUNK", chunk)
        try:
            found, files = pieces(folder, content, count)
        except Problem:  # More batches than rows, or no two times.
            assume(False)
    expected = read_records(folder / "all.csv")[1:]
    batches = [read_records(folder / "batches" / name) for name in files]
    assert all(batch[0] == HEADER.strip() for batch in batches)
    assert Counter(record for batch in batches for record in batch[1:]) == Counter(expected)
    assert found.rows == {name: len(batch) - 1 for name, batch in zip(files, batches, strict=True)}


def test_a_record_with_a_stray_quote_swallows_no_row_that_it_did_not_stand_before(tmp_path: Path) -> None:
    far = rows(*[90] * 60)
    content = HEADER + b'1,"open,2,0\n' + far + b'1,close",2,0\n' + rows(1, 90)
    found, _ = pieces(tmp_path, content, 2)
    assert len(read_records(tmp_path / "batches" / "batch-01.csv")) - 1 == found.rows["batch-01.csv"]


def test_spans_of_time_are_equal_and_names_order_them(tmp_path: Path) -> None:
    found, files = pieces(tmp_path, HEADER + rows(99, 0, 100, 49, 51, 24, 25), 4)
    assert found == Pieces({"batch-01.csv": 2, "batch-02.csv": 2, "batch-03.csv": 1, "batch-04.csv": 2}, 0)
    assert files["batch-04.csv"] == HEADER + rows(99, 100)


def test_a_span_without_rows_makes_no_file(tmp_path: Path) -> None:
    found, files = pieces(tmp_path, HEADER + rows(*range(50), *range(950, 1000)), 100)
    assert (
        list(files) == list(found.rows) == [f"batch-{number:03}.csv" for number in (1, 2, 3, 4, 5, 96, 97, 98, 99, 100)]
    )


def test_a_row_without_a_time_goes_where_the_row_before_it_went(tmp_path: Path) -> None:
    found, files = pieces(tmp_path, HEADER + rows("late", 90, "soon", 10, "-5") + b"95,1\n", 2)
    assert files == {
        "batch-01.csv": HEADER + rows("late", 10, "-5") + b"95,1\n",
        "batch-02.csv": HEADER + rows(90, "soon"),
    }
    assert found.untimed == 4


@settings(deadline=None)
@given(st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)), min_size=1, max_size=5))
def test_dates_are_cut_into_iso_weeks(tmp_path_factory: pytest.TempPathFactory, moments: list[datetime]) -> None:
    header = b"note,day,amount,fraud\n"
    lines = "".join(f'"a,\nb",{moment.isoformat()},1,0\n' for moment in moments).encode()
    found, _ = pieces(tmp_path_factory.mktemp("cut"), header + lines, None, DATED)
    weeks = Counter("{}-W{:02}.csv".format(*moment.isocalendar()) for moment in moments)
    assert found.rows == weeks
    assert list(found.rows) == sorted(weeks)


def test_a_zone_counts_when_a_date_is_put_in_its_week(tmp_path: Path) -> None:
    moment = datetime(2026, 2, 16, 1)  # A Monday.
    lines = f"a,{moment.isoformat()}+02:00,1,0\nb,{(moment + timedelta(hours=2)).isoformat()}+02:00,1,0\n"
    found, _ = pieces(tmp_path, b"note,day,amount,fraud\n" + lines.encode(), None, DATED)
    assert found.rows == {"2026-W07.csv": 1, "2026-W08.csv": 1}


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_windows_line_ends_and_gzip_are_read(tmp_path: Path, packed: bool) -> None:
    content = BOM + (HEADER + rows(1, 2)).replace(b"\n", b"\r\n")
    _, files = pieces(tmp_path, gzip.compress(content, mtime=0) if packed else content, 2)
    assert files == {"batch-01.csv": HEADER + rows(1), "batch-02.csv": HEADER + rows(2)}


def test_the_file_may_grow_between_the_readings_but_not_unnoticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grow(*_: Any) -> None:
        with (tmp_path / "all.csv").open("ab") as file:
            file.write(rows(3))

    monkeypatch.setattr(cut_module, "_check", grow)
    with pytest.raises(Problem, match="it changed while it was read"):
        pieces(tmp_path, HEADER + rows(1, 2), 2)


PEAK = """
import sys; from pathlib import Path; from fraud.loop.importing import cut; from fraud.schema import load
cut.CHUNK = 500
cut.cut(Path(sys.argv[1]), load("data/schemas/numbers.yaml"), 3, Path(sys.argv[1]).parent)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells a process's own peak in /proc")
def test_memory_stays_flat_when_the_file_is_twenty_times_larger(project: Path) -> None:
    peaks = []
    for size in (1500, 30_000):
        source = project / str(size) / "all.csv"
        source.parent.mkdir()
        source.write_bytes(HEADER + b"".join(b"%d,1.%01000d,2,0\n" % (row * 7919 % size, row) for row in range(size)))
        peaks.append(int(script(PEAK, str(source)).stdout))
    assert peaks[1] - peaks[0] < 10_000  # In KB; the large file has 30,000. (ru_maxrss would count the parent's peak.)


# --- make data


def digest(folder: Path) -> str:
    content = b"".join(path.name.encode() + path.read_bytes() for path in sorted(folder.iterdir()))
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def quick_dvc(command: str, *arguments: str | Path) -> str:
    """Do as `dvc add` and `dvc status` do, a thousand times as fast."""
    path = Path(arguments[-1])
    folder, pointer = path.with_suffix(""), path.with_suffix(".dvc")
    if command == "add":
        pointer.write_text(f"outs:\n- md5: {digest(folder)}\n", encoding="utf-8")
        return ""
    recorded = pointer.read_text(encoding="utf-8")
    return "{}" if digest(folder) in recorded or not recorded else json.dumps({str(pointer): ["changed"]})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working copy in which DVC is played."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n", encoding="utf-8")
    (tmp_path / "data" / "schemas").mkdir(parents=True)
    (tmp_path / "data" / "schemas" / "numbers.yaml").write_text(NUMBERS_YAML, encoding="utf-8")
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(raw_folder, "dvc", quick_dvc)
    return tmp_path


@pytest.fixture
def real(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working copy with git and DVC themselves."""
    monkeypatch.undo()
    monkeypatch.chdir(project)
    for words in (["init", "-q"], ["config", "user.name", "a"], ["config", "user.email", "a@b"]):
        subprocess.run(["git", *words], check=True)
    commit()
    return project


def commit() -> None:
    subprocess.run(["git", "add", "params.yaml", "data"], check=True)
    subprocess.run(["git", "commit", "-qm", "one"], check=True)


def folder(project: Path, **weeks: bytes) -> str:
    source = project / "delivery"
    source.mkdir(exist_ok=True)
    for name, content in weeks.items():
        (source / f"2026-{name}.csv").write_bytes(content)
    return f"DIR={source}"


def one(project: Path, content: bytes = HEADER + rows(1, 2, 3, 4), name: str = "all.csv") -> str:
    (project / name).write_bytes(content)
    return f"CSV={project / name}"


def held(project: Path) -> dict[str, bytes]:
    """All that is in data/raw, by its path there."""
    raw = project / "data" / "raw"
    return {str(path.relative_to(raw)): path.read_bytes() for path in sorted(raw.rglob("*")) if path.is_file()}


def test_a_large_file_becomes_batches_that_params_name(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.main(one(project), "BATCHES=2", "DIR=", "S3=", "ENDPOINT=", "UPDATE=")
    assert {"numbers/batch-01.csv", "numbers/batch-02.csv", "numbers.dvc"} == set(held(project))
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "all.csv: 4 rows in 2 batches, batch-01.csv (2) to batch-02.csv (2), in data/raw/numbers",
        "params.yaml: batches: data/simulate -> data/raw/numbers",
        "params.yaml: split.until: 2026-W08 -> batch-02",
        "params.yaml: split.weeks is 4, but there are 2 batches up to batch-02; lower split.weeks, or move split.until",
        "next: `make repro`, then `git add .dvc/config data params.yaml dvc.lock reports && git commit`",
    ]
    assert "reading times" in told.err
    assert "writing batches" in told.err
    expected = PARAMS.replace("data/simulate", "data/raw/numbers").replace("2026-W08", "batch-02")
    assert (project / "params.yaml").read_text(encoding="utf-8") == expected


def test_a_batch_that_is_delivered_again_with_other_content_shows_in_git(
    real: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.main(one(real), "BATCHES=2")
    commit()
    (real / "delivery").mkdir()
    (real / "delivery" / "batch-02.csv").write_bytes(HEADER + rows(5))
    data.main("DIR=delivery")
    shown = subprocess.run(["git", "status", "--short", "data"], capture_output=True, text=True, check=True).stdout
    assert shown == " M data/raw/numbers.dvc\n"
    was, now = (
        hashlib.md5(content, usedforsecurity=False).hexdigest() for content in (HEADER + rows(3, 4), HEADER + rows(5))
    )
    assert (real / ".dvc/cache/files/md5" / was[:2] / was[2:]).read_bytes() == HEADER + rows(3, 4)
    assert f"batch-02.csv changed (was md5 {was}, is md5 {now}): `git diff` shows it in" in capsys.readouterr().out
    (real / "data/raw/numbers/batch-01.csv").write_bytes(b"mine")
    with pytest.raises(
        Problem, match=r"data/raw/numbers: found files that DVC has not recorded; keep them with `dvc add"
    ):
        data.main("DIR=delivery")


def test_a_folder_adds_its_weeks_beside_those_that_are_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.main(folder(project, W07=HEADER + rows(1), W08=HEADER + rows(2)))
    (project / "delivery" / "2026-W07.csv").unlink()
    capsys.readouterr()
    data.main(folder(project, W09=HEADER + rows(3, 4)))
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"{project}/delivery: 3 rows in 2 batches, 2026-W08.csv (1) to 2026-W09.csv (2); new: 1, changed: 0",
        "data/raw/numbers: 3 batches, from 2026-W07, the oldest by name, to 2026-W09",
    ]
    assert set(held(project)) == {"numbers.dvc", *(f"numbers/2026-W0{week}.csv" for week in (7, 8, 9))}


def test_a_folder_is_remembered_and_its_new_and_changed_weeks_come(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.main(folder(project, W07=HEADER + rows(1), W08=HEADER + rows(2)))
    (project / "delivery" / "2026-W07.csv").unlink()
    folder(project, W08=HEADER + rows(2, 3), W09=HEADER + rows(4))
    (project / "delivery" / "2026-W10.csv.part").write_text("on its way")
    capsys.readouterr()
    data.main("UPDATE=1")
    other, *said = capsys.readouterr().out.splitlines()
    assert other.startswith(f"{project}/delivery/2026-W10.csv.part: left there, as it is no batch")
    (project / "delivery" / "2026-W10.csv.part").unlink()
    assert [line.partition(" (")[0] for line in said[:2]] == ["2026-W08.csv changed", "2026-W09.csv is new"]
    assert said[2].startswith("`git diff` shows it in data/raw/numbers.dvc")
    assert {name for name in held(project) if "W" in name} == {f"numbers/2026-W0{week}.csv" for week in (7, 8, 9)}
    assert held(project)["numbers/2026-W08.csv"] == HEADER + rows(2, 3)
    data.main("UPDATE=1")
    assert capsys.readouterr().out.startswith(f"{project}/delivery: nothing new\n")


def test_a_folder_inside_the_working_copy_is_remembered_as_such(project: Path) -> None:
    folder(project, W08=HEADER + rows(2))
    data.main("DIR=delivery")
    assert "url = ../delivery\n" in (project / ".dvc/config").read_text()


def test_new_weeks_of_a_folder_that_is_gone_are_a_problem(project: Path) -> None:
    data.main(folder(project, W08=HEADER + rows(2)))
    (project / "delivery").rename(project / "elsewhere")
    with pytest.raises(Problem, match=r"^.*/delivery: found no such folder; mend the path"):
        data.main("UPDATE=1")


def test_a_cut_file_makes_the_folder_forgotten(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.main(folder(project, W08=HEADER + rows(2)))
    data.main(one(project), "BATCHES=1")
    assert ".dvc/config: new weeks do not come from a folder any more\n" in capsys.readouterr().out
    with pytest.raises(Problem, match="found no import; begin with"):
        data.main("UPDATE=1")


def test_a_week_may_come_back_packed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.main(folder(project, W08=HEADER + rows(2)))
    (project / "delivery" / "2026-W08.csv").rename(project / "old.csv")
    (project / "delivery" / "2026-W08.csv.gz").write_bytes(gzip.compress(HEADER + rows(2), mtime=0))
    data.main(folder(project))
    assert [name for name in held(project) if "W08" in name] == ["numbers/2026-W08.csv.gz"]
    assert "2026-W08.csv.gz changed (was md5" in capsys.readouterr().out


def test_a_cut_file_replaces_what_was_there_and_says_where_that_is_kept(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.main(folder(project, W08=HEADER + rows(2)))
    was = digest(project / "data" / "raw" / "numbers")
    data.main(one(project), "BATCHES=1")
    assert set(held(project)) == {"numbers.dvc", "numbers/batch-01.csv"}
    told = f"files that were there before: 1; they stay in the DVC cache (md5 {was})"
    assert told in capsys.readouterr().out


def test_rows_without_a_time_and_empty_spans_are_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data.main(one(project, HEADER + rows(0, "soon", 100)), "BATCHES=3")
    told = capsys.readouterr().out
    assert "spans of time without a row, and so without a file: 1 of 3" in told
    assert "rows whose time does not fit the schema: 1; each went where the row before it went" in told


@pytest.mark.parametrize("until", ["2026-W08", "null"])
def test_the_training_window_stays_where_it_fits_the_batches(
    project: Path, until: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PARAMS.replace("2026-W08", until)
    (project / "params.yaml").write_text(text, encoding="utf-8")
    data.main(folder(project, W08=HEADER + rows(2), W09=HEADER + rows(3)))
    assert (project / "params.yaml").read_text(encoding="utf-8") == text.replace("data/simulate", "data/raw/numbers")
    told = "params.yaml: split.until stays 2026-W08; batches after it, which are not trained on: 1"
    assert (told in capsys.readouterr().out) == (until == "2026-W08")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "found nothing; say where the batches come from"),
        (["CSV=", "DIR="], "found nothing; say where"),
        (["CSV=a", "DIR=b"], "found CSV and DIR; say where"),
        (["DIR=b", "BATCHES=3"], "BATCHES goes with CSV, found it with DIR"),
        (["UPDATE=1", "ENDPOINT=b"], "ENDPOINT goes with S3, found it with UPDATE"),
        (["UPDATE=no"], "UPDATE=no: expected UPDATE=1"),
    ],
)
def test_the_command_line_must_name_one_form(arguments: list[str], said: str) -> None:
    with pytest.raises(Problem) as caught:
        data.main(*arguments)
    assert str(caught.value).startswith(said)
    assert all(form in str(caught.value) for form in ("CSV=", "DIR=", "S3=", "UPDATE=1")) or "UPDATE=no" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "all.csv: found an empty file, expected payments"),
        (HEADER, "all.csv: found a header and no rows, expected payments"),
        (
            HEADER.replace(b",", b";") + b"1;2;3;0\n",
            "all.csv: found one column, 'seconds;speed;amount;fraud'; separate",
        ),
        (HEADER.replace(b"speed", b"sped") + rows(1), "all.csv: unknown column 'sped' (did you mean 'speed'?)"),
        (b"seconds,speed,fraud\n1,2,0\n", "all.csv: column 'amount' is missing; found 3 columns"),
        (HEADER + rows("soon", "late", -1), "all.csv, column 'seconds': no time of the 3 rows fits the schema"),
        (HEADER + rows(5, 5, 5), "all.csv, column 'seconds': all times are 5, so there is nothing to cut"),
        (HEADER + rows(5), "all.csv, column 'seconds': 2 batches are more than the 1 rows; lower BATCHES"),
        (gzip.compress(HEADER + rows(1, 2, 3), mtime=0)[:-9], "all.csv: damaged gzip file (Compressed file ended"),
        (b"\x1f\x8b\x08\x00 this is no gzip", "all.csv: damaged gzip file ("),
    ],
)
def test_a_file_that_cannot_be_cut_is_named_with_the_reason_and_nothing_is_left(
    project: Path, content: bytes, said: str
) -> None:
    with pytest.raises(Problem) as caught:
        data.main(one(project, content), "BATCHES=2")
    assert str(caught.value).startswith(said)
    assert list((project / "data").rglob(".*")) == []
    assert (project / "params.yaml").read_text(encoding="utf-8") == PARAMS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["CSV=none.csv"], "CSV=none.csv: found no such file; mend the path"),
        (["CSV=data"], "CSV=data: found a folder; for weekly files use DIR="),
        (["DIR=none"], "DIR=none: found no such folder; mend the path"),
        (["DIR=params.yaml"], "DIR=params.yaml: found a file; to cut it use CSV="),
        (["DIR=data"], "DIR=data: found no weekly files, expected some named like 2026-W08.csv"),
        (
            ["CSV=params.yaml"],
            "schema 'numbers': 'seconds' holds numbers, so say how many batches to cut, like BATCHES=8",
        ),
        (["CSV=params.yaml", "BATCHES=0"], "BATCHES=0: expected a whole number above 0"),
        (["CSV=params.yaml", "BATCHES=abc"], "BATCHES=abc: expected a whole number above 0"),
        (["CSV=params.yaml", "BATCHES=-2"], "BATCHES=-2: expected a whole number above 0"),
    ],
)
@pytest.mark.usefixtures("project")
def test_an_argument_that_does_not_fit_is_named_with_the_way_out(arguments: list[str], said: str) -> None:
    with pytest.raises(Problem) as caught:
        data.main(*arguments)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("role: time, type: number, min: 0", "role: ignored"),
            "schema 'numbers': found no time column to cut a file by; bring",
        ),
        (
            ("type: number, min: 0}\n  speed", "type: date}\n  speed"),
            "schema 'numbers': 'seconds' holds dates, which are cut",
        ),
    ],
)
def test_batches_are_only_counted_where_time_is_a_number(project: Path, change: tuple[str, str], said: str) -> None:
    (project / "data" / "schemas" / "numbers.yaml").write_text(NUMBERS_YAML.replace(*change), encoding="utf-8")
    with pytest.raises(Problem) as caught:
        data.main(one(project), "BATCHES=2")
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "2026-W08.csv.gz",
            gzip.compress(HEADER + rows(1), mtime=0),
            "2026-W08.csv.gz: batch '2026-W08' is there twice",
        ),
        ("2026-W09.csv", b"", "2026-W09.csv: found an empty file"),
        ("2026-W09.csv", b"a,b\n1,2\n", "2026-W09.csv: unknown column 'a'"),
        ("2026-W09.csv.gz", gzip.compress(HEADER + rows(1), mtime=0)[:-9], "2026-W09.csv.gz: damaged gzip file"),
        ("2026-W09.parquet", b"PAR1", "2026-W09.parquet: found Parquet, expected .csv or .csv.gz"),
        ("notes.txt", b"", "notes.txt: not a batch"),
    ],
)
def test_a_folder_with_one_bad_file_brings_nothing(project: Path, name: str, content: bytes, said: str) -> None:
    delivery = folder(project, W08=HEADER + rows(1))
    (project / "delivery" / name).write_bytes(content)
    with pytest.raises(Problem) as caught:
        data.main(delivery)
    assert said in str(caught.value)
    assert held(project) == {}


@pytest.mark.parametrize(
    "stage", ["frozen: true\nouts:\n- path: numbers\n", "deps:\n- path: s3://a/b\nouts:\n- path: numbers\n"]
)
def test_an_imported_folder_is_left_to_its_bucket(project: Path, stage: str) -> None:
    (project / "data" / "raw").mkdir()
    (project / "data" / "raw" / "numbers.dvc").write_text(stage, encoding="utf-8")
    for arguments in ([one(project), "BATCHES=2"], [folder(project, W08=HEADER + rows(1))]):
        with pytest.raises(
            Problem, match=r"data/raw/numbers is imported, .* `make data UPDATE=1`, or let go of it with"
        ):
            data.main(*arguments)


def test_files_that_dvc_never_saw_are_not_overwritten(project: Path) -> None:
    (project / "data" / "raw" / "numbers").mkdir(parents=True)
    (project / "data" / "raw" / "numbers" / "2026-W01.csv").write_bytes(b"mine")
    before = held(project)
    with pytest.raises(Problem, match="found files that DVC has not recorded"):
        data.main(one(project), "BATCHES=2")
    assert held(project) == before


def test_weeks_are_not_added_to_a_folder_that_is_recorded_but_not_here(project: Path) -> None:
    data.main(folder(project, W07=HEADER + rows(1)))
    for path in (project / "data" / "raw" / "numbers").iterdir():
        path.unlink()
    with pytest.raises(
        Problem, match=r"its weeks are recorded in data/raw/numbers.dvc, but not here; run `dvc pull` first"
    ):
        data.main(folder(project, W08=HEADER + rows(2)))


@pytest.mark.usefixtures("real")
def test_what_dvc_says_is_one_line() -> None:
    with pytest.raises(
        Problem, match=r"^`dvc add nothing`: output 'nothing' does not exist.*; mend that and run it again$"
    ):
        raw_folder.dvc("add", "nothing")


def failing(*arguments: str | Path) -> str:
    if arguments[0] == "add":
        Path("data/raw/numbers.dvc").write_bytes(b"")  # As DVC does on a full disk.
        raise Problem("`dvc add`: no space left")
    return quick_dvc(*map(str, arguments))


def half(command: str, *arguments: str | Path) -> str:
    return quick_dvc("add", *arguments) if command == "add" else '{"numbers": ["not in cache"]}'


@pytest.mark.parametrize("dvc", [failing, half])
@pytest.mark.parametrize("recorded", [True, False])
def test_what_dvc_cannot_keep_leaves_the_old_state(
    project: Path, monkeypatch: pytest.MonkeyPatch, dvc: Callable[..., str], recorded: bool
) -> None:
    if recorded:
        data.main(folder(project, W08=HEADER + rows(2)))
    before, params = held(project), (project / "params.yaml").read_bytes()
    monkeypatch.setattr(data, "recorded_files", lambda _: [])
    monkeypatch.setattr(raw_folder, "dvc", dvc)
    with pytest.raises(Problem):
        data.main(one(project), "BATCHES=2")
    assert held(project) == before
    assert (project / "params.yaml").read_bytes() == params


KILLED = """
import os, signal, sys; from pathlib import Path
from fraud.loop import data; from fraud.loop.importing import cut, raw_folder
def cut_short(path, lines):
    path.write_bytes(b"half"); os.kill(os.getpid(), signal.SIGKILL)
def add_short(*_):
    Path("data/raw/numbers.dvc").write_bytes(b""); os.kill(os.getpid(), signal.SIGKILL)
data.recorded_files = lambda _: []
if sys.argv.pop(1) == "cut": cut._append = cut_short
raw_folder.dvc = add_short
data.main(*sys.argv[1:])
"""


@pytest.mark.parametrize(("moment", "recorded"), [("cut", True), ("add", True), ("add", False)])
def test_what_a_killed_run_left_is_undone_by_the_next(project: Path, moment: str, recorded: bool) -> None:
    if recorded:
        data.main(folder(project, W08=HEADER + rows(2)))
    assert script(KILLED, moment, one(project), "BATCHES=2").returncode == -signal.SIGKILL
    assert (project / "data" / "raw" / (".numbers.draft" if moment == "cut" else ".numbers.before")).exists()
    (project / "delivery" / "2026-W08.csv").unlink(missing_ok=True)
    data.main(folder(project, W09=HEADER + rows(3)))
    weeks = ["numbers/2026-W09.csv", *(["numbers/2026-W08.csv"] if recorded else [])]
    assert set(held(project)) == {"numbers.dvc", *weeks}
    assert list((project / "data").rglob(".*")) == []


def test_a_run_that_was_killed_after_dvc_recorded_it_stands(project: Path) -> None:
    data.main(folder(project, W08=HEADER + rows(2)))
    place = raw_folder.Place(Path("data/raw/numbers"), NUMBERS)
    (project / "delivery" / "2026-W08.csv").unlink()
    place.beside("before").mkdir()
    place.beside("draft").mkdir()
    data.main(folder(project, W09=HEADER + rows(3)))
    assert set(held(project)) == {"numbers.dvc", "numbers/2026-W08.csv", "numbers/2026-W09.csv"}
    assert sorted(path.name for path in place.folder.parent.iterdir()) == ["numbers", "numbers.dvc"]


def test_a_full_disk_is_told_in_one_line_and_leaves_the_old_state(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cut_module, "_append", full)
    monkeypatch.setattr(sys, "argv", ["data", one(project), "BATCHES=2"])
    with pytest.raises(SystemExit, match=r"^the disk is full; free some space and run it again$"):
        errors.run(data.main)
    assert held(project) == {}


def test_a_read_only_target_is_told_in_one_line(project: Path) -> None:
    raw = project / "data" / "raw"
    raw.mkdir()
    raw.chmod(0o555)
    mortal = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []  # Root may write anywhere.
    command = [*mortal, sys.executable, "-m", "fraud.loop.data", one(project), "BATCHES=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    raw.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr.startswith("data/raw/.numbers.draft: permission denied; make it readable and writable")
    assert done.stderr.count("\n") == 1


def test_a_bucket_is_imported_and_params_name_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring(url: str, endpoint: str, target: Path) -> None:
        assert (url, endpoint, target) == ("s3://a/b/", "http://c", Path("data/raw/numbers"))
        target.mkdir(parents=True)
        (target / "2026-W30.csv").write_bytes(HEADER + rows(1))

    monkeypatch.setattr(bucket, "bring", bring)
    data.main("S3=s3://a/b/", "ENDPOINT=http://c")
    expected = PARAMS.replace("data/simulate", "data/raw/numbers").replace("2026-W08", "2026-W30")
    assert (project / "params.yaml").read_text(encoding="utf-8") == expected


def test_an_update_leaves_params_as_they_are(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    updated: list[Path] = []
    monkeypatch.setattr(bucket, "update", updated.append)
    data.main("UPDATE=1")
    assert updated == [Path("data/raw/numbers")]
    assert (project / "params.yaml").read_text(encoding="utf-8") == PARAMS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataset: numbers\n", "params.yaml: Object missing required field `batches`"),
        (PARAMS.replace("4", "four"), "split.weeks"),
    ],
)
def test_params_are_read_before_any_data(project: Path, text: str, said: str) -> None:
    (project / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Problem) as caught:
        data.main("CSV=none.csv")
    assert said in str(caught.value)
