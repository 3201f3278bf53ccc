"""The settings of the server: one declaration each; .env.example and docs/server.md are printed from them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import msgspec
from sqlalchemy.engine import make_url
from sqlalchemy.util import immutabledict

from fraud.errors import Problem, run
from serve.access import certificate
from serve.values import (
    Limit,
    choice,
    database,
    database_or_file,
    keys,
    limit,
    number,
    readable,
    size,
    tokens,
    whole,
    word,
    yes,
)


class Setting(NamedTuple):
    """A variable of the environment; where a field has two, either sets it."""

    variable: str
    parse: Callable[[str], Any]
    meaning: str
    default: str = ""  # As one would write it; where there is none, the field has its own.


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the server was told."""

    api_tokens: Annotated[
        tuple[str, ...],
        Setting(
            "API_TOKEN", tokens, "bearer tokens of callers, comma separated; 16 characters or more are hard to guess"
        ),
    ] = ()
    admin_tokens: Annotated[
        tuple[str, ...], Setting("ADMIN_TOKEN", tokens, "bearer tokens that may also do what changes the server")
    ] = ()
    threshold: Annotated[
        float | None,
        Setting("FRAUD_THRESHOLD", number(0, 1), "probability from which on it is fraud, instead of the model's own"),
    ] = None
    model_path: Annotated[Path, Setting("MODEL_PATH", Path, "the model that dvc.lock pins", "models/model.onnx")]
    request_log: Annotated[
        str,
        Setting(
            "REQUEST_LOG",
            database,
            "where answers are logged: sqlite:/// or postgresql://",
            "sqlite:///data/requests.db",
        ),
        Setting(
            "LATEST_DB", database_or_file, "another name of REQUEST_LOG, which also takes the path of an SQLite file"
        ),
    ]
    log_sync: Annotated[
        Literal["normal", "full"],
        Setting(
            "LOG_SYNC",
            choice("normal", "full"),
            "the log survives kill -9 (normal) or also power loss (full)",
            "normal",
        ),
    ]
    allow_unlogged: Annotated[
        bool, Setting("ALLOW_UNLOGGED", yes, "whether to answer when neither log nor spool can be written", "no")
    ]
    spool: Annotated[Path, Setting("SPOOL", Path, "folder of answers that wait for the log to return", "data/spool")]
    retention_days: Annotated[
        float | None,
        Setting("LOG_RETENTION_DAYS", number(0.01, 36500), "days after which log rows go; unset keeps all"),
    ] = None
    host: Annotated[str, Setting("HOST", word, "address to listen on", "127.0.0.1")]
    port: Annotated[int, Setting("PORT", whole(1, 65535), "port to listen on", "8000")]
    workers: Annotated[int, Setting("WORKERS", whole(1, 64), "processes that answer", "2")]
    threads: Annotated[
        int, Setting("THREADS", whole(1, 1024), "threads a worker, one for each request it is at; 3 at least", "64")
    ]
    rate_limit: Annotated[
        Limit | None,
        Setting("RATE_LIMIT", limit, "requests a caller, such as 100/second or 600/minute; unset: no limit"),
    ] = None
    feedback_limit: Annotated[
        Limit,
        Setting("FEEDBACK_LIMIT", limit, "labels a caller may send; as many may come at once", "5000/hour"),
    ]
    max_body: Annotated[int, Setting("MAX_BODY", size, "largest body of a request (1KB is 1024 bytes)", "16MB")]
    max_rows: Annotated[int, Setting("MAX_ROWS", whole(1, 10**7), "most rows of a request", "20000")]
    jwt_issuer: Annotated[str | None, Setting("JWT_ISSUER", word, "who signs JSON web tokens (claim iss)")] = None
    jwt_audience: Annotated[str | None, Setting("JWT_AUDIENCE", word, "for whom they are (claim aud)")] = None
    jwt_jwks: Annotated[str | None, Setting("JWT_JWKS", keys, "the issuer's public keys: https address or file")] = None
    tls_cert: Annotated[Path | None, Setting("TLS_CERT", readable, "file of the certificate, for https")] = None
    tls_key: Annotated[Path | None, Setting("TLS_KEY", readable, "file of its private key")] = None
    metrics_open: Annotated[
        Literal["no", "loopback"],
        Setting(
            "METRICS_OPEN", choice("no", "loopback"), "who may read the metrics without a token: no, or loopback", "no"
        ),
    ]
    # Less than a day does not hold all hours: it would show as drift, and the alert LiveDrift leaves it out.
    drift_days: Annotated[float, Setting("DRIFT_DAYS", number(1, 36500), "days that live drift looks back", "7")]
    git_rev: Annotated[str | None, Setting("GIT_REV", word, "commit that is served, where there is no .git")] = None

    def __repr__(self) -> str:
        """Show everything but tokens and what is needed to log in to the database."""
        shown = msgspec.structs.asdict(self) | {
            "api_tokens": f"{len(self.api_tokens)} hidden",
            "admin_tokens": f"{len(self.admin_tokens)} hidden",
            "request_log": str(
                make_url(self.request_log)._replace(username=None, password=None, query=immutabledict())
            ),
        }
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


HINTS = get_type_hints(Settings, include_extras=True)
FIELDS: dict[str, list[Setting]] = {name: list(HINTS[name].__metadata__) for name in Settings.__struct_fields__}
SETTINGS = [setting for group in FIELDS.values() for setting in group]
TOGETHER = [("JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS"), ("TLS_CERT", "TLS_KEY")]


def load(environment: Mapping[str, str]) -> Settings:
    """Return the settings; an empty variable counts as not set."""
    given = {one.variable: environment.get(one.variable, "").strip() for one in SETTINGS}
    for names in TOGETHER:
        missing = [name for name in names if not given[name]]
        if 0 < len(missing) < len(names):
            present = ", ".join(name for name in names if given[name])
            raise Problem(f"{', '.join(missing)}: not set, but {present} is; set all of {', '.join(names)}, or none")
    values = {name: _value(group, given) for name, group in FIELDS.items()}
    settings = Settings(**{name: value for name, value in values.items() if value is not None})
    if settings.tls_cert and settings.tls_key:
        certificate.check(settings.tls_cert, settings.tls_key)
    return settings


def _value(group: list[Setting], given: dict[str, str]) -> Any:
    values = {one.variable: _parsed(one, given[one.variable]) for one in group if given[one.variable]}
    if len(set(values.values())) > 1:
        raise Problem(f"{' and '.join(values)}: both are set, and they differ; set one of them")
    defaults = [_parsed(one, one.default) for one in group if one.default]
    return next(iter([*values.values(), *defaults]), None)


def _parsed(setting: Setting, text: str) -> Any:
    try:
        return setting.parse(text)
    except Problem as problem:
        raise Problem(f"{setting.variable}: {problem}") from None


def example() -> str:
    """Return what .env.example has to hold; each comment has its own line, as Docker takes all behind `=` for value."""
    return "".join(f"# {one.meaning}\n#{one.variable}={one.default}\n" for one in SETTINGS)


def table() -> str:
    """Return the table that docs/server.md has to hold."""
    rows = [f"| `{one.variable}` | {f'`{one.default}`' if one.default else ''} | {one.meaning} |" for one in SETTINGS]
    return "\n".join(["| variable | default | what it is |", "|---|---|---|", *rows, ""])


def main(form: str = "table") -> None:
    """Print the table of docs/server.md, or .env.example."""
    forms = {"table": table, "example": example}
    if form not in forms:
        raise Problem(f"found {form!r}, expected {' or '.join(forms)}")
    print(forms[form](), end="")


if __name__ == "__main__":
    run(main)
