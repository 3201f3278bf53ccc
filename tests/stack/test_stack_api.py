"""The server of ops/compose.yaml: its environment, on a real PostgreSQL, whose check of health is tried as well."""

import subprocess
from pathlib import Path

import psycopg
import pytest

from needed import needed
from postgres import PASSWORD, PROGRAMS, Postgres
from servers import example, home, running
from stack.composed import filled

CALLER, SCRAPER = "a-token-of-a-caller", "a-token-of-prometheus"
SETTINGS = {"API_TOKEN": CALLER, "METRICS_TOKEN": SCRAPER, "ADMIN_TOKEN": "a-token-of-an-admin"}


@pytest.fixture
def database(postgres: Postgres) -> Postgres:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fraud")
    return postgres


def test_it_logs_to_postgresql_with_its_password_apart_and_prometheus_has_a_token_of_its_own(
    database: Postgres, tmp_path: Path
) -> None:
    service = filled("api", FRAUD_DB_PASSWORD=PASSWORD, **SETTINGS)["environment"]
    given = {name: str(value) for name, value in service.items() if name not in ("HOST", "PORT")}
    given["REQUEST_LOG"] = given["REQUEST_LOG"].replace("@postgres/", f"@127.0.0.1:{database.port}/")
    with running(home(tmp_path), **given | {"SPOOL": str(tmp_path / "spool"), "WORKERS": "1"}) as live:
        assert live.post("/predict", example().payments()[0], token=CALLER).status == 200
        assert live.get("/prometheus", token=SCRAPER).status == 200
        assert live.get("/prometheus", token=None).status == 401
        assert live.get("/ready", token=None).json["status"] == "ready"
    with psycopg.connect(database.url.replace("/postgres", "/fraud")) as connection:
        assert connection.execute("SELECT count(*) FROM requests").fetchone() == (1,)


def test_postgresql_is_healthy_once_it_takes_connections_over_tcp(postgres: Postgres) -> None:
    kind, program, *words = filled("postgres")["healthcheck"]["test"]
    found = needed(PROGRAMS[0] / program if PROGRAMS else None, "PostgreSQL")
    checks = [subprocess.run([found, *words, "-p", str(port)], check=False).returncode for port in (postgres.port, 1)]
    assert (kind, checks) == ("CMD", [0, 2])
