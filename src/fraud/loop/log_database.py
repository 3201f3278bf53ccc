"""Where the server's request log is, and reading it there: SQLite or PostgreSQL, and nothing can be written."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from fraud.errors import Problem

DEFAULT = "sqlite:///data/requests.db"
VARIABLES = ("REQUEST_LOG", "LATEST_DB")  # The server takes either; the second may be the path of an SQLite file.
FORM = "sqlite:///data/requests.db or postgresql://…"
PATIENCE = 10  # Seconds until a PostgreSQL has to be there.


class Address(NamedTuple):
    """A log, and the setting that names it; as a text it has neither password nor query, which may hold one."""

    setting: str
    url: URL

    def __str__(self) -> str:
        """Return where it is."""
        bare = self.url.set(drivername=self.url.get_backend_name()).difference_update_query(self.url.query)
        return bare.render_as_string(hide_password=True)


def address(environment: Mapping[str, str]) -> Address:
    """Return where the server logs, as its own settings say."""
    name = next((name for name in VARIABLES if environment.get(name, "").strip()), VARIABLES[0])
    return named(name, environment.get(name, "").strip() or DEFAULT)


def settled(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the setting by which the log of a server that runs in `home` is found from any folder."""
    url = address(environment).url
    if url.drivername != "sqlite" or not url.database:
        return {}
    return {VARIABLES[0]: str(url.set(database=str(home / url.database)))}


def named(setting: str, given: str) -> Address:
    """Return the log that a setting names; all but REQUEST_LOG may be the path of an SQLite file."""
    try:
        url = make_url(given if "://" in given or setting == VARIABLES[0] else f"sqlite:///{given}")
    except (ArgumentError, ValueError):
        raise Problem(f"{setting}: found no address of a database, expected {FORM}") from None
    if (backend := url.get_backend_name()) not in ("sqlite", "postgres", "postgresql"):
        raise Problem(f"{setting}: found '{backend}', expected {FORM}")
    return Address(setting, url.set(drivername="sqlite" if backend == "sqlite" else "postgresql+psycopg"))


@contextmanager
def reading(log: Address) -> Iterator[Connection]:
    """Yield a connection that sees one moment; a log that is away, or is none, is a problem whenever that shows."""
    where = f"{log.setting}={log}"
    try:
        with (_sqlite(log.url, where) if log.url.drivername == "sqlite" else _postgresql(log.url)).connect() as found:
            yield found
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        said = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise Problem(f"{where}: {said}; start or mend it, or name another log") from None


def _sqlite(url: URL, where: str) -> Engine:
    path = Path(url.database or "").resolve()
    if not path.is_file():
        raise Problem(f"{where}: there is no such file; start the server once, or name another log")
    name = f"file:{quote(str(path))}?mode=ro"
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(name, uri=True, isolation_level=None), poolclass=NullPool
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))  # Python begins none to read.
    return engine


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={"connect_timeout": PATIENCE},
        execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    )
