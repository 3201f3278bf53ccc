"""Bring the schema of the request log up or down by hand: `make db-upgrade`, `make db-downgrade`."""

import os
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, NullPool, create_engine, func, inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from fraud.errors import Problem, run
from serve.journal.migrate import BASE, migrate, revisions, version
from serve.journal.reach import reason
from serve.journal.tables import HEAD, requests
from serve.settings import load


class Found(NamedTuple):
    """What there is before anything is done."""

    revision: str
    rows: int


def upgrade(url: URL, found: Found, revision: str) -> None:
    """Make or change tables; rows stay."""
    if _is_beyond(found.revision, _known(revision)):
        raise Problem(f"TO={revision}: the schema is {found.revision}; `make db-downgrade TO={revision}` takes it back")
    migrate(url, revision)


def downgrade(url: URL, found: Found, revision: str, force: bool) -> None:
    """Take migrations back; what only they could hold is lost, and all answers go only with `force`."""
    if _is_beyond(_known(revision), found.revision):
        raise Problem(f"TO={revision}: the schema is {found.revision}; `make db-upgrade TO={revision}` brings it up")
    if revision == BASE and found.rows and not force:
        raise Problem(f"TO={BASE}: {found.rows} answers would be lost; run `make db-backup`, then give FORCE=1")
    migrate(url, revision)


def _known(revision: str) -> str:
    if revision not in revisions():
        raise Problem(f"TO={revision}: found no such migration, expected one of {', '.join(revisions())}")
    return revision


def _is_beyond(one: str, other: str) -> bool:
    """Compare two schemas; of one that this commit does not know migrate() tells."""
    known = revisions()
    return {one, other} <= {*known} and known.index(one) > known.index(other)


def _look(url: URL) -> Found:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        rows = 0
        if inspect(connection).has_table(requests.name):
            rows = connection.scalar(select(func.count()).select_from(requests)) or 0
        return Found(version(connection) or BASE, rows)


def main(verb: str, *arguments: str) -> None:
    """Go up to the newest migration or TO another, or down TO one; REQUEST_LOG says where."""
    given = {name: value for name, _, value in (argument.partition("=") for argument in arguments) if value}
    url = make_url(load(os.environ).request_log)
    shown = url.difference_update_query(url.query)  # A query may hold a password; one before the host is hidden.
    try:
        if url.get_backend_name() == "sqlite":
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        found = _look(url)
        if verb == "upgrade":
            upgrade(url, found, given.get("TO", HEAD))
        else:
            downgrade(url, found, given.get("TO", ""), given.get("FORCE", "0") != "0")
        print(f"{shown}: schema {found.revision} before, {_look(url).revision} now")
    except SQLAlchemyError as error:
        raise Problem(f"REQUEST_LOG {shown}: {reason(error)}; start or mend it") from None


if __name__ == "__main__":
    run(main)
