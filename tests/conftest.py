"""Settings and fixtures that tests share."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from postgres import Postgres, database

settings.register_profile("fraud", deadline=None)  # A shared machine pauses; that is no fault of the code.
settings.load_profile("fraud")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for all tests that do not stop it."""
    with database() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a new request log, in each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/requests.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create(uuid4().hex)
