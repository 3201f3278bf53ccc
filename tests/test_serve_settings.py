"""Settings: what the environment says, what is refused, and what never shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import ROOT
from fraud.errors import Problem
from serve.settings import FIELDS, SETTINGS, TOGETHER, example, load, table
from serve.values import Limit

TOKEN, OTHER = "a-token-of-16-ch", "another-token-of-24-char"
JWT = {"JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "fraud", "JWT_JWKS": "https://issuer.example/keys"}


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load({})
    assert settings.api_tokens == settings.admin_tokens == ()
    assert (settings.model_path, settings.spool) == (Path("models/model.onnx"), Path("data/spool"))
    assert settings.request_log == "sqlite:///data/requests.db"
    assert (settings.host, settings.port, settings.workers, settings.threads) == ("127.0.0.1", 8000, 2, 64)
    assert (settings.max_body, settings.max_rows, settings.drift_days) == (16 * 1024 * 1024, 20000, 7)
    assert (settings.log_sync, settings.metrics_open, settings.allow_unlogged) == ("normal", "no", False)
    unset = {settings.threshold, settings.retention_days, settings.rate_limit, settings.git_rev}
    assert unset | {settings.jwt_issuer, settings.jwt_audience, settings.jwt_jwks} == {None}
    assert settings.tls_cert is settings.tls_key is None


def test_an_empty_value_counts_as_not_set() -> None:
    assert load({setting.variable: " " for setting in SETTINGS}) == load({})


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("API_TOKEN", f"{TOKEN}, {OTHER},", "api_tokens", (TOKEN, OTHER)),
        ("ADMIN_TOKEN", TOKEN, "admin_tokens", (TOKEN,)),
        ("FRAUD_THRESHOLD", "0", "threshold", 0.0),
        ("FRAUD_THRESHOLD", " 0.25 ", "threshold", 0.25),
        ("REQUEST_LOG", "postgres://u:p%40ss@db/log", "request_log", "postgresql+psycopg://u:p%40ss@db/log"),
        ("REQUEST_LOG", "postgresql:///log?host=/run", "request_log", "postgresql+psycopg:///log?host=/run"),
        ("REQUEST_LOG", "sqlite:////var/log.db", "request_log", "sqlite:////var/log.db"),
        ("LATEST_DB", "/var/log.db", "request_log", "sqlite:////var/log.db"),
        ("LATEST_DB", "log.db", "request_log", "sqlite:///log.db"),
        ("LATEST_DB", "postgresql://db/log", "request_log", "postgresql+psycopg://db/log"),
        ("LOG_SYNC", "FULL", "log_sync", "full"),
        ("ALLOW_UNLOGGED", "yes", "allow_unlogged", True),
        ("LOG_RETENTION_DAYS", "0.5", "retention_days", 0.5),
        ("RATE_LIMIT", "600/minute", "rate_limit", Limit(600, "minute")),
        ("MAX_BODY", "512KB", "max_body", 512 * 1024),
        ("MAX_BODY", "100000", "max_body", 100_000),
        ("METRICS_OPEN", "loopback", "metrics_open", "loopback"),
        ("GIT_REV", "f621e18", "git_rev", "f621e18"),
    ],
)
def test_a_variable_sets_its_field(variable: str, text: str, field: str, value: object) -> None:
    assert getattr(load({variable: text}), field) == value


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("FRAUD_THRESHOLD", "1.5", "FRAUD_THRESHOLD: found '1.5', expected a number from 0 to 1"),
        ("FRAUD_THRESHOLD", "nan", "expected a number from 0 to 1"),
        ("PORT", "80000", "PORT: found '80000', expected a whole number from 1 to 65535"),
        ("PORT", "8000.0", "expected a whole number"),
        ("PORT", "9" * 5000, "expected a whole number"),
        ("WORKERS", "0", "expected a whole number from 1 to 64"),
        ("LOG_SYNC", "ful", "LOG_SYNC: found 'ful', expected normal or full"),
        ("ALLOW_UNLOGGED", "maybe", "expected yes or no"),
        ("LOG_RETENTION_DAYS", "0", "expected a number from 0.01"),
        ("LOG_RETENTION_DAYS", "inf", "expected a number"),
        ("DRIFT_DAYS", "0.9", "DRIFT_DAYS: found '0.9', expected a number from 1 to 36500"),
        ("RATE_LIMIT", "100", "RATE_LIMIT: found '100', expected a limit such as 100/second"),
        ("RATE_LIMIT", "0/second", "expected a limit"),
        ("MAX_BODY", "16 megabytes", "MAX_BODY: found '16 megabytes', expected a size from 1B to 1GB"),
        ("MAX_BODY", "0", "expected a size"),
        ("HOST", "a host", "expected visible ASCII characters without blanks"),
        ("REQUEST_LOG", "requests.db", "REQUEST_LOG: expected an SQLAlchemy URL"),
        ("REQUEST_LOG", "sqlite://", "SQLite in memory"),
        ("REQUEST_LOG", "sqlite:///file:log?mode=memory&uri=true", "SQLite in memory or `file:`"),
        ("LATEST_DB", "file:log", "SQLite in memory or `file:`; all workers share one file"),
        ("REQUEST_LOG", "mysql://db/log", "REQUEST_LOG: expected an SQLAlchemy URL"),
        ("LATEST_DB", ":memory:", "SQLite in memory"),
        ("API_TOKEN", ",", "API_TOKEN: found commas without a token"),
        ("GIT_REV", "a\nb", "expected visible ASCII"),
    ],
)
def test_a_bad_value_is_named_with_what_was_found_and_expected(variable: str, text: str, sentence: str) -> None:
    with pytest.raises(Problem) as caught:
        load({variable: text})
    assert str(caught.value).startswith(f"{variable}: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("API_TOKEN", f"{TOKEN},hush hush"),
        ("ADMIN_TOKEN", "hush hush hush hush"),
        ("API_TOKEN", "hush-ä-hush-hush-hush"),
        ("REQUEST_LOG", "mysql://user:hush@db/log"),
        ("REQUEST_LOG", "postgresql://user:hush@db:port/log"),
        ("LATEST_DB", "mssql://user:hush@db/log"),
        ("REQUEST_LOG", "user:hush@db"),
    ],
)
def test_no_problem_tells_a_secret(variable: str, text: str) -> None:
    with pytest.raises(Problem) as caught:
        load({variable: text})
    assert "hush" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_token_that_no_header_can_carry_is_named_by_its_place() -> None:
    with pytest.raises(Problem, match=r"^API_TOKEN: token 2 of 2 holds a blank or no ASCII"):
        load({"API_TOKEN": "a-token-of-a-caller,two words"})


def test_two_names_of_the_log_may_agree_but_not_differ() -> None:
    assert load({"REQUEST_LOG": "sqlite:///a.db", "LATEST_DB": "a.db"}).request_log == "sqlite:///a.db"
    with pytest.raises(Problem, match="REQUEST_LOG and LATEST_DB: both are set, and they differ"):
        load({"REQUEST_LOG": "sqlite:///data/requests.db", "LATEST_DB": "a.db"})


@pytest.mark.parametrize("missing", JWT)
def test_json_web_tokens_take_all_three_settings_or_none(missing: str) -> None:
    assert load(JWT).jwt_issuer == JWT["JWT_ISSUER"]
    with pytest.raises(Problem, match=f"^{missing}: not set, but "):
        load({**JWT, missing: ""})


@pytest.mark.parametrize(
    "text", ["https://issuer.example/keys", "http://127.0.0.1:8080/keys", "http://[::1]/keys", "http://localhost/keys"]
)
def test_keys_come_from_an_https_address_or_from_loopback(text: str) -> None:
    assert load({**JWT, "JWT_JWKS": text}).jwt_jwks == text


@pytest.mark.parametrize(
    "text",
    [
        "http://issuer.example/keys",
        "ftp://127.0.0.1/",
        "https://",
        "https://user:hush@issuer.example/",
        "https://[",
        "a",
    ],
)
def test_keys_come_from_nowhere_else(text: str) -> None:
    with pytest.raises(Problem, match=r"^JWT_JWKS: .*expected") as caught:
        load({**JWT, "JWT_JWKS": text})
    assert "hush" not in str(caught.value)


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"^TLS_KEY: not set, but TLS_CERT is"):
        load({"TLS_CERT": str(tmp_path)})


def test_repr_shows_neither_tokens_nor_what_logs_in_to_the_database() -> None:
    log = "postgresql://analyst:hush@db/log?password=hush"
    settings = load({"API_TOKEN": TOKEN, "ADMIN_TOKEN": OTHER, "REQUEST_LOG": log, "PORT": "81"})
    assert "hush" in settings.request_log
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert not [secret for secret in (TOKEN, OTHER, "hush", "analyst") if secret in shown]
        assert "port=81" in shown
        assert "db/log" in shown


def told(environment: dict[str, str]) -> str:
    """Return the settings or the problem as text."""
    try:
        return repr(load(environment))
    except Problem as problem:
        return str(problem)


@given(st.dictionaries(st.sampled_from([one.variable for one in SETTINGS]), st.text(max_size=30), max_size=4))
def test_any_text_is_a_setting_or_a_problem_that_names_it(environment: dict[str, str]) -> None:
    assert told(environment).startswith(("Settings(", *environment, *(name for group in TOGETHER for name in group)))


def test_every_field_is_set_by_a_variable_of_its_own() -> None:
    assert all(FIELDS.values())
    names = [one.variable for one in SETTINGS]
    assert len(set(names)) == len(names)
    assert all(one.meaning for one in SETTINGS)


def test_env_example_holds_every_setting_once_and_nothing_else() -> None:
    assert (ROOT / ".env.example").read_text().startswith(example()), (
        "put what `python -m serve.settings example` prints first"
    )


def uncommented() -> list[str]:
    """Return .env.example as it is when somebody takes away what stands before each variable."""
    return [line[1:] if line[1:].partition("=")[0].isupper() else line for line in example().splitlines()]


def test_docker_reads_the_defaults_from_env_example_uncommented() -> None:
    """`docker --env-file` knows no quotes, and comments only at the beginning of a line."""
    lines = [line for line in uncommented() if not line.startswith("#")]
    assert load(dict(line.split("=", 1) for line in lines)) == load({})
    assert len(lines) == len(SETTINGS)


def test_a_shell_reads_the_defaults_from_env_example_uncommented() -> None:
    script = "\n".join(
        ["set -a", *uncommented(), f"exec {sys.executable} -c 'import os, json; print(json.dumps(dict(os.environ)))'"]
    )
    done = subprocess.run(["sh", "-c", script], env={}, capture_output=True, text=True, check=True)
    assert load(json.loads(done.stdout)) == load({})


def test_the_table_has_a_row_for_every_setting() -> None:
    rows = table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [one.variable for one in SETTINGS]
    assert all(row.count("|") == 4 for row in rows)
