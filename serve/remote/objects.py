"""Fetch objects from the DVC remote, a folder or a bucket, without DVC."""

import hashlib
import re
from pathlib import Path

from fraud.errors import Problem, os_sentence
from serve.remote import s3
from serve.remote.ini import read_ini

QUOTED = re.compile(r"""(["'])(.*?)\1\s*(#.*)?""")


class Absent(Problem):
    """The object is nowhere to be had; what it holds can still be made."""

    code = 2


def fetch(root: Path, md5: str, size: int) -> bytes:
    """Return the object with this md5 and size from the default remote of the repository at `root`."""
    name, settings = remote(root / ".dvc")
    scheme, separator, rest = settings["url"].partition("://")
    key = f"files/md5/{md5[:2]}/{md5[2:]}"
    if scheme == "s3" and separator:
        place = s3.place(name, settings)
        where, content = str(place), s3.read(place, settings, key, size)
    elif scheme == "file" or not separator:
        folder = root / ".dvc" / Path(rest or scheme).expanduser()
        where, content = settings["url"], _read(folder / key, size)
    else:
        raise Problem(f".dvc/config: remote '{name}' is {scheme}://, the server reads folders and s3; run `dvc pull`")
    if content is None:
        raise Absent(f"{where}: does not hold {key}; `make push` where it was made, or `make repro` here")
    _check(f"{where}: {key}", content, md5, size)
    return content


def _check(where: str, content: bytes, md5: str, size: int) -> None:
    remedy = "remove it there, then `make push` where the data is whole"
    if len(content) > size:
        raise Problem(f"{where}: found more than the {size} bytes that dvc.lock pins; {remedy}")
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if (found, len(content)) != (md5, size):
        raise Problem(
            f"{where}: found {len(content)} bytes with md5 {found}, but dvc.lock pins {size} with {md5}; {remedy}"
        )


def _read(path: Path, size: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(size + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Problem(os_sentence(error)) from None


def remote(folder: Path) -> tuple[str, dict[str, str]]:
    """Return name and settings of the default remote; config.local overrides config."""
    sections: dict[str, dict[str, str]] = {}
    for file in ("config", "config.local"):
        for title, values in read_ini(folder / file).items():
            plain = {key: _unquoted(value) for key, value in values.items()}
            sections.setdefault(title.strip("'"), {}).update(plain)
    name = sections.get("core", {}).get("remote")
    if not name:
        raise Absent(".dvc/config: found no default remote; `make remote S3=s3://bucket/prefix`, or `make repro` here")
    settings = sections.get(f'remote "{name}"', {})
    if not settings.get("url"):
        raise Problem(f".dvc/config: found no url of remote '{name}'; `make remote S3=s3://bucket/prefix` sets one")
    return name, settings


def _unquoted(value: str) -> str:
    quoted = QUOTED.fullmatch(value)
    return quoted[2] if quoted else value.partition("#")[0].strip()
