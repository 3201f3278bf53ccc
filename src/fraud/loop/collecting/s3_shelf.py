"""Weeks in a bucket: one request puts file and mark there together, on the condition that nobody else did meanwhile."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import msgspec
from botocore.config import Config  # type: ignore[import-untyped]  # It comes with dvc-s3.
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # as above
from botocore.session import Session  # type: ignore[import-untyped]  # as above

from fraud.errors import Problem
from fraud.loop.collecting.shelf import HIDDEN, Mark, Moved, There
from fraud.loop.storage import cause

PREFIX = "collect-"  # Of the keys under which S3 keeps a mark.
GONE = {"404", "NoSuchKey", "NotFound"}
MOVED = {"412", "409", "PreconditionFailed", "ConditionalRequestConflict"}
UNABLE = {"501", "NotImplemented"}
SETTINGS = {  # of a DVC remote: of botocore's client
    "endpointurl": "endpoint_url",
    "region": "region_name",
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
    "ssl_verify": "verify",
}
FILES = {"credentialpath": "credentials_file", "configpath": "config_file"}


class Bucket:
    """Weeks under one prefix of a bucket; a file is ours if it carries a mark."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the settings of a DVC remote; nothing is asked yet."""
        self._bucket, _, prefix = settings["url"].removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        server = settings.get("endpointurl")
        self._name = f"s3://{self._bucket}/{self._prefix}" + (f" at {server}" if server else "")
        with self._explained():
            self._client = _client(settings)

    def __str__(self) -> str:
        """Return where it is."""
        return self._name

    def check(self) -> None:
        """Raise that the bucket does not answer, is not there, or refuses these credentials."""
        with self._explained():
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def names(self) -> list[str]:
        """Return the name of each file that is not hidden."""
        return list(self.versions())

    def versions(self) -> dict[str, str]:
        """Return the ETag of each file that is not hidden, the md5 as a rule."""
        found = {}
        with self._explained():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"):
                for entry in page.get("Contents", ()):
                    name = PurePosixPath(entry["Key"]).name
                    if not name.startswith(HIDDEN) and not entry["Key"].endswith("/"):
                        found[name] = entry["ETag"].strip('"')
        return found

    def find(self, name: str) -> There | None:
        """Return what is known of a file; its ETag is its version."""
        with self._explained():
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
            except ClientError as error:
                if _code(error) in GONE:
                    return None
                raise
        # Some servers write the keys' first letters large.
        kept = {key.lower().removeprefix(PREFIX): value for key, value in head["Metadata"].items()}
        try:
            return There(head["ETag"], msgspec.convert(kept, Mark, strict=False))
        except msgspec.ValidationError:
            return There(head["ETag"], None)

    def put(self, name: str, content: BinaryIO, mark: Mark, before: There | None) -> None:
        """Put file and mark there at once; where the server knows no conditions, look once more right before."""
        if self.find(name) != before:
            raise Moved
        words: dict[str, Any] = {
            "Bucket": self._bucket,
            "Key": self._prefix + name,
            "Body": content,
            "ContentMD5": base64.b64encode(bytes.fromhex(mark.md5)).decode(),
            "Metadata": {PREFIX + key: str(value) for key, value in msgspec.structs.asdict(mark).items()},
        }
        condition = {"IfMatch": before.version} if before else {"IfNoneMatch": "*"}
        with self._explained():
            try:
                self._client.put_object(**words, **condition)
            except ClientError as error:
                if _code(error) in MOVED | GONE:
                    raise Moved from None
                if _code(error) not in UNABLE:
                    raise
                content.seek(0)
                self._client.put_object(**words)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            told = str(error)
            raise Problem(f"{self}: {cause(told) or f'{told}; mend that, then run it again'}") from None


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _client(settings: Mapping[str, Any]) -> Any:
    session = Session(profile=settings.get("profile"))
    for name, variable in FILES.items():
        if name in settings:
            session.set_config_variable(variable, settings[name])
    words = {theirs: settings[ours] for ours, theirs in SETTINGS.items() if settings.get(ours) is not None}
    # The md5 that is sent along does what checksums of newer kinds do, and every server knows it.
    return session.create_client("s3", **words, config=Config(request_checksum_calculation="when_required"))
