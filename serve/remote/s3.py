"""Read one object from S3 by plain HTTP; an SDK for it would add 15 to 30 MB to the image."""

import hashlib
import hmac
import os
import re
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from fraud.errors import Problem
from serve.remote.aws_keys import AwsKeys, find

TIMEOUT = 10.0  # Seconds without a byte.
LONGEST = 300.0  # Seconds for all bytes.
PAUSES = (0.2, 1.0)  # Seconds between the tries.
NOTHING = hashlib.sha256().hexdigest()


class Place(NamedTuple):
    """A bucket and how to reach it."""

    remote: str  # As .dvc/config names it.
    bucket: str
    prefix: str
    region: str
    endpoint: str  # Empty for AWS itself.

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/") + (f" at {self.endpoint}" if self.endpoint else "")

    def url(self, key: str) -> str:
        """Return the address of an object; a bucket with a dot has no certificate of its own on AWS."""
        path = quote("/".join(filter(None, [self.prefix, key])))
        if self.endpoint:
            return f"{self.endpoint}/{self.bucket}/{path}"
        host = f"s3.{self.region}.amazonaws.com"
        return f"https://{host}/{self.bucket}/{path}" if "." in self.bucket else f"https://{self.bucket}.{host}/{path}"


def place(remote: str, settings: Mapping[str, str]) -> Place:
    """Return the place of a DVC remote; a problem repeats no address, which could hold a secret."""
    bucket, _, prefix = settings["url"].removeprefix("s3://").partition("/")
    endpoint = settings.get("endpointurl", "").rstrip("/")
    names = ("AWS_REGION", "AWS_DEFAULT_REGION")
    region = settings.get("region") or next(filter(None, map(os.environ.get, names)), "us-east-1")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", bucket):
        raise Problem(f".dvc/config: the url of remote '{remote}' names no bucket; expected s3://bucket/prefix")
    if endpoint and not _is_address(endpoint):
        raise Problem(f".dvc/config: endpointurl of remote '{remote}': expected an address like https://s3.example.com")
    if not re.fullmatch("[A-Za-z0-9-]+", region):
        raise Problem(f"S3: found region '{region}', expected one like eu-west-1; set AWS_REGION")
    return Place(remote, bucket, prefix.strip("/"), region, endpoint)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        return bool(named) and re.fullmatch(r"[!-~]+", text) is not None and not re.search("[@?#]", text)
    except ValueError:
        return False


def signed(url: str, keys: AwsKeys, region: str, moment: datetime) -> dict[str, str]:
    """Return the headers of a GET with AWS Signature V4; `url` is percent-encoded and has no query."""
    stamp = f"{moment:%Y%m%dT%H%M%SZ}"
    headers = {"host": _host(url), "x-amz-content-sha256": NOTHING, "x-amz-date": stamp}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(headers)
    listed = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join(["GET", urlsplit(url).path, "", listed, names, NOTHING])
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()  # Each part is signed with what came out for the part before.
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    proof = f"Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {proof}"}


def _host(url: str) -> str:
    """Return the host as it is signed: in small letters, without the usual port."""
    parts = urlsplit(url)
    host = parts.netloc.lower().removesuffix(f":{parts.port}")
    usual = {"http": 80, "https": 443}[parts.scheme]
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"


class Transient(Exception):
    """A fault that may be gone at the next try."""


class _Stay(HTTPRedirectHandler):
    """Follow no redirect: the signature holds for one host only."""

    def redirect_request(self, *_: Any) -> None:
        return None


def read(place: Place, settings: Mapping[str, str], key: str, size: int) -> bytes | None:
    """Return an object, at most one byte more than `size` of it; none where the bucket does not hold it."""
    keys = find(settings)
    for pause in (*PAUSES, None):
        try:
            return _try(place, keys, place.url(key), size)
        except Transient as fault:
            if pause is None:
                raise Problem(f"{place}: {fault}, at each of {len(PAUSES) + 1} tries; try again later") from None
            time.sleep(pause)
    raise AssertionError


def _try(place: Place, keys: AwsKeys, url: str, size: int) -> bytes | None:
    headers = signed(url, keys, place.region, datetime.now(UTC))
    request = Request(url, headers=headers)  # noqa: S310  # place() lets only http and https through
    try:
        with build_opener(_Stay).open(request, timeout=TIMEOUT) as response:
            return _body(response, size)
    except HTTPError as error:
        with error:
            _judge(place, keys, error)
        return None
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise Problem(
                f"{place}: its certificate is not trusted here; name the file of its authority in SSL_CERT_FILE"
            ) from None
        raise Transient(_words(reason)) from None


def _words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return f"no answer in {TIMEOUT:g} s"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return "the connection broke, or what answers is no HTTP server"


def _body(response: HTTPResponse, size: int) -> bytes:
    """Return the body; whatever comes, it ends: after `size` bytes and one, or after some time."""
    length = response.headers.get("Content-Length", "")
    wanted = min(int(length), size + 1) if length.isdecimal() else size + 1
    content, end = bytearray(), time.monotonic() + LONGEST
    while len(content) < wanted and (part := response.read1(wanted - len(content))):
        content += part
        if time.monotonic() > end:
            raise Transient(f"not all bytes came in {LONGEST:g} s")
    if length.isdecimal() and len(content) < wanted:
        raise Transient(f"the connection ended after {len(content)} of {length} bytes")
    return bytes(content)


def _judge(place: Place, keys: AwsKeys, error: HTTPError) -> None:
    """Return where the object is simply not there, and else raise what the answer means."""
    body = b""
    with suppress(OSError, HTTPException):
        body = error.read(10_000)
    found = re.search(rb"<Code>(\w{1,40})</Code>", body)
    code = found[1].decode() if found else ""
    home = error.headers.get("x-amz-bucket-region", "")
    if code == "NoSuchKey":
        return
    answer = f"{place}: answered {error.code} {code}".rstrip()
    if error.code >= 500 or error.code == 429:
        raise Transient(f"answered {error.code} {code}".rstrip())
    if home != place.region and re.fullmatch("[a-z0-9-]{1,40}", home):
        remedy = f"`dvc remote modify {place.remote} region {home}`"
        raise Problem(f"{place}: is in region {home}, was asked as in {place.region}; {remedy}")
    if code == "NoSuchBucket":
        raise Problem(f"{place}: there is no such bucket; `make remote S3=s3://bucket/prefix` names another")
    if error.code in (401, 403):
        raise Problem(
            f"{answer} to the keys from {keys.source}; give them s3:GetObject and s3:ListBucket there, or use others"
        )
    if error.code < 400:
        raise Problem(f"{answer}, a redirect, which is not followed; set endpointurl to where the bucket is")
    raise Problem(f"{answer}; look at endpointurl and the keys from {keys.source}")
