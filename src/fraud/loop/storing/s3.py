"""Speak with an S3 server as the settings of a DVC remote say; what it refuses is a problem in one line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from botocore import UNSIGNED  # type: ignore[import-untyped]  # It comes with dvc-s3.
from botocore.config import Config  # type: ignore[import-untyped]  # It comes with dvc-s3.
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # as above
from botocore.session import Session  # type: ignore[import-untyped]  # as above

from fraud.errors import Problem
from fraud.loop.storing.refusals import cause

GONE = {"404", "NoSuchKey", "NotFound"}  # Codes of an object that is not there.
SETTINGS = {  # of a DVC remote: of botocore's client
    "endpointurl": "endpoint_url",
    "region": "region_name",
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
    "ssl_verify": "verify",
}
FILES = {"credentialpath": "credentials_file", "configpath": "config_file"}


def client(settings: Mapping[str, Any]) -> Any:
    """Return botocore's client; nothing is asked yet."""
    session = Session(profile=settings.get("profile"))
    for name, variable in FILES.items():
        if name in settings:
            session.set_config_variable(variable, settings[name])
    words = {theirs: settings[ours] for ours, theirs in SETTINGS.items() if settings.get(ours) is not None}
    signature = UNSIGNED if settings.get("allow_anonymous_login") else None
    # The md5 that is sent along does what checksums of newer kinds do, and every server knows it.
    config = Config(request_checksum_calculation="when_required", signature_version=signature)
    return session.create_client("s3", **words, config=config)


def code(error: ClientError) -> str:
    """Return the server's own word for what went wrong."""
    return str(error.response["Error"]["Code"])


def split(settings: Mapping[str, Any]) -> tuple[str, str]:
    """Return the bucket and the beginning of the keys in it, empty or with a slash at its end."""
    bucket, _, prefix = settings["url"].removeprefix("s3://").partition("/")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def place(settings: Mapping[str, Any]) -> str:
    """Return where it is, for a message."""
    bucket, prefix = split(settings)
    server = settings.get("endpointurl")
    return f"s3://{bucket}/{prefix}" + (f" at {server}" if server else "")


@contextmanager
def explained(where: object, remedies: Mapping[type[Exception], str] = MappingProxyType({})) -> Iterator[None]:
    """Let what the server or the way to it refuses be a problem that names the place; `remedies` go first."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        told = " ".join(str(error).split()).rstrip(".")
        known = next((remedy for kind, remedy in remedies.items() if isinstance(error, kind)), None) or cause(told)
        raise Problem(f"{where}: {known or f'{told}; mend that, then run it again'}") from None
