"""Where MLflow keeps runs and models, from the environment; a secret in the address is never shown."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from fraud.errors import Problem

PYTHON = Path(".venv-mlflow/bin/python")
DEFAULT = "sqlite:///mlflow.db"
VARIABLE = "MLFLOW_TRACKING_URI"
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # What a bank trains stays at home.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # With seven a dead server takes four minutes.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # It would start processes that nothing here uses.
}
CAUSES = {  # what MLflow, requests and SQLAlchemy say: what it means
    r"\b(401|403)\b|Unauthorized|authentication failed|no password supplied": (
        "it refuses us; check user and password in the address, or MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    ),
    "Max retries|refused|could not (connect|translate)|[Tt]imed? ?out|resolve|unreachable": (
        f"nobody answers there; check the address, or unset it to keep runs in {DEFAULT}"
    ),
    "Can't locate revision|out-of-date": "another version of MLflow made it; `mlflow db upgrade` with the newer one",
    "unable to open database file": "cannot be opened; make its folder, and let it be writable for you",
    "file is not a database": "is no database; name another file",
}


class Place(NamedTuple):
    """The address of a server or a database, the experiment, and the name of the registered model."""

    uri: str
    experiment: str
    model: str


def place() -> Place:
    """Return where the environment says; an empty variable counts as not set."""
    uri = os.environ.get(VARIABLE) or DEFAULT
    if "://" not in uri or uri.startswith("file:"):
        raise Problem(f"{VARIABLE}={uri}: MLflow keeps no runs in folders any more; use {DEFAULT}")
    return Place(uri, os.environ.get("MLFLOW_EXPER") or "FraudDetection", os.environ.get("MLFLOW_REG") or "fraud-api")


def shown(uri: str) -> str:
    """Return an address without user, password and query."""
    scheme, _, rest = uri.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2].partition('?')[0]}{slash}{path.partition('?')[0]}"


def in_its_environment(module: str, *arguments: str) -> None:
    """Start `module` anew in .venv-mlflow, unless we are there; `dvc` is found there too."""
    if find_spec("mlflow") is None:
        if not PYTHON.exists():
            raise Problem(f"{PYTHON} is missing; run `make {PYTHON.parts[0]}/ready`, which makes it")
        search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        os.environ["PATH"] = search
        os.execv(PYTHON, [str(PYTHON), "-m", module, *arguments])  # noqa: S606  # our own Python
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if not os.environ.get(name)})


@contextmanager
def reached(where: Place) -> Iterator[None]:
    """Tell in one line what is wrong between MLflow and the place where it keeps runs."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # 2 s, once all else is known to be well
    from requests import RequestException  # noqa: PLC0415  # it is in .venv-mlflow only
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # the same

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # It would tell each attempt, with the address.
    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        raise Problem(f"{VARIABLE}={shown(where.uri)}: {cause(str(error), where.uri)}") from None


def cause(said: str, uri: str) -> str:
    """Return what an error of MLflow's means for the person who met it; nothing secret of `uri` is in it."""
    known = next((cause for pattern, cause in CAUSES.items() if re.search(pattern, said)), None)
    if known:
        return known
    line = next((line.strip() for line in said.replace(uri, shown(uri)).splitlines() if line.strip()), "no answer")
    parts = urlsplit(uri)
    for secret in (parts.password, parts.query):
        line = line.replace(secret, "…") if secret else line
    return f"{line.rstrip('.')}; mend that, then run it again"
