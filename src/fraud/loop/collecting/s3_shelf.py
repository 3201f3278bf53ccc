"""Weeks in a bucket: one request puts file and mark there together, on the condition that nobody else did meanwhile."""

import base64
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import msgspec
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # It comes with dvc-s3.

from fraud.loop.collecting.shelf import HIDDEN, Mark, Moved, There
from fraud.loop.storing.s3 import GONE, client, code, explained, place, split

PREFIX = "collect-"  # Of the keys under which S3 keeps a mark.
MOVED = {"412", "409", "PreconditionFailed", "ConditionalRequestConflict"}
UNABLE = {"501", "NotImplemented"}


class Bucket:
    """Weeks under one prefix of a bucket; a file is ours if it carries a mark."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the settings of a DVC remote; nothing is asked yet."""
        self._bucket, self._prefix = split(settings)
        self._name = place(settings)
        with explained(self):
            self._client = client(settings)

    def __str__(self) -> str:
        """Return where it is."""
        return self._name

    def check(self) -> None:
        """Raise that the bucket does not answer, is not there, or refuses these credentials."""
        with explained(self):
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def names(self) -> list[str]:
        """Return the name of each file that is not hidden."""
        return list(self.versions())

    def versions(self) -> dict[str, str]:
        """Return the ETag of each file that is not hidden, the md5 as a rule."""
        found = {}
        with explained(self):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"):
                for entry in page.get("Contents", ()):
                    name = PurePosixPath(entry["Key"]).name
                    if not name.startswith(HIDDEN) and not entry["Key"].endswith("/"):
                        found[name] = entry["ETag"].strip('"')
        return found

    def find(self, name: str) -> There | None:
        """Return what is known of a file; its ETag is its version."""
        with explained(self):
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
            except ClientError as error:
                if code(error) in GONE:
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
        with explained(self):
            try:
                self._client.put_object(**words, **condition)
            except ClientError as error:
                if code(error) in MOVED | GONE:
                    raise Moved from None
                if code(error) not in UNABLE:
                    raise
                content.seek(0)
                self._client.put_object(**words)
