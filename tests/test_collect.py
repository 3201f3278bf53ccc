"""make collect: the request log becomes weekly batches, each once, and again when more is known."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from examples import MIXED, ROOT
from fraud.csv_records import read_records
from fraud.errors import Problem
from fraud.loop import collect
from fraud.loop.collecting.request_log import Answer, RequestLog
from fraud.loop.collecting.shelf import Folder, Mark, Moved
from fraud.loop.collecting.weekly_csv import Form, write_week
from fraud.loop.log_database import named, reading
from fraud.loop.weeks import week_of
from fraud.schema import Column, Schema
from fraud.stages.ingest import Checked, ingest
from servers import example, home, running
from weekly_logs import SCHEMA, W08, W09, Logbook, answer, answers

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)
PARAMS = "dataset: creditcard\ncollect:\n  derive_labels: {}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working copy with nothing but its settings; no log and no spool in the environment."""
    for name in ("REQUEST_LOG", "LATEST_DB", "SPOOL"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(ROOT / "data/schemas", tmp_path / "data/schemas")
    (tmp_path / "params.yaml").write_text(PARAMS.format("false"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def book(here: Path, url: str) -> Logbook:
    assert Path.cwd() == here
    return Logbook(url)


@pytest.fixture
def log(here: Path) -> Logbook:
    return Logbook(f"sqlite:///{here}/data/requests.db")


def collected(log: Logbook, *arguments: str, to: str = "weekly") -> dict[str, bytes]:
    """Collect into a folder, and return the files that a batch listing shows there."""
    collect.main(f"LOG={log.url}", f"TO={to}", *arguments)
    return files(to)


def files(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("[!.]*")} if Path(folder).exists() else {}


def checked(content: bytes, schema: Schema = SCHEMA) -> Checked:
    path = Path("read-back.csv")
    path.write_bytes(content)
    return ingest(read_records(path), schema, "2026-W08.csv")


def written(rows: list[Answer], schema: Schema, *, derive: bool = False) -> bytes:
    file = BytesIO()
    write_week(rows, Form(schema, derive=derive), file)
    return file.getvalue()


def answered(number: int, features: dict[str, Any], **given: Any) -> Answer:
    plain = Answer(
        f"{W08} 00:00:{number % 60:02d}.000250", f"{number:032x}", None, 0, json.dumps(features), None, 0, None, None
    )
    return plain._replace(**given)


def test_each_answer_of_a_finished_week_is_a_row_that_ingest_keeps(book: Logbook) -> None:
    rows = answers(50)
    book.log(rows)
    book.label((rows[3], 1), (rows[4], 0))
    table, rejected = checked(collected(book)["2026-W08.csv"])
    assert (len(table), rejected) == (50, [])
    for name in SCHEMA.features:
        assert table[name].to_pylist() == [json.loads(row.features)[name] for row in rows]
    assert table["Class"].to_pylist() == [None] * 3 + [1, 0] + [None] * 45


def test_the_same_content_gives_the_same_bytes_in_whatever_database_and_order(book: Logbook, tmp_path: Path) -> None:
    other = Logbook(f"sqlite:///{tmp_path}/other.db")
    rows = [*answers(30), answer(7, id="f" * 32), answer(7, id="0" * 32)]
    for log, order in (book, rows), (other, rows[::-1]):
        log.log(order)
        log.label(*[(row, number % 2) for number, row in enumerate(rows[:9])])
    assert collected(book) == collected(other, to="other")


def test_the_newest_label_counts(book: Logbook) -> None:
    rows = answers(2)
    book.log(rows)
    book.label((rows[0], 1), (rows[1], 0), (rows[0], 0), (rows[1], 1))
    assert checked(collected(book)["2026-W08.csv"]).table["Class"].to_pylist() == [0, 1]


def test_a_second_run_writes_nothing(book: Logbook, capsys: pytest.CaptureFixture[str]) -> None:
    book.log(answers(5) + answers(5, W09))
    collected(book)
    before = {path: path.stat().st_mtime_ns for path in Path("weekly").rglob("*")}
    collected(book)
    assert {path: path.stat().st_mtime_ns for path in Path("weekly").rglob("*")} == before
    assert capsys.readouterr().out.count(": nothing new\n") == 2


def test_a_late_label_makes_a_new_version_of_its_week_alone(book: Logbook, capsys: pytest.CaptureFixture[str]) -> None:
    rows = answers(5)
    book.log(rows + answers(5, W09))
    before = collected(book)
    book.label((rows[0], 1))
    after = collected(book)
    assert before["2026-W09.csv"] == after["2026-W09.csv"]
    assert checked(after["2026-W08.csv"]).table["Class"].to_pylist()[0] == 1
    assert "2026-W08: a new version: 5 rows, 1 with a label, 1 of these fraud\n" in capsys.readouterr().out


def test_a_row_that_came_late_out_of_a_spool_makes_a_new_version(log: Logbook) -> None:
    log.log(answers(5)[1:])
    collected(log)
    log.log(answers(1))
    assert len(checked(collected(log)["2026-W08.csv"]).table) == 5


def test_an_older_state_of_the_log_never_replaces_a_newer_one(
    log: Logbook, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = answers(5)
    log.log(rows)
    old = Path(shutil.copy(here / "data/requests.db", here / "old.db"))
    log.label((rows[0], 1))
    newest = collected(log)
    collect.main(f"LOG=sqlite:///{old}", "TO=weekly")
    assert files("weekly") == newest
    assert "2026-W08: kept as it is: it was written from a log that knew more\n" in capsys.readouterr().out


def test_a_week_of_which_the_log_deleted_a_part_stays_as_it_was_collected(
    log: Logbook, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = answers(5)
    log.log(rows)
    whole = collected(log)
    log.delete(rows[:2])
    log.log([answer(number) for number in range(10, 20)])
    assert collected(log) == whole
    assert f"kept as it is: the log does not hold the answer {rows[0].id} any more" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["2026-W08.csv", "2026-W08.csv.gz", "2026-W08.parquet"])
def test_a_week_that_was_delivered_by_hand_is_a_problem_and_stays(log: Logbook, name: str) -> None:
    log.log(answers(5) + answers(5, W09))
    Path("weekly").mkdir()
    Path("weekly", name).write_bytes(b"mine")
    with pytest.raises(Problem, match=rf"^weekly: {name} was not written by collect.*; nothing is written over it"):
        collected(log)
    assert set(files("weekly")) == {name, "2026-W09.csv"}
    assert files("weekly")[name] == b"mine"


def test_a_collected_week_that_was_edited_is_a_problem_and_stays(log: Logbook) -> None:
    rows = answers(5)
    log.log(rows)
    collected(log)
    Path("weekly/2026-W08.csv").write_bytes(b"edited")
    log.label((rows[0], 1))
    with pytest.raises(Problem, match=r"2026-W08.csv was not written by collect, or has changed since"):
        collected(log)
    assert files("weekly") == {"2026-W08.csv": b"edited"}


def test_a_week_that_is_not_over_is_left_alone(log: Logbook, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    log.log([*answers(5), answer(1, f"{now:%Y-%m-%d}")])
    assert set(collected(log)) == {"2026-W08.csv"}
    monday = now.date() - timedelta(days=now.weekday()) + timedelta(weeks=1)
    assert f"{week_of(now.date())}: not collected: it ends on {monday} at 00:00 UTC\n" in capsys.readouterr().out


def test_a_week_with_rows_in_the_spool_waits_for_them(log: Logbook, capsys: pytest.CaptureFixture[str]) -> None:
    log.log(answers(5) + answers(5, W09))
    Path("data/spool").mkdir()
    torn = b'["2026-02-18 00:0'
    lines = b"".join(json.dumps(answer(number)).encode() + b"\n" for number in (60, 61))
    Path("data/spool/1.jsonl").write_bytes(lines + torn)
    assert set(collected(log)) == {"2026-W09.csv"}
    assert "2026-W08: not collected: 2 of its rows wait in the server's spool" in capsys.readouterr().out


@pytest.mark.parametrize(
    "other",
    [
        '{"amount": 3.5, "hour": 4}',
        "{}",
        "[1, 2]",
        "no json",
        answer(1).features.replace('"V7": ', '"V7": "text", "V77": '),
        answer(1).features.replace('"V7": ', '"V7": [], "old": '),
        answer(1).features[:-1] + ', "Class": 1}',
    ],
)
def test_rows_of_other_data_sets_are_left_out_and_counted(
    log: Logbook, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log.log([*answers(5), answer(6, features=other), answer(7, W09, features=other)])
    found = collected(log)
    assert len(checked(found["2026-W08.csv"]).table) == 5
    assert set(found) == {"2026-W08.csv"}
    said = capsys.readouterr().out
    assert (
        "5 rows, 0 with a label, 0 of these fraud, left out as their features are not those of the schema: 1\n" in said
    )
    assert "2026-W09: not collected: none of its 1 rows fits the schema\n" in said


def test_another_schema_makes_all_weeks_be_written_anew(log: Logbook) -> None:
    log.log(answers(5))
    collected(log)
    path = Path("data/schemas/creditcard.yaml")
    path.write_text(path.read_text() + "  note: {role: ignored}\n")
    assert collected(log)["2026-W08.csv"].splitlines()[0].endswith(b",Class,note,label_source")


def test_seconds_count_from_the_first_monday_of_the_simulated_weeks_unless_the_caller_sent_its_time(
    log: Logbook,
) -> None:
    sent = ['"Time": 12.5, ', '"Time": "7e2", ', '"Time": "noon", ', '"Time": null, ']
    log.log([answer(number, features="{" + time + answer(1).features[1:]) for number, time in enumerate(sent)])
    at = 7 * 7 * 86_400 + 2 * 86_400
    assert checked(collected(log)["2026-W08.csv"]).table["Time"].to_pylist() == [12.5, 700, at + 2.00025, at + 3.00025]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("date", datetime(2026, 2, 18, 0, 0, 1, 250)), ("integer", 51 * 86_400 + 1)],
)
def test_the_time_of_an_answer_comes_in_the_type_of_the_column(
    kind: Any, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    columns = {"at": Column(role="time", type=kind), **MIXED.columns}
    row = answered(1, {"amount": 1, "country": "here"}, actual=0)
    schema = Schema("timed", columns)
    assert checked(written([row], schema), schema).table["at"].to_pylist() == [expected]


@given(st.data())
def test_rows_in_are_rows_out_whatever_callers_sent(data: st.DataObject) -> None:
    columns = {
        "transaction_id": Column(role="identifier"),
        'odd,"name"': Column(role="identifier"),
        "note": Column(role="ignored"),
        **MIXED.columns,
    }
    schema = Schema("mixed", columns)
    features = st.fixed_dictionaries(
        {
            "amount": NUMBER.map(abs) | st.integers(0, 10**15),
            "country": st.sampled_from(["here", "there"]),
            "shop": st.sampled_from(["food", "web", None]),
            "age": st.integers(-(10**9), 10**9) | st.none(),
        },
        optional={"card": TEXT | NUMBER | st.none(), 'odd,"name"': TEXT},
    )
    sent = data.draw(st.lists(features, min_size=1, max_size=8))
    rows = [
        answered(place, one, actual=place % 2, transaction_id=["a", None][place % 2]) for place, one in enumerate(sent)
    ]
    records = read_content(written(rows, schema))
    table, rejected = ingest(records, schema, "2026-W08.csv")
    assert rejected == []
    for name in schema.features:
        assert table[name].to_pylist() == [one[name] for one in sent]
    assert table["fraud"].to_pylist() == [row.actual for row in rows]
    assert table["transaction_id"].to_pylist() == [row.transaction_id or row.id for row in rows]
    assert len(table) == len(sent)


def read_content(content: bytes) -> list[bytes]:
    from fraud.csv_records import records  # noqa: PLC0415  # Beside the reader of files.

    return list(records(BytesIO(content)))


def test_derived_labels_come_only_when_they_are_asked_for_and_say_so(log: Logbook) -> None:
    rows = [answer(0, label=1), answer(1, label=0), answer(2, label=1)]
    log.log(rows)
    log.label((rows[2], 0))
    plain = collected(log)["2026-W08.csv"]
    assert [line.split(b",")[-2] for line in plain.splitlines()] == [b"Class", b"", b"", b"0"]
    Path("params.yaml").write_text(PARAMS.format("true"))
    derived = collected(log)["2026-W08.csv"]
    assert [b",".join(line.split(b",")[-2:]) for line in derived.splitlines()] == [
        b"Class,label_source",
        b"1,derived",
        b"0,derived",
        b"0,feedback:a test",
    ]


def test_a_label_says_who_gave_it_and_whether_another_one_said_otherwise(log: Logbook) -> None:
    rows = answers(5)
    log.log(rows)
    log.label((rows[0], 1), (rows[1], 1), (rows[2], 0), source="analyst, 2nd floor")
    log.label((rows[0], 1), (rows[1], 0), (rows[2], 1), (rows[3], 0), source="token-0f0f0f0f")
    log.label((rows[2], 0), source="analyst, 2nd floor")
    table, rejected = checked(collected(log)["2026-W08.csv"])
    assert rejected == []
    assert table["Class"].to_pylist() == [1, 0, 0, 0, None]
    assert table["label_source"].to_pylist() == [
        "feedback:analyst, 2nd floor",  # Who confirms it changes nothing.
        "changed:token-0f0f0f0f",
        "changed:analyst, 2nd floor",
        "feedback:token-0f0f0f0f",
        None,
    ]


def killed(settings: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "tests/killed_collect.py"), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_week_is_whole_before_whichever_line_a_run_is_killed(log: Logbook, here: Path) -> None:
    log.log(answers(150))
    path = here / "weekly/2026-W08.csv"
    told = killed({"url": log.url, "to": "weekly", "path": str(path)})
    assert told["killed"] > 30
    assert told["seen"] == sorted(told["seen"])
    assert checked(collected(log)["2026-W08.csv"]).table["Class"].null_count == 150 - told["killed"] - 1
    assert sorted(path.name for path in Path("weekly/.collect").iterdir()) == ["2026-W08.csv.json", "lock"]


def started(count: int, *arguments: str) -> list[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "fraud.loop.collect", *arguments]
    return [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(count)
    ]


def test_runs_at_the_same_time_write_a_week_once(log: Logbook) -> None:
    log.log(answers(2000))
    said = [process.communicate()[0] for process in started(3, f"LOG={log.url}", "TO=weekly")]
    assert sum("2026-W08: 2000 rows" in one for one in said) == 1, said
    assert sum("2026-W08: nothing new" in one for one in said) == 2, said
    assert len(checked(files("weekly")["2026-W08.csv"]).table) == 2000


def test_a_folder_refuses_a_version_that_was_made_for_another_state_of_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path)

    def put(content: bytes, labels: int, before: Any) -> None:
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        folder.put("2026-W08.csv", BytesIO(content), Mark(1, labels, "id", "recipe", md5), before)

    put(b"first", 1, None)
    first = folder.find("2026-W08.csv")
    put(b"second", 2, first)
    for late in None, first:
        with pytest.raises(Moved):
            put(b"late", 1, late)
    assert files(str(tmp_path)) == {"2026-W08.csv": b"second"}


@pytest.mark.usefixtures("here")
def test_what_the_server_answered_and_was_told_comes_out_of_ingest(tmp_path_factory: pytest.TempPathFactory) -> None:
    served = example()
    root = home(tmp_path_factory.mktemp("server"), served)
    payments = served.payments()[:40]
    with running(root, WORKERS="1") as live:
        asked = live.post(
            "/predict",
            {"data": [payment | {"transaction_id": f"t{number}"} for number, payment in enumerate(payments)]},
        )
        again = live.post("/predict", payments[0] | {"transaction_id": "t0"})
        answers = asked.json["predictions"]
        assert again.json["id"] == answers[0]["id"]
        for number in range(0, 40, 3):
            told = {"transaction_id": f"t{number}", "actual_label": number % 2 == 0}
            assert live.post("/feedback", told).status == 200
        live.stop()
    shift(root / "requests.db")
    table, rejected = checked(collected(Logbook(f"sqlite:///{root}/requests.db"))["2026-W08.csv"])
    assert (len(table), rejected) == (40, [])
    labels = [None if number % 3 else int(number % 2 == 0) for number in range(40)]
    expected = [payment | {"Class": label} for payment, label in zip(payments, labels, strict=True)]
    found = table.select([*SCHEMA.features, "Class"]).to_pylist()
    # All were asked for in one request, and so at one time.
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def shift(path: Path) -> None:
    """Let all answers of a log have been given in a week that is over."""
    import sqlite3  # noqa: PLC0415  # For this line alone.

    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE requests SET ts = '2026-02-18' || substr(ts, 11)")
    connection.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["LOG=sqlite:///none.db"], "LOG=sqlite:///none.db: there is no such file; start the server once"),
        (["LOG=mysql://host/db"], "LOG: found 'mysql', expected sqlite:///"),
        (["WEEK=2026-8"], "WEEK=2026-8: expected an ISO week like 2026-W08"),
        (["WEEK=2026-W54"], "WEEK=2026-W54: expected an ISO week like 2026-W08"),
        (["WEEK=2026-W11"], "WEEK=2026-W11: the log holds no answer of that week; its weeks are 2026-W08 to 2026-W08"),
        (["TO=ftp://host/"], r"TO=ftp://host/: expected a folder, or s3://bucket/weekly_data/"),
        (["TO="], r"data/raw/creditcard.dvc: found no such file, so say where the weeks belong: TO=s3://"),
        (["TO=s3:/bank/x"], r"TO=s3:/bank/x: expected a folder, or s3://bucket/weekly_data/"),
        (["TO=/proc/x"], r"/proc/x: (no folder can be made there|/proc takes no files from this user)"),
        (
            ["TO=", "ENDPOINT=http://localhost"],
            r"ENDPOINT=http://localhost: goes with TO=s3://… only; give TO, or `unset ENDPOINT` where the environment",
        ),
        (["FROM=x"], r"found FROM, expected make collect \[TO="),
    ],
)
def test_what_cannot_be_collected_is_told_in_one_line(log: Logbook, arguments: list[str], message: str) -> None:
    log.log(answers(1))
    words = dict(word.split("=", 1) for word in [f"LOG={log.url}", "TO=weekly", *arguments])
    with pytest.raises(Problem, match=f"^{message}"):
        collect.main(*[f"{name}={value}" for name, value in words.items()])


def test_a_database_that_is_away_is_told_without_its_password() -> None:
    log = RequestLog(named("LOG", "postgresql://fraud:a-secret@127.0.0.1:1/db?password=b-secret"))
    with pytest.raises(Problem, match=r"^LOG=postgresql://fraud:\*\*\*@127.0.0.1:1/db: connection failed") as problem:
        log.counts()
    assert "secret" not in str(problem.value)


def test_a_log_is_read_as_it_was_at_one_moment(book: Logbook) -> None:
    book.log(answers(2))
    with reading(named("LOG", book.url)) as connection:
        count = text("SELECT count(*) FROM requests")
        assert connection.scalar(count) == 2
        book.log(answers(2, W09))
        assert connection.scalar(count) == 2


def test_the_log_is_found_where_the_server_finds_it(log: Logbook, monkeypatch: pytest.MonkeyPatch) -> None:
    log.log(answers(2))
    collect.main("TO=weekly")
    for name, value in {"LATEST_DB": "data/requests.db", "REQUEST_LOG": log.url}.items():
        monkeypatch.setenv(name, value)
        collect.main(f"TO={name}")
    assert files("weekly") == files("LATEST_DB") == files("REQUEST_LOG") != {}


def test_only_the_week_that_is_asked_for_is_collected(log: Logbook) -> None:
    log.log(answers(2) + answers(2, W09))
    assert set(collected(log, "WEEK=2026-W09")) == {"2026-W09.csv"}


def test_without_to_the_weeks_go_into_the_folder_that_they_come_from(log: Logbook) -> None:
    log.log(answers(5))
    for path, content in {
        "data/raw/creditcard.dvc": "outs:\n- path: creditcard\n",
        ".dvc/config": "['remote \"weekly-creditcard\"']\n    url = ../delivery\n",
    }.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(content)
    collect.main(f"LOG={log.url}")
    assert set(files("delivery")) == {"2026-W08.csv"}


@pytest.mark.parametrize("inner", ["", "/weekly/"])
def test_a_file_where_the_folder_should_be_is_told_though_nothing_is_to_be_collected(log: Logbook, inner: str) -> None:
    Path("taken").touch()
    with pytest.raises(Problem, match=r"^taken.*: taken is a file, expected a folder; mend the path"):
        collected(log, to=f"taken{inner}")


UNPRIVILEGED = """
import os, sys
from fraud.errors import run
from fraud.loop import collect
if os.geteuid() == 0:
    os.setuid(65534)
run(collect.main)
"""


def test_a_folder_that_takes_no_files_is_told_though_nothing_is_to_be_collected(log: Logbook, here: Path) -> None:
    Path("weekly").mkdir(mode=0o555)
    here.chmod(0o755)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", UNPRIVILEGED, f"LOG={log.url}", "TO=weekly/new"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert re.fullmatch(
        r"weekly/new: weekly takes no files from this user; make it writable, or mend the path\n", done.stderr
    )
    assert done.returncode == 1
