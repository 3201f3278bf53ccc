"""Request logs of tests: rows, logs, and what is really in their tables."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine, text

from serve.journal.log import Log
from serve.journal.tables import Row, new_ids, timestamp

WRITER = Path(__file__).parent / "log_writer.py"


def row(**given: Any) -> Row:
    """Return an answered prediction with what is given."""
    plain = Row(timestamp(), new_ids(1)[0], None, "0" * 32, 0.5, 0.25, 0, '{"V1": 1.5}', 7, 0.5)
    return plain._replace(**given)


def rows(count: int, **given: Any) -> list[Row]:
    return [row(**given) for _ in range(count)]


@contextmanager
def opened(url: str, folder: Path, sync: str = "normal", days: int | None = None) -> Iterator[Log]:
    """Open a log whose spool and run folder are in `folder`."""
    (folder / "run").mkdir(exist_ok=True)
    log = Log(url, folder / "spool", sync, folder / "run", days)
    try:
        yield log
    finally:
        log.close()


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return what a statement finds, asked without any code of the log."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(one) for one in connection.execute(text(statement))]


def logged(url: str) -> list[str]:
    """Return the ids in the table, in the order in which they were written."""
    return [found for (found,) in query(url, "SELECT id FROM requests ORDER BY number")]


def writer(url: str, folder: Path, **settings: Any) -> subprocess.Popen[str]:
    """Start processes that write, as tests/log_writer.py describes them."""
    (folder / "run").mkdir(exist_ok=True)
    given = {"url": url, "folder": str(folder), **settings}
    return subprocess.Popen([sys.executable, WRITER, json.dumps(given)], stdout=subprocess.PIPE, text=True)


def acknowledged(process: subprocess.Popen[str]) -> list[list[str]]:
    """Return, for each answer that left, the transaction_id, the row's own id and the id that stands."""
    output, _ = process.communicate(timeout=600)  # Fifty rounds on a machine at work took a minute.
    assert process.returncode == 0
    return [line.split() for line in output.splitlines()]
