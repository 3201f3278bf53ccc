"""The secrets that the stack of ops/compose.yaml asks for: where they come from, and which ones are too weak."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from fraud.errors import Problem

COMPOSE = Path("ops/compose.yaml")
SETTINGS, EXAMPLE = Path(".env"), Path(".env.example")
WATCH = ("WATCH_REPOSITORY", "GH_TOKEN")  # What profile watch needs, and nobody but its user knows.
LEAST = 16
PLURAL = 8  # A random word of 16 characters nearly always has more different ones.
GUESSED = re.compile("change.?me|password|secret|example|default|admin|12345|qwerty", re.IGNORECASE)
ADDRESS = re.compile(r"https?://[^/\s]+\S*")
HOST = re.compile(r"[^\s:]+:\d+|\[[^\s\]]+\]:\d+")
SAFE = re.compile(r"[A-Za-z0-9._~+/=@:-]*")  # A shell, Docker and Compose read these alike.


def required() -> list[str]:
    """Return the secrets without which the compose file does not start."""
    return list(dict.fromkeys(re.findall(r"\$\{(\w+):\?", _text(COMPOSE))))


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what Compose reads: .env, and over it what the environment says."""
    lines = _text(SETTINGS).splitlines() if SETTINGS.exists() else []
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    known = {re.sub(r"^export\s+", "", name.strip()): _unquoted(value.strip()) for name, _, value in pairs}
    return known | dict(environment)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Problem(f"{path}: found a byte at {error.start} that is not UTF-8; write it in UTF-8") from None
    except FileNotFoundError:
        raise Problem(f"{path}: there is no such file; `git checkout {path}` brings it back") from None


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


def equal(given: Mapping[str, str]) -> Iterator[str]:
    """Yield which secrets are those of another name: with one, a caller of the server could do what an admin can."""
    owners: dict[str, str] = {}
    for name in required():
        for value in filter(None, given.get(name, "").split(",")):
            if (owner := owners.setdefault(value, name)) != name:
                yield f"{name} is the same as {owner}, and has to be another one"


def stopping(given: Mapping[str, str]) -> Iterator[str]:
    """Yield what would stop Compose or a container later on."""
    known = re.findall(r"^    profiles: \[(\w+)\]", _text(COMPOSE), re.MULTILINE)
    profiles = [name.strip() for name in given.get("COMPOSE_PROFILES", "").split(",") if name.strip()]
    yield from (f"COMPOSE_PROFILES names {one}, expected {' or '.join(known)}" for one in profiles if one not in known)
    if "watch" in profiles:
        yield from (f"{name} is not set, which profile watch needs" for name in WATCH if not given.get(name))
    for name in "SLACK_WEBHOOK", "ALERT_WEBHOOK":
        if given.get(name) and not ADDRESS.fullmatch(given[name]):
            yield f"{name} is no address that begins with https:// or http://"
    if given.get("ALERT_EMAIL"):
        if not given.get("ALERT_EMAIL_FROM"):
            yield "ALERT_EMAIL_FROM is not set, which ALERT_EMAIL needs"
        if not HOST.fullmatch(given.get("SMTP_HOST", "")):
            yield "SMTP_HOST is no host:port, which ALERT_EMAIL needs"


def check(given: Mapping[str, str]) -> None:
    """Refuse secrets that are missing or can be guessed, and settings that no container starts with, by their names."""
    weak = [f"{name} {wrong}" for name in required() for one in given.get(name, "").split(",") if (wrong := fault(one))]
    if faults := [*weak, *equal(given), *stopping(given)]:
        more = f" (and {len(faults) - 1} more)" if faults[1:] else ""
        remedy = "mend it there" if SETTINGS.exists() else "`make stack-env` writes that file with random secrets"
        raise Problem(f"{SETTINGS}: {faults[0]}{more}; {remedy}")


def write() -> int:
    """Write .env with random secrets for its owner alone, and return how many; a file that is there stays as it is."""
    names = required()
    text = _text(EXAMPLE)
    for name in names:
        text = text.replace(f"\n#{name}=\n", f"\n{name}={secrets.token_urlsafe(24)}\n")
    try:
        number = os.open(SETTINGS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Problem(f"{SETTINGS}: is there, and stays as it is; `make stack-up` says what it lacks") from None
    with os.fdopen(number, "w") as file:
        file.write(text)
    return len(names)
