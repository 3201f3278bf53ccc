"""Settings and fixtures that tests share."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import settings

from postgres import Postgres, database
from repositories import Repository, small

if TYPE_CHECKING:
    from proposals import Loop
    from traces import World

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


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A small working copy whose graph has run and is committed, which no test changes."""
    repository = small(tmp_path_factory.mktemp("finished") / "small")
    repository.repro()
    repository.commit()
    return repository


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the certificate and key of each fake GitHub."""
    from github import certificate  # noqa: PLC0415  # Only few tests need what it imports.

    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def work(tmp_path: Path, certificate: Path) -> Iterator["Loop"]:
    """A working copy beside a fake GitHub."""
    from proposals import beside_github  # noqa: PLC0415  # as above

    with beside_github(tmp_path, certificate) as found:
        yield found


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> "World":
    """A clone with a history of models, which no test changes."""
    from traces import history  # noqa: PLC0415  # Only few tests need all that it imports.

    return history(tmp_path_factory.mktemp("world") / "copy")


@pytest.fixture
def inside(world: "World", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "World":
    """Be in that clone, with a log of our own."""
    from traces import enter  # noqa: PLC0415  # as above

    enter(world.copy, monkeypatch, f"sqlite:///{tmp_path}/requests.db")
    return world
