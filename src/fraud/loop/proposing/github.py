"""A repository on GitHub: which one this is, whether it takes pull requests, and patience while GitHub is busy."""

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

from fraud.errors import Problem
from fraud.loop.git import git
from fraud.loop.proposing import gh
from fraud.loop.proposing.gh import PATIENCE, Answer, Refused, Unknown, call, sign_in

PAUSES = [1.0, 3.0, 9.0]  # Seconds before the second, third and fourth time that something is asked.
PAGE = 100  # The most that GitHub lists at a time.
RIGHTS = "contents, pull requests and commit statuses: write"
SSH = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")  # git@github.com:owner/name.git
Found = TypeVar("Found")


class Busy(Problem):
    """GitHub did nothing, and wants to be left alone for so many seconds."""

    def __init__(self, message: str, seconds: float) -> None:
        """Take the sentence for a person, and the seconds."""
        super().__init__(message)
        self.seconds = seconds


class Repository(NamedTuple):
    """A repository on GitHub or on a GitHub Enterprise server."""

    host: str
    name: str  # owner/name

    @property
    def owner(self) -> str:
        """Return who it belongs to."""
        return self.name.partition("/")[0]

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what GitHub answers below repos/<name>/; a POST whose answer was lost is not sent again."""
        again = (Busy,) if method == "POST" else (Busy, Unknown)
        return patiently(lambda: self.once(method, path, body).body, again)

    def once(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Ask once; whatever is no success is a problem."""
        answer = call(self.host, method, f"repos/{self.name}/{path}".rstrip("/"), body)
        where, what = f"{self.host}/{self.name}", f"{method} {path.partition('?')[0]}".strip()
        if answer.status < 300:
            return answer
        if (seconds := _seconds(answer)) is not None:
            raise Busy(f"{where}: too many requests, says GitHub; run it again in {seconds / 60:.0f} minutes", seconds)
        if answer.status >= 500:
            raise Unknown(f"{where}: {what} was answered by {answer.status}; run it again later, which repeats nothing")
        if answer.status == 422 and "already exists" in answer.message:
            raise Unknown(f"{where}: {answer.message} But it is not to be seen yet; run it again later")
        raise Refused(f"{where}: {_why(answer, what) if answer.status != 401 else _unknown_token(self.host)}",
                      answer.status)  # fmt: skip

    def listed(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return a whole list, page by page."""
        found: list[dict[str, Any]] = []
        for page in range(1, 1000):
            asked = urlencode(query | {"per_page": str(PAGE), "page": str(page)})
            found += (part := self.ask("GET", f"{path}?{asked}"))
            if len(part) < PAGE:
                break
        return found

    def check(self) -> None:
        """Stop where pull requests cannot be opened, as far as that is to be seen without opening one."""
        where = f"{self.host}/{self.name}"
        gh.check(self.host)
        try:
            answer = patiently(lambda: self.once("GET", ""), (Busy, Unknown))
        except Refused as refused:
            if refused.status != 404:
                raise
            raise Problem(
                f"{where}: no such repository, or the token may not see it; mend GITHUB_REPOSITORY or the address of "
                f"the remote 'origin', or give the token {RIGHTS}"
            ) from None
        if answer.body.get("archived"):
            raise Problem(f"{where}: the repository is archived, so it takes nothing; unarchive it in its settings")
        if not (_may_write(answer) or self._is_of_an_app()):
            raise Problem(f"{where}: the token may read and not write; give it {RIGHTS}")

    def _is_of_an_app(self) -> bool:
        """Return whether the token is that of a workflow or another app, of which GitHub says it may not push."""
        return call(self.host, "GET", "installation/repositories?per_page=1").status == 200


def _why(answer: Answer, what: str) -> str:
    if "GitHub Actions is not permitted" in answer.message:
        return "workflows may not open pull requests; allow it in Settings, Actions, General, Workflow permissions"
    if answer.status == 403:
        wanted = answer.headers.get("x-accepted-github-permissions", "").replace("=", ": ") or RIGHTS
        return f"the token has no right to {what} ({answer.message}); give it {wanted}"
    if answer.status == 404:
        return f"found nothing at {what}, or the token may not see it; check the number, or give it {RIGHTS}"
    return f"{what} was refused with {answer.status}: {answer.message}; mend that, then run it again"


def _unknown_token(host: str) -> str:
    return f"the token is not valid, or has expired; {sign_in(host)}"


def _may_write(answer: Answer) -> bool:
    """Return whether the user may push, and a classic token's scopes are enough; other tokens do not say theirs."""
    enough = {"repo"} if answer.body.get("private") else {"repo", "public_repo"}
    scopes = answer.headers.get("x-oauth-scopes")
    scoped = scopes is None or bool(enough & set(scopes.split(", ")))
    return scoped and answer.body.get("permissions", {}).get("push", True)


def _seconds(answer: Answer) -> float | None:
    """Return how long GitHub wants to be left alone, or None where no limit of requests is meant."""
    if not (answer.status == 429 or (answer.status == 403 and "rate limit" in answer.message.lower())):
        return None
    if (after := answer.headers.get("retry-after", "")).isdecimal():
        return float(after)
    reset = answer.headers.get("x-ratelimit-reset", "")
    used_up = answer.headers.get("x-ratelimit-remaining") == "0"
    return max(0.0, float(reset) - time.time()) if used_up and reset.isdecimal() else 0.0


def patiently(ask: Callable[[], Found], again: tuple[type[Problem], ...]) -> Found:
    """Return what `ask` returns; it is asked a few times where one of the problems `again` comes up."""
    for pause in PAUSES:
        try:
            return ask()
        except again as problem:
            wanted = problem.seconds if isinstance(problem, Busy) else 0.0
            if wanted > PATIENCE:
                raise
            time.sleep(max(pause, wanted))
    return ask()


def ensured(find: Callable[[], Found | None], make: Callable[[], Found]) -> Found:
    """Return what `find` finds, or else what `make` makes; it looks again before it makes anything a second time."""

    def once() -> Found:
        return make() if (found := find()) is None else found

    return patiently(once, (Unknown,))


def run_address() -> str | None:
    """Return the address of this run of a workflow, if it is one."""
    server, name, number = (os.environ.get(f"GITHUB_{part}") for part in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"{server}/{name}/actions/runs/{number}" if server and name and number else None


def here() -> Repository:
    """Return the repository that this working copy belongs to; in a workflow GITHUB_REPOSITORY names it."""
    if name := os.environ.get("GITHUB_REPOSITORY"):
        served = urlsplit(os.environ.get("GITHUB_SERVER_URL", "")).netloc
        return _named(os.environ.get("GH_HOST") or served or "github.com", name, "GITHUB_REPOSITORY")
    try:
        address = git("remote", "get-url", "origin")
    except Problem:
        missing = "git: found no remote 'origin'; `git remote add origin <address>`, or set GITHUB_REPOSITORY"
        raise Problem(missing) from None
    return addressed(address)


def addressed(url: str) -> Repository:
    """Return the repository at the address of a git remote; GH_HOST says which host an alias of ssh stands for."""
    what, parts = "remote 'origin'", urlsplit(url)
    if parts.scheme in ("https", "http"):
        host, path = parts.netloc.rpartition("@")[2], parts.path
    elif parts.scheme == "ssh":
        host, path = parts.hostname or "", parts.path
    elif found := SSH.fullmatch(url):
        host, path = found[1], found[2]
    else:
        raise Problem(f"{what}: found no address on GitHub; set GITHUB_REPOSITORY=owner/name, and GH_HOST where needed")
    host = host if "." in host else os.environ.get("GH_HOST", "")
    if not host:
        raise Problem(f"{what}: found an alias for a host; set GH_HOST, like GH_HOST=github.com")
    return _named("github.com" if host == "ssh.github.com" else host, path.strip("/").removesuffix(".git"), what)


def _named(host: str, name: str, what: str) -> Repository:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise Problem(f"{what}: found '{name}', expected owner/name; mend it there")
    return Repository(host, name)
