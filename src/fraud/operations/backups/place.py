"""Where backups are kept: a folder or a bucket, in which a file is there whole or not at all."""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # It comes with dvc-s3.

from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.storing import s3
from fraud.outputs import whole

PART = 64 << 20  # Bytes that go to S3 at once; 10,000 parts are the most that it takes.


class Place(Protocol):
    """A folder or a bucket; `str()` of it is where it is, for a message."""

    def names(self) -> list[str]:
        """Return the name of each file."""

    def bring(self, path: Path) -> None:
        """Copy the file that has the name of this path to it."""

    def put(self, path: Path) -> None:
        """Copy a file there, under its own name."""

    def remove(self, name: str) -> None:
        """Remove a file; it may be gone already."""


class Folder:
    """A folder; nobody else may read the files, as they hold payments."""

    def __init__(self, path: Path) -> None:
        """Look at nothing yet."""
        self._path = path

    def __str__(self) -> str:
        """Return its path."""
        return str(self._path)

    def names(self) -> list[str]:
        """Return the name of each file."""
        return [path.name for path in self._path.iterdir() if path.is_file()] if self._path.is_dir() else []

    def bring(self, path: Path) -> None:
        """Copy the file that has the name of this path to it."""
        if not (self._path / path.name).is_file():
            raise Problem(f"{self._path / path.name}: there is no such file; restore another backup")
        shutil.copyfile(self._path / path.name, path)

    def put(self, path: Path) -> None:
        """Copy a file there; once it has its name it survives a loss of power."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Problem(f"{self}: cannot be made ({(error.strerror or '').lower()}); name another folder") from None
        with whole(self._path / path.name) as draft:
            draft.touch(0o600)
            with path.open("rb") as source, draft.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())

    def remove(self, name: str) -> None:
        """Remove a file; it may be gone already."""
        (self._path / name).unlink(missing_ok=True)


class Bucket:
    """What lies under one prefix of a bucket."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the settings of a DVC remote; nothing is asked yet."""
        self._bucket, self._prefix = s3.split(settings)
        self._name = s3.place(settings)
        with s3.explained(self):
            self._client = s3.client(settings)

    def __str__(self) -> str:
        """Return where it is."""
        return self._name

    def names(self) -> list[str]:
        """Return the name of each file."""
        with s3.explained(self):
            pages = self._client.get_paginator("list_objects_v2")
            found = pages.paginate(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/")
            return [PurePosixPath(entry["Key"]).name for page in found for entry in page.get("Contents", ())]

    def bring(self, path: Path) -> None:
        """Copy the file that has the name of this path to it."""
        with s3.explained(f"{self}: {path.name}"), path.open("wb") as target:
            try:
                body = self._client.get_object(**self._key(path.name))["Body"]
            except ClientError as error:
                if s3.code(error) in s3.GONE:
                    raise Problem(f"{self}: there is no {path.name}; restore another backup") from None
                raise
            shutil.copyfileobj(body, target, 1 << 20)

    def put(self, path: Path) -> None:
        """Copy a file there; S3 shows it once it is whole."""
        with s3.explained(f"{self}: {path.name}"):
            if path.stat().st_size > PART:
                self._put_in_parts(path)
            else:
                self._client.put_object(**self._key(path.name), Body=path.read_bytes())

    def remove(self, name: str) -> None:
        """Remove a file; it may be gone already."""
        with s3.explained(f"{self}: {name}"):
            self._client.delete_object(**self._key(name))

    def _put_in_parts(self, path: Path) -> None:
        upload = self._key(path.name)
        upload |= {"UploadId": self._client.create_multipart_upload(**upload)["UploadId"]}
        try:
            parts: list[dict[str, Any]] = []
            with path.open("rb") as source:
                while content := source.read(PART):
                    tag = self._client.upload_part(**upload, PartNumber=len(parts) + 1, Body=content)["ETag"]
                    parts.append({"PartNumber": len(parts) + 1, "ETag": tag})
            self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(BotoCoreError, ClientError):  # What it was says more.
                self._client.abort_multipart_upload(**upload)
            raise

    def _key(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}


def named(setting: str, place: str, endpoint: str) -> Place:
    """Return the folder, or the bucket s3://bucket/prefix, that a setting names."""
    if place.startswith("s3://"):
        return Bucket(remote.section(place, endpoint))
    if "://" in place or endpoint:
        raise Problem(f"{setting}={place}: expected a folder, or s3://bucket/prefix, with which ENDPOINT goes")
    return Folder(Path(place).expanduser())
