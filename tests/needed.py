"""Programs that tests run for real: where one is missing, CI fails, and a laptop skips with a word."""

import os
from pathlib import Path

import pytest


def needed(program: Path | str | None, name: str, remedy: str = "make system") -> str:
    """Return the path of a program, if it was found."""
    if not program:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed; run `{remedy}`")
    return str(program)
