"""What DVC keeps under an md5: in its cache, or else in the remote."""

import hashlib
import json
import tempfile
from contextlib import suppress
from pathlib import Path

from fraud.batches import batch_name
from fraud.errors import Problem
from fraud.loop import remote
from fraud.loop.storing.storage import answer, listed


def content(md5: str) -> bytes:
    """Return the bytes whose md5 this is, which may end with .dir as a folder's listing does.

    A problem says what is wrong with them and leaves their name to the caller.
    """
    key = f"files/md5/{md5[:2]}/{md5[2:]}"
    with suppress(FileNotFoundError):
        found = (remote.cache() / key).read_bytes()
        if _md5(found) == md5[:32]:
            return found
    return _fetched(md5, key)


def files_of(md5: str | None) -> dict[str, str]:
    """Return the md5 of each file in a folder that DVC keeps; nothing where its listing cannot be had."""
    if not md5:
        return {}
    try:
        return {one["relpath"]: one["md5"] for one in json.loads(content(md5))}
    except (Problem, ValueError):
        return {}


def batches_of(md5: str | None) -> dict[str, str]:
    """Return the md5 of each batch in a folder that DVC keeps."""
    named = ((batch_name(Path(path)), md5) for path, md5 in files_of(md5).items())
    return {name: md5 for name, md5 in named if name}


def _fetched(md5: str, key: str) -> bytes:
    name = remote.default()
    if not name:
        raise Problem("is not in the cache here, and .dvc/config names no remote; set one with `make remote`")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object"
        code, _ = answer("get-url", f"remote://{name}/{key}", str(path))
        found = b"" if code else path.read_bytes()
    if code:
        listed(name)  # Raises where the remote is away or refuses us.
        raise Problem(
            f"is neither in the cache here nor in {remote.place(name)}; `make push` where it is, then run it again"
        )
    if _md5(found) != md5[:32]:
        raise Problem(
            f"came damaged from {remote.place(name)}; remove {key} there, `make push` where it is whole, "
            "then run it again"
        )
    return found


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
