"""Find the keys with which S3 is asked: those that were given, else those that the machine lends."""

import os
import re
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from fraud.errors import Problem, os_sentence
from serve.remote.ini import read_ini

CONTAINER = "http://169.254.170.2"  # Where ECS lends keys.
MACHINE = "http://169.254.169.254"  # Where EC2 does.
TIMEOUT = 1.0  # Seconds; both are on this machine.


class AwsKeys(NamedTuple):
    """Keys and where they are from; only that is ever shown."""

    source: str
    access: str
    secret: str
    token: str

    def __repr__(self) -> str:
        return f"<keys from {self.source}>"


class Lent(msgspec.Struct, rename="pascal"):
    """What a role answers."""

    access_key_id: str
    secret_access_key: str
    token: str | None = None


def find(settings: Mapping[str, str]) -> AwsKeys:
    """Return the first keys that there are, for a remote with these settings of DVC."""
    for source in (_configured, _given, _shared, _container, _machine):
        if keys := source(settings):
            return keys
    raise Problem(
        "S3: found no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, "
        "or run it where a role is attached"
    )


def _keys(source: str, access: str | None, secret: str | None, token: str | None) -> AwsKeys | None:
    if not (access and secret):
        return None
    keys = AwsKeys(source, access.strip(), secret.strip(), (token or "").strip())
    if not all(re.fullmatch("[!-~]*", part) for part in keys[1:]):
        raise Problem(f"{source}: found characters in the credentials that no key has; set them anew")
    return keys


def _configured(settings: Mapping[str, str]) -> AwsKeys | None:
    names = ("access_key_id", "secret_access_key", "session_token")
    return _keys(".dvc/config.local", *(settings.get(name) for name in names))


def _given(_: Mapping[str, str]) -> AwsKeys | None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return _keys("AWS_ACCESS_KEY_ID", *map(os.environ.get, names))


def _shared(settings: Mapping[str, str]) -> AwsKeys | None:
    path = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    wanted = settings.get("profile") or os.environ.get("AWS_PROFILE")
    found = read_ini(path).get(wanted or "default", {})
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    keys = _keys(f"profile '{wanted or 'default'}'", *(found.get(name) for name in names))
    if wanted and not keys:
        raise Problem(f"{path}: found no keys of profile '{wanted}'; add them, or set AWS_ACCESS_KEY_ID and its secret")
    return keys


def _container(_: Mapping[str, str]) -> AwsKeys | None:
    path = os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    url = CONTAINER + path if path else os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not url:
        return None
    token = _container_token()
    try:
        return _lent("the container's role", _ask(url, {"Authorization": token} if token else {}))
    except (OSError, HTTPException, ValueError):
        raise Problem("the container's role: its address lends no keys; look at the AWS_CONTAINER_ settings") from None


def _container_token() -> str:
    file = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    try:
        return Path(file).read_text().strip() if file else os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    except OSError as error:
        raise Problem(os_sentence(error)) from None


def _machine(_: Mapping[str, str]) -> AwsKeys | None:
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    base = (os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or MACHINE).rstrip("/") + "/latest/"
    roles = f"{base}meta-data/iam/security-credentials/"
    try:
        token = _ask(f"{base}api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT").decode()
        proof = {"X-aws-ec2-metadata-token": token}
        role = _ask(roles, proof).decode().split()[0]
        return _lent("the machine's role", _ask(roles + role, proof))
    except (OSError, HTTPException, ValueError, IndexError):
        return None  # No machine of AWS, or one without a role.


def _ask(url: str, headers: Mapping[str, str], method: str = "GET") -> bytes:
    request = Request(url, headers=dict(headers), method=method)  # noqa: S310  # our own environment names it
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT) as response:
            return response.read(64 * 1024)
    except HTTPError as error:
        error.close()
        raise


def _lent(source: str, body: bytes) -> AwsKeys | None:
    lent = msgspec.json.decode(body, type=Lent)  # Its errors are ValueErrors.
    return _keys(source, lent.access_key_id, lent.secret_access_key, lent.token)
