"""Run `gh api` once, and tell an answer of GitHub's from none."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from typing import Any, NamedTuple

from fraud.errors import Problem

PATIENCE = 60  # Seconds that an answer is waited for.
QUIET = {"GH_TELEMETRY": "false", "GH_NO_UPDATE_NOTIFIER": "1", "GH_PROMPT_DISABLED": "1"}  # gh calls home by default.


class Refused(Problem):
    """GitHub understood and said no."""

    def __init__(self, message: str, status: int) -> None:
        """Take the sentence for a person, and the status for a program."""
        super().__init__(message)
        self.status = status


class Unknown(Problem):
    """The answer does not tell whether it was done: it was lost, or somebody else seems to have done it first."""


class Answer(NamedTuple):
    """What came back over HTTP; the names of the headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def message(self) -> str:
        """Return what GitHub says is wrong, on one line."""
        body = self.body if isinstance(self.body, dict) else {}
        errors = [_error(one) if isinstance(one, dict) else str(one) for one in body.get("errors") or ()]
        return " ".join("; ".join([str(body.get("message") or "no reason"), *errors]).split())


def _error(error: dict[str, Any]) -> str:
    return str(error.get("message") or f"{error.get('field')} is {error.get('code')}")


def check(host: str) -> None:
    """Stop where there is no gh, or nobody is signed in to `host`; without a token `gh api` would ask all the same."""
    if _gh(host, "auth", "token").returncode:
        raise Problem(f"{host}: gh is not signed in there; {sign_in(host)}")


def call(host: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
    """Return the answer of `host`, whatever its status; where none came, it is a problem."""
    words = ["api", "--include", "--method", method, "--header", "Accept: application/vnd.github+json", path]
    try:
        done = _gh(host, *words) if body is None else _gh(host, *words, "--input", "-", given=json.dumps(body))
    except subprocess.TimeoutExpired:
        raise Unknown(f"{host}: no answer within {PATIENCE} seconds; run it again later") from None
    return _parsed(done.stdout) or _silent(host, " ".join(done.stderr.split())[:300])


def _gh(host: str, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    settings = os.environ | QUIET | {"GH_HOST": host}
    try:
        return subprocess.run(
            ["gh", *words],
            input=given,
            env=settings,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise Problem("gh: there is no such program; install the GitHub CLI as https://cli.github.com says") from None


def sign_in(host: str) -> str:
    """Return how to sign in to a host."""
    public = host == "github.com" or host.endswith(".ghe.com")
    return f"`gh auth login --hostname {host}`, or set {'GH_TOKEN' if public else 'GH_ENTERPRISE_TOKEN'}"


def _silent(host: str, said: str) -> Answer:
    if "x509" in said or "certificate" in said:
        raise Problem(f"{host}: its certificate is not trusted ({said}); set SSL_CERT_FILE to that of its authority")
    raise Unknown(f"{host}: {said or 'no answer'}; check the network, then run it again")


def _parsed(said: str) -> Answer | None:
    """Return the answer that `gh api --include` printed, if one came."""
    head, _, body = said.partition("\n\n")
    first, *lines = head.split("\n")
    if not (found := re.match(r"HTTP/\S+ (\d{3})", first)):
        return None
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    try:
        return Answer(int(found[1]), headers, json.loads(body) if body.strip() else None)
    except ValueError:  # The page of a proxy, or half an answer.
        return Answer(max(int(found[1]), 502), headers, None)
