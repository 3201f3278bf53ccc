"""The secrets that the stack of ops/compose.yaml asks for: where they come from, and which ones are too weak."""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from fraud.errors import Problem

COMPOSE = Path("ops/compose.yaml")
SETTINGS, EXAMPLE = Path(".env"), Path(".env.example")
WATCH = ("WATCH_REPOSITORY", "GH_TOKEN")  # What profile watch needs, and nobody but its user knows.
LEAST = 16
PLURAL = 8  # A random word of 16 characters nearly always has more different ones.
GUESSED = re.compile("change.?me|password|secret|example|default|admin|12345|qwerty", re.IGNORECASE)
SAFE = re.compile(r"[A-Za-z0-9._~+/=@:-]*")  # A shell, Docker and Compose read these alike.


def required() -> list[str]:
    """Return the secrets without which the compose file does not start."""
    return list(dict.fromkeys(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text())))


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what Compose reads: .env, and over it what the environment says."""
    lines = SETTINGS.read_text().splitlines() if SETTINGS.exists() else []
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): _unquoted(value.strip()) for name, _, value in pairs} | dict(environment)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def fault(value: str) -> str:
    """Return what is wrong with a secret, without telling it; nothing where it is good."""
    if not value:
        return "is not set"
    if GUESSED.search(value):
        return "is a default that everybody can guess"
    if len(value) < LEAST:
        return f"has {len(value)} characters, where {LEAST} or more are hard to guess"
    if len(set(value)) < PLURAL:
        return f"has {len(set(value))} different characters, which is easy to guess"
    return "" if SAFE.fullmatch(value) else "holds characters that not every reader of .env takes alike"


def check(given: Mapping[str, str]) -> None:
    """Refuse secrets that are missing or can be guessed: the first by its name, and how many more there are."""
    faults = [
        f"{name} {wrong}" for name in required() for one in given.get(name, "").split(",") if (wrong := fault(one))
    ]
    if "watch" in given.get("COMPOSE_PROFILES", "").split(","):
        faults += [f"{name} is not set, which profile watch needs" for name in WATCH if not given.get(name)]
    if faults:
        more = f" (and {len(faults) - 1} more)" if faults[1:] else ""
        remedy = "mend it there" if SETTINGS.exists() else "`make stack-env` writes that file with random secrets"
        raise Problem(f"{SETTINGS}: {faults[0]}{more}; {remedy}")


def write() -> int:
    """Write .env with random secrets for its owner alone, and return how many; a file that is there stays as it is."""
    names = required()
    text = EXAMPLE.read_text()
    for name in names:
        text = text.replace(f"\n#{name}=\n", f"\n{name}={secrets.token_urlsafe(24)}\n")
    try:
        number = os.open(SETTINGS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Problem(f"{SETTINGS}: is there, and stays as it is; `make stack-up` says what it lacks") from None
    with os.fdopen(number, "w") as file:
        file.write(text)
    return len(names)
