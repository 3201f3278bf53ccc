"""Which folder or bucket takes the weekly files: the one that is named, or the one that they are imported from."""

import re
from pathlib import Path
from typing import Any

from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.collecting.s3_shelf import Bucket
from fraud.loop.collecting.shelf import Folder, Shelf
from fraud.params import FILE
from fraud.yamlfile import read_yaml

S3 = "s3://"
SCHEME = re.compile(r"s3:|\w+:/", re.IGNORECASE)  # With too few slashes it would be a folder of that name.


def dataset() -> str:
    """Return the data set that params.yaml names."""
    found = read_yaml(FILE).get("dataset")
    if not isinstance(found, str):
        raise Problem(f"{FILE}: found {found!r} at 'dataset', expected the name of a schema; mend it there")
    return found


def named(place: str, endpoint: str) -> Shelf:
    """Return the folder, or the bucket s3://bucket/prefix/."""
    if place.startswith(S3):
        return Bucket(remote.section(place, endpoint))
    if "://" in place or SCHEME.match(place) or endpoint:
        raise Problem(f"TO={place}: expected a folder, or s3://bucket/weekly_data/, with which ENDPOINT goes")
    return Folder(Path(place).expanduser())


def is_known(record: Path) -> bool:
    """Return whether it is recorded where the weekly files come from."""
    return bool(_imports(record) or added(record))


def added(record: Path) -> Path | None:
    """Return the folder whose weeks `make data DIR=…` adds to those that are here, if they come from one."""
    return remote.folder(remote.weekly(record.with_suffix(""))) if record.exists() and not _imports(record) else None


def _imports(record: Path) -> list[str]:
    stage = read_yaml(record) if record.exists() else {}
    return [str(dep["path"]) for dep in stage.get("deps") or ()]


def imported(record: Path) -> Shelf:
    """Return where the weekly files come from: the folder that was named last, or what DVC recorded of an import."""
    if folder := added(record):
        return Folder(folder)
    paths = _imports(record)
    if len(paths) != 1:
        found = "no import" if record.exists() else "no such file"
        raise Problem(
            f"{record}: found {found}, so say where the weeks belong: TO=s3://bucket/weekly_data/ or TO=folder; "
            "without TO they go to where `make data S3=…` or `make data DIR=…` brings them from"
        )
    if paths[0].startswith("remote://"):
        name, _, rest = paths[0].removeprefix("remote://").partition("/")
        return _of_remote(name, remote.settings_of(name), rest)
    return Bucket({"url": paths[0]}) if paths[0].startswith(S3) else Folder(record.parent / paths[0])


def _of_remote(name: str, settings: dict[str, Any], rest: str) -> Shelf:
    url = f"{settings['url'].rstrip('/')}/{rest}".rstrip("/")
    if url.startswith(S3):
        return Bucket(settings | {"url": url})
    if "://" in url:
        raise Problem(f"{remote.CONFIG}: remote '{name}' is no folder and no bucket; give TO=")
    return Folder(Path(url))
