"""The schema of the request log: made once, brought up and down, and never guessed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url

from examples import ROOT
from fraud.errors import Problem
from logs import opened, query, row
from serve.journal import migrate
from serve.journal.database import Database
from serve.journal.tables import HEAD, metadata

START = f"""
import os, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
import serve
from pathlib import Path
from logs import opened
with opened(sys.argv[1], Path(sys.argv[2])):
    print("alembic" in sys.modules)
"""


def start(url: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", START, url, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_newest_migration_is_the_one_that_the_code_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_the_migrations_make_the_tables_that_the_code_describes(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path):
        pass
    engine = create_engine(Database(url, "normal").url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert {difference[0] for difference in differences} == {"remove_index"}  # Only migrations know these.


def test_the_schema_goes_up_and_down(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path) as log:
        log.add([row()])
    target = Database(url, "normal").url
    migrate.migrate(target, "base")
    with pytest.raises(Exception, match="requests"):
        query(url, "SELECT * FROM requests")
    migrate.migrate(target)
    migrate.migrate(target)
    assert query(url, "SELECT * FROM requests") == []
    assert query(url, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_processes_that_start_together_migrate_once(url: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: start(url, tmp_path), range(3)))
    assert query(url, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert query(url, "SELECT * FROM requests") == []


def test_a_start_with_the_schema_in_place_does_not_import_alembic(url: str, tmp_path: Path) -> None:
    assert start(url, tmp_path) == "True"
    assert start(url, tmp_path) == "False"


def test_a_schema_of_a_newer_commit_is_a_problem(url: str, tmp_path: Path) -> None:
    with opened(url, tmp_path):
        pass
    engine = create_engine(Database(url, "normal").url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'")
    engine.dispose()
    message = "has schema 0999, this server knows 0001; serve it with a newer commit"
    with pytest.raises(Problem, match=message), opened(url, tmp_path):
        pass


def test_a_migration_that_breaks_leaves_nothing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Database(url, "normal").url
    (tmp_path / "data").mkdir()
    for path in migrate.FOLDER.rglob("*.py"):
        copy = tmp_path / "migrations" / path.relative_to(migrate.FOLDER)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text().replace('op.create_index("feedback_request_id",', "raise OSError("))
    monkeypatch.setattr(migrate, "FOLDER", tmp_path / "migrations")
    with pytest.raises(OSError, match="feedback"):
        migrate.migrate(target)
    tables = (
        "sqlite_master" if make_url(url).get_backend_name() == "sqlite" else "pg_tables WHERE schemaname = 'public'"
    )
    assert query(url, f"SELECT * FROM {tables}") == []  # noqa: S608
