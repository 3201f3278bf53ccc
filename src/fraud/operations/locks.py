"""Read what the lock files in requirements/ pin."""

import re
from pathlib import Path
from typing import NamedTuple

from fraud.errors import Problem

PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)(\[[^\]]*\])?==(?P<version>[^ ;]+)( ; (?P<marker>[^\\\n]+?))? \\\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)


class Pin(NamedTuple):
    """A package in one version, where it is installed (a marker; empty is everywhere), and the SHA-256 of its files."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def path(group: str) -> Path:
    """Return the lock file of a group."""
    return Path(f"requirements/{group}.txt")


def pins(group: str) -> list[Pin]:
    """Return what the lock file of a group pins, all of it."""
    text = path(group).read_text(encoding="utf-8")
    found = [
        Pin(one["name"], one["version"], one["marker"] or "", tuple(re.findall("[0-9a-f]{64}", one["hashes"])))
        for one in PIN.finditer(text)
    ]
    lines = [line for line in text.splitlines() if line[:1].isalnum()]
    if len(found) != len(lines):
        raise Problem(f"{path(group)}: found {len(lines)} packages, {len(found)} of them with hashes; run `make lock`")
    return found
