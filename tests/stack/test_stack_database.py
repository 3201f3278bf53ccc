"""The database of the request log: up and down, backed up and restored, read by those who may only read."""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from examples import ROOT
from fraud.errors import Problem
from fraud.loop import collect, trace
from fraud.loop.log_database import address
from fraud.loop.running import descendants, words
from fraud.operations import db_backup, db_drill, db_reader, db_restore
from fraud.operations.backups import place, programs
from fraud.operations.backups.contents import contents
from logs import logged, opened, query, rows
from migrations import later, schema
from postgres import PASSWORD, Postgres, database, program
from s3 import KEY, SECRET, Server, serving
from serve.journal import __main__ as journal
from test_collect import PARAMS
from traces import World, enter
from traces import log as traced
from traces import rows as payments
from waiting import until
from weekly_logs import Logbook, answer, answers

ODD = [
    answer(0, transaction_id='Ünïcode, "quotes" and \\n', probability=5e-324),
    answer(1, transaction_id="", fingerprint=-(2**63), features='{"merchant": "\\u0000 🦆\t"}'),
    answer(2, probability=0.1 + 0.2, latency_ms=1e308, threshold=-0.0),
]
ALL = "SELECT * FROM {} ORDER BY number"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working copy with nothing but what the commands read, and no setting of a shell."""
    for name in ("REQUEST_LOG", "LATEST_DB", "SPOOL", "AWS_PROFILE", *filter(lambda one: one[:2] == "PG", os.environ)):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "ops").symlink_to(ROOT / "ops")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def empty(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Return a maker of empty databases of the same kind."""
    if url.startswith("sqlite"):
        return lambda: f"sqlite:///{tmp_path}/{uuid4().hex}.db"
    server: Postgres = request.getfixturevalue("postgres")
    return lambda: server.create(uuid4().hex)


def run(module: Any, url: str, *arguments: str) -> None:
    """Do what a make target does, with a log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUEST_LOG", url)
        module.main(*arguments)


def fails(module: Any, url: str, *arguments: str) -> str:
    with pytest.raises(Problem) as problem:
        run(module, url, *arguments)
    return str(problem.value)


def held(url: str) -> list[Any]:
    """Return all rows, asked without any code of ours."""
    return [query(url, ALL.format(name)) for name in ("requests", "feedback")]


def filled(url: str) -> Logbook:
    """Return a log with odd rows and labels."""
    book = Logbook(url)
    book.log([*ODD, *(one._replace(id=f"x{one.id}") for one in answers(200))])
    book.label((ODD[0], 1), (ODD[0], 0), (ODD[1], 1))
    return book


def files(folder: str = "backups") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).exists() else []


# Up and down.


def test_a_later_migration_goes_up_and_down_and_the_rows_stay(url: str, tmp_path: Path) -> None:
    folder = later(tmp_path / "later")
    assert schema(folder, url, "upgrade") == (0, _said(url, "base", "0001"))
    filled(url)
    before = held(url)
    assert schema(folder, url, "upgrade", "TO=0002") == (0, _said(url, "0001", "0002"))
    assert [row[:-1] for row in held(url)[0]] == before[0]
    assert query(url, "SELECT DISTINCT channel FROM requests") == [("web",)]
    assert query(url, "SELECT * FROM notes") == []
    assert schema(folder, url, "downgrade", "TO=0001") == (0, _said(url, "0002", "0001"))
    assert held(url) == before
    with opened(url, tmp_path) as log:  # It writes on.
        log.add(rows(1))
    assert len(logged(url)) == len(before[0]) + 1


def _said(url: str, before: str, now: str) -> str:
    return f"{address({'REQUEST_LOG': url}).url.render_as_string()}: schema {before} before, {now} now\n"


def test_answers_are_only_dropped_when_told_so(url: str) -> None:
    filled(url)
    said = fails(journal, url, "downgrade", "TO=base")
    assert said == "TO=base: 203 answers would be lost; run `make db-backup`, then give FORCE=1"
    assert len(logged(url)) == 203
    run(journal, url, "downgrade", "TO=base", "FORCE=1")
    with pytest.raises(Exception, match="requests"):
        logged(url)
    run(journal, url, "upgrade")
    assert held(url) == [[], []]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["downgrade"], "TO=: found no such migration, expected one of base, 0001"),
        (["upgrade", "TO=0009"], "TO=0009: found no such migration, expected one of base, 0001"),
        (["upgrade", "TO=base"], "TO=base: the schema is 0001; `make db-downgrade TO=base` takes it back"),
    ],
)
def test_a_migration_that_is_none_changes_nothing(words: list[str], message: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/requests.db"
    filled(url)
    assert fails(journal, url, *words) == message
    assert len(logged(url)) == 203


def test_a_database_that_is_away_is_told_without_its_password() -> None:
    said = fails(journal, "postgresql://fraud:a-secret@127.0.0.1:1/x?sslpassword=b-secret", "upgrade")
    assert "127.0.0.1" in said
    assert "secret" not in said


# Back up and restore.


def test_a_restored_log_has_the_very_same_rows(url: str, empty: Callable[[], str], tmp_path: Path) -> None:
    filled(url)
    run(db_backup, url, "TO=backups")
    assert [path.stat().st_mode & 0o777 for path in Path("backups").iterdir()] == [0o600, 0o600]
    target = empty()
    run(db_restore, target, "FROM=backups")
    assert held(target) == held(url)
    if target.startswith("sqlite"):
        assert Path(target.removeprefix("sqlite:///")).stat().st_mode & 0o777 == 0o600
    with opened(target, tmp_path) as log:  # It is a log, with its schema and its indexes.
        (first,) = log.add(rows(1, transaction_id=ODD[0].transaction_id))
    assert first.id == ODD[0].id


def test_a_backup_is_one_moment_of_a_log_that_is_written_meanwhile(
    url: str, empty: Callable[[], str], tmp_path: Path
) -> None:
    ended = threading.Event()
    with opened(url, tmp_path) as log:
        thread = threading.Thread(target=lambda: [log.add(rows(1)) for _ in iter(ended.is_set, True)])
        thread.start()
        until(lambda: len(logged(url)) > 100)
        run(db_backup, url, "TO=backups")
        ended.set()
        thread.join()
    target = empty()
    run(db_restore, target, "FROM=backups")  # It compares the rows with what the backup counted.
    copied, now = logged(target), logged(url)
    assert len(copied) > 100
    assert set(copied) < set(now)


def test_rows_are_only_replaced_when_told_so(url: str) -> None:
    book = filled(url)
    run(db_backup, url, "TO=backups")
    before = held(url)
    book.delete(ODD[:1])
    book.label((ODD[1], 0))
    after = held(url)
    assert "holds 204 rows; name an empty database, or give FORCE=1" in fails(db_restore, url, "FROM=backups")
    assert held(url) == after
    run(db_restore, url, "FROM=backups", "FORCE=1")
    assert held(url) == before


def test_a_log_that_a_server_has_open_is_replaced_under_it(url: str, tmp_path: Path) -> None:
    filled(url)
    run(db_backup, url, "TO=backups")
    with opened(url, tmp_path) as log:
        log.add(rows(50))
        run(db_restore, url, "FROM=backups", "FORCE=1")
        (late,) = log.add(rows(1))
        until(lambda: log.pending() == 0 and log.state() == "writable")
        assert log.queries.find(request_id=late.id) == late
    assert len(logged(url)) == 204


def test_tables_that_the_backup_does_not_know_are_kept(url: str, tmp_path: Path) -> None:
    filled(url)
    run(db_backup, url, "TO=backups")
    schema(later(tmp_path / "later"), url, "upgrade", "TO=0002")
    said = fails(db_restore, url, "FROM=backups", "FORCE=1")
    assert "has tables that the backup, of schema 0001, has not: notes; bring it to that schema" in said
    assert len(logged(url)) == 203


def _torn(dump: Path, _: Path) -> None:
    dump.write_bytes(dump.read_bytes()[:-100])


def _changed(dump: Path, _: Path) -> None:
    content = bytearray(dump.read_bytes())
    content[len(content) // 2] ^= 1
    dump.write_bytes(content)


def _gone(dump: Path, _: Path) -> None:
    dump.unlink()


def _torn_manifest(_: Path, manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [_torn, _changed, _gone, _torn_manifest])
def test_a_damaged_backup_is_refused_before_anything_changes(
    damage: Callable[[Path, Path], None], url: str, empty: Callable[[], str]
) -> None:
    filled(url)
    run(db_backup, url, "TO=backups")
    dump, manifest = sorted(Path("backups").iterdir(), key=lambda path: path.suffix == ".json")
    damage(dump, manifest)
    before = held(url)
    assert "restore another backup" in fails(db_restore, url, "FROM=backups", "FORCE=1")
    assert held(url) == before
    target = empty()
    fails(db_restore, target, "FROM=backups")
    with pytest.raises(Exception, match="requests"):
        logged(target)


def test_a_backup_whose_rows_are_not_those_of_its_manifest_changes_nothing(url: str, empty: Callable[[], str]) -> None:
    book = filled(url)
    run(db_backup, url, "TO=backups")
    (manifest,) = Path("backups").glob("*.json")
    content = json.loads(manifest.read_bytes())
    content["tables"]["feedback"]["sha256"] = "0" * 64
    manifest.write_text(json.dumps(content))
    target = empty()
    said = fails(db_restore, target, "FROM=backups")
    assert "its dump and its manifest disagree on feedback (3 rows, 3 were backed up); nothing was changed" in said
    with pytest.raises(Exception, match="requests"):
        logged(target)
    book.label((ODD[1], 0))
    before = held(url)
    fails(db_restore, url, "FROM=backups", "FORCE=1")
    assert held(url) == before


CELL = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
TABLE = st.lists(st.tuples(CELL, CELL), max_size=6)


def _checksum(table: list[tuple[Any, Any]]) -> str:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE one (a, b)")
        for row in table:
            connection.exec_driver_sql("INSERT INTO one VALUES (?, ?)", row)
        found = contents(connection)["one"]
    assert found.rows == len(table)
    return found.sha256


@given(TABLE, TABLE, st.randoms())
def test_the_checksum_is_that_of_the_rows_and_not_of_their_order(
    table: list[tuple[Any, Any]], other: list[tuple[Any, Any]], draw: Any
) -> None:
    mixed = draw.sample(table, len(table))
    assert _checksum(mixed) == _checksum(table)
    same = sorted(map(repr, other)) == sorted(map(repr, table))
    assert (_checksum(other) == _checksum(table)) == same


def test_the_newest_stay_and_those_of_other_databases_too(tmp_path: Path) -> None:
    one, other = f"sqlite:///{tmp_path}/one.db", f"sqlite:///{tmp_path}/one-two.db"
    for url in (one, other):
        filled(url)
        run(db_backup, url, "TO=backups")
    (Path("backups") / "one-20200101T000000.000Z.sqlite").touch()  # Of a run that was killed.
    (Path("backups") / "notes.txt").touch()
    for _ in range(3):
        last = set(files())
        run(db_backup, one, "TO=backups", "KEEP=2")
    made = {name for name in files() if name.startswith("one-2")}
    assert len(made) == 4
    assert set(files()) - last <= made
    assert len([name for name in files() if name.startswith("one-two-")]) == 2
    assert "notes.txt" in files()
    assert "found backups of one and one-two; name one" in fails(db_restore, one, "FROM=backups")
    run(db_restore, f"sqlite:///{tmp_path}/new.db", f"FROM=backups/{max(made)}")
    for wrong in ("KEEP=0", "KEEP=-1", "KEEP=all"):
        assert wrong in fails(db_backup, one, "TO=backups", wrong)
    said = fails(db_backup, one, "TO=/proc/x")
    assert said == "/proc/x: cannot be made (no such file or directory); name another folder"


def test_a_database_without_tables_is_not_backed_up(empty: Callable[[], str]) -> None:
    url = empty()
    Path(url.removeprefix("sqlite:///")).touch() if url.startswith("sqlite") else None
    assert "has no tables; name the database" in fails(db_backup, url, "TO=backups")
    assert files() == []


def test_a_backup_that_fails_leaves_nothing(url: str) -> None:
    Logbook(url).log([one._replace(features="".join(uuid4().hex for _ in range(30))) for one in answers(500)])
    done = subprocess.run(
        [sys.executable, "-m", "fraud.operations.db_backup", "TO=backups"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "src"),
            "REQUEST_LOG": url,
            "TMPDIR": str(Path.cwd()),
            "PYTHONDONTWRITEBYTECODE": "1",  # Cut off at the limit it would stay for all who import it later.
        },
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),  # As a full disk.
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("REQUEST_LOG=")
    assert files() == []
    assert not list(Path.cwd().glob("fraud-backup-*"))


def test_no_password_is_on_a_command_line_or_in_an_error(postgres: Postgres) -> None:
    url = postgres.create(uuid4().hex)
    filled(url)
    change(url, "CREATE SCHEMA other")
    change(url, "CREATE TABLE other.one (number integer)")
    with psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE other.one IN ACCESS EXCLUSIVE MODE")  # So that pg_dump has to wait.
        thread = threading.Thread(target=run, args=(db_backup, url, "TO=backups"))
        thread.start()
        until(lambda: any("--snapshot" in words(pid) for pid in descendants(os.getpid())))
        lines = [words(pid) for pid in descendants(os.getpid())]
        holder.rollback()
    thread.join()
    assert not any(PASSWORD in line for line in lines)
    assert not any(PASSWORD.encode() in path.read_bytes() for path in Path("backups").iterdir())
    wrong = url.replace(PASSWORD, "another-password")
    for module in (db_backup, db_restore, db_drill, db_reader):
        said = fails(
            module, wrong, *([] if module is db_reader else ["FROM=backups"] if module is not db_backup else [])
        )
        assert "authentication failed" in said
        assert "another-password" not in said


def test_the_password_may_come_from_the_environment(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres.create(uuid4().hex)
    filled(url)
    bare = url.replace(f":{PASSWORD}@", "@")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    run(db_backup, bare, "TO=backups")
    monkeypatch.delenv("PGPASSWORD")
    kept = Path("passwords")
    kept.write_text(f"127.0.0.1:{postgres.port}:*:fraud:{PASSWORD}\n")
    kept.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(kept))
    target = postgres.create(uuid4().hex)
    run(db_restore, target.replace(f":{PASSWORD}@", "@"), "FROM=backups")
    assert held(target) == held(url)


def test_programs_that_are_older_than_the_server_are_refused() -> None:
    log = address({"REQUEST_LOG": "postgresql://127.0.0.1/x"})
    with pytest.raises(Problem, match=r"^pg_dump: found version \d+, but the server has version 999; install"):
        programs.run(log, 999, "pg_dump")


def test_a_drill_restores_compares_and_leaves_nothing(
    url: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(url)
    run(db_backup, url, "TO=backups")
    run(db_drill, url, "FROM=backups")
    assert "3 feedback, 203 requests, each row as it was" in capsys.readouterr().out
    _changed(*sorted(Path("backups").iterdir(), key=lambda path: path.suffix == ".json"))
    assert "restore another backup" in fails(db_drill, url, "FROM=backups")
    if not url.startswith("sqlite"):
        names = query(request.getfixturevalue("postgres").url, "SELECT datname FROM pg_database")
        assert not [name for (name,) in names if name.startswith("drill-")]


NAMES_OF_DRILLS = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'drill-%'"


def drilling(url: str, place: Path) -> subprocess.Popen[bytes]:
    """Start a drill of its own process."""
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/src", "REQUEST_LOG": url, "TMPDIR": str(place)}
    return subprocess.Popen([sys.executable, "-m", "fraud.operations.db_drill", "FROM=backups"], env=known)


def drills(url: str) -> list[str]:
    return [name for (name,) in query(url, "SELECT datname FROM pg_database") if name.startswith("drill-")]


def test_a_drill_takes_away_what_a_killed_one_left_and_nothing_of_one_that_runs(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, place = postgres.create(uuid4().hex), tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    filled(url)
    run(db_backup, url, "TO=backups")
    process = drilling(url, place)
    until(lambda: bool(drills(postgres.url)))
    process.send_signal(signal.SIGSTOP)
    (stopped,) = drills(postgres.url)
    run(db_drill, url, "FROM=backups")
    assert drills(postgres.url) == [stopped]
    assert list(place.iterdir())
    process.kill()
    process.wait()
    until(lambda: not query(postgres.url, NAMES_OF_DRILLS))
    run(db_drill, url, "FROM=backups")
    assert drills(postgres.url) == []
    assert list(place.iterdir()) == []


# In a bucket.


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3"), "bank") as server:
        yield server


@pytest.fixture
def shelf(bucket: Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the arguments that name a new place in the bucket, whose key is in the environment."""
    for name, value in {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    return [f"s3://bank/{uuid4().hex}", f"ENDPOINT={bucket.endpoint}"]


def test_backups_go_to_a_bucket_the_newest_stay_and_are_restored(
    url: str, empty: Callable[[], str], shelf: list[str], bucket: Server
) -> None:
    filled(url)
    there, endpoint = shelf
    for _ in range(3):
        run(db_backup, url, f"TO={there}", endpoint, "KEEP=2")
    folder = bucket.folder / there.removeprefix("s3://")
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 4
    target = empty()
    run(db_restore, target, f"FROM={there}", endpoint)
    assert held(target) == held(url)
    torn = next(name for name in reversed(names) if not name.endswith(".json"))
    key = f"{there.removeprefix('s3://')}/{torn}"
    with bucket.changed(key, (folder / torn).read_bytes()[:-100]):
        assert "restore another backup" in fails(db_restore, empty(), f"FROM={there}", endpoint)
    run(db_restore, empty(), f"FROM={there}/{names[0]}", endpoint)  # The older one.


def test_a_large_backup_goes_to_a_bucket_in_parts(
    tmp_path: Path, shelf: list[str], bucket: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/large.db"
    Logbook(url).log([one._replace(features=uuid4().hex * 1000) for one in answers(400)])
    monkeypatch.setattr(place, "PART", 5 << 20)  # The least that S3 takes.
    run(db_backup, url, f"TO={shelf[0]}", shelf[1])
    (dump,) = (bucket.folder / shelf[0].removeprefix("s3://")).glob("*.sqlite")
    assert dump.stat().st_size > 10 << 20
    run(db_restore, f"sqlite:///{tmp_path}/restored.db", f"FROM={shelf[0]}", shelf[1])


def test_a_bucket_that_refuses_is_told_without_its_secret(
    tmp_path: Path, shelf: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/one.db"
    filled(url)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    said = fails(db_backup, url, f"TO={shelf[0]}", shelf[1])
    assert "refuses these credentials" in said
    assert "another-secret" not in said


# Those who may only read.


REFUSED = [
    "INSERT INTO feedback (ts, request_id, actual, source) VALUES ('', '', 1, '')",
    "UPDATE requests SET label = 1",
    "DELETE FROM feedback",
    "TRUNCATE requests",
    "DROP TABLE feedback",
    "UPDATE alembic_version SET version_num = '0'",
    "SELECT nextval('requests_number_seq')",
    "CREATE TABLE mine (number integer)",
    "CREATE TEMPORARY TABLE mine (number integer)",
    "SELECT pg_read_file('/etc/passwd')",
]


def change(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


def refused(url: str, statements: list[str]) -> None:
    """Check that a role may do none of it."""
    for statement in statements:
        with pytest.raises(psycopg.Error, match=r"permission denied|must be owner"):
            change(url, statement)


def test_the_reader_is_enough_for_collect_and_trace_and_may_do_nothing_else(
    postgres: Postgres,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = uuid4().hex
    url = postgres.create(name)
    traced(url, tmp_path, payments(world.model, 3, transaction_id=None), (("a test", True),))
    monkeypatch.setenv(db_reader.VARIABLE, "a-readers-password")
    run(db_reader, url)
    run(db_reader, url)
    reader = postgres.at(name, db_reader.ROLE, "a-readers-password")
    refused(reader, REFUSED)
    collected(reader, tmp_path, monkeypatch)
    enter(world.copy, monkeypatch, reader)
    trace.main(logged(reader)[0])
    assert "a-readers-password" not in capsys.readouterr().out
    schema(later(tmp_path / "later"), url, "upgrade", "TO=0002")
    assert query(reader, "SELECT * FROM notes") == []
    refused(reader, ["INSERT INTO notes VALUES (1, '')", *REFUSED])


def collected(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that a log can be collected."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/schemas").symlink_to(ROOT / "data/schemas")
    (folder / "params.yaml").write_text(PARAMS.format("false"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REQUEST_LOG", url)
    collect.main("TO=weekly")
    assert files("weekly")


def test_a_log_in_sqlite_knows_no_reader(tmp_path: Path) -> None:
    assert "SQLite knows no roles" in fails(db_reader, f"sqlite:///{tmp_path}/one.db")


# The script that makes the stack's databases.

PASSWORDS = {name: f"{name}-secret" for name in ("FRAUD_DB_PASSWORD", "MLFLOW_DB_PASSWORD", "READER_DB_PASSWORD")}


@pytest.fixture(scope="module")
def stack() -> Iterator[Postgres]:
    """An empty server whose owner is `postgres`, as that of the image is."""
    with database("postgres") as server:
        yield server


def script(server: Postgres, passwords: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the script as the image does."""
    there = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "postgres", "PGPASSWORD": PASSWORD}
    return subprocess.run(
        [
            program("psql"),
            "-v",
            "ON_ERROR_STOP=1",
            "--no-password",
            "--no-psqlrc",
            "-f",
            ROOT / "ops/postgres/init.sql",
        ],
        env=there | passwords,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_makes_databases_that_only_their_owners_and_the_reader_reach(
    stack: Postgres, tmp_path: Path
) -> None:
    assert "READER_DB_PASSWORD: found nothing, expected a password" in fails(db_reader, stack.url)
    for name in PASSWORDS:
        done = script(stack, PASSWORDS | {name: ""})
        assert done.returncode
        assert "MLFLOW_DB_PASSWORD and READER_DB_PASSWORD have to be set" in done.stderr
    done = script(stack, PASSWORDS)
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout + done.stderr + (stack.folder.parent / "log").read_text()
    api, reader = theirs(stack, "fraud"), theirs(stack, "fraud_reader")
    with opened(api, tmp_path) as log:
        log.add(rows(3))
    assert logged(reader) == logged(api)
    refused(reader, REFUSED)
    query(theirs(stack, "mlflow", "mlflow"), "SELECT 1")
    for role, there in (("mlflow", "fraud"), ("fraud", "mlflow"), ("fraud_reader", "mlflow"), ("fraud", "postgres")):
        with pytest.raises(Exception, match="permission denied for database"):
            query(theirs(stack, role, there), "SELECT 1")
    _restored_by_its_owner(api, reader)


def theirs(stack: Postgres, role: str, there: str = "fraud") -> str:
    """Return the URL of a database for one of the roles that the script made."""
    return stack.at(there, role, PASSWORDS[f"{role.rpartition('_')[2].upper()}_DB_PASSWORD"])


def _restored_by_its_owner(api: str, reader: str) -> None:
    """Check that it takes no more than to own the database, and that the reader reads what was restored."""
    before = logged(api)
    run(db_backup, api, "TO=backups")
    change(api, "DELETE FROM requests")
    run(db_restore, api, "FROM=backups", "FORCE=1")
    assert logged(reader) == logged(api) == before
    refused(reader, REFUSED)
    said = fails(db_drill, api, "FROM=backups")
    assert "permission denied to create database; name a role that may create databases" in said
