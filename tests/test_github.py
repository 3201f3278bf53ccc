"""gh against GitHub's API: which repository, what stands in the way, and what to do about it."""

from collections.abc import Iterator
from typing import Any

import pytest

from fraud.errors import Problem
from fraud.loop.proposing import gh, github
from fraud.loop.proposing.github import Repository, addressed, ensured, here
from github import BOT, NAME, PERSON, Reply, Request
from proposals import Loop, inside

LIMIT = {"message": "You have exceeded a secondary rate limit."}


@pytest.fixture
def work(work: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """Stand in a working copy beside GitHub."""
    monkeypatch.setattr(github, "PAUSES", [0.0, 0.0, 0.0])
    with inside(work, monkeypatch):
        yield work


def once(work: Loop, method: str, reply: Reply, when: str = "before") -> list[Request]:
    """Give the first request of a method that reply, and return those that got it."""
    met: list[Request] = []

    def fault(request: Request) -> Reply | None:
        if request.method != method or met:
            return None
        met.append(request)
        return reply

    setattr(work.server, when, fault)
    return met


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("https://github.com/bank/fraud.git", "github.com", "bank/fraud"),
        ("https://github.com/bank/fraud", "github.com", "bank/fraud"),
        ("https://ann:a-secret@github.com/bank/fraud.git/", "github.com", "bank/fraud"),
        ("https://git.bank.example:8443/risk/fraud.model.git", "git.bank.example:8443", "risk/fraud.model"),
        ("git@github.com:bank/fraud.git", "github.com", "bank/fraud"),
        ("git.bank.example:risk/fraud", "git.bank.example", "risk/fraud"),
        ("ssh://git@git.bank.example:2222/risk/fraud.git", "git.bank.example", "risk/fraud"),
        ("ssh://git@ssh.github.com:443/bank/fraud.git", "github.com", "bank/fraud"),
    ],
)
def test_the_address_of_a_remote_says_which_repository(url: str, host: str, name: str) -> None:
    assert addressed(url) == Repository(host, name)


def test_an_alias_of_ssh_takes_its_host_from_gh_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_HOST", "git.bank.example")
    assert addressed("git@work:bank/fraud.git") == Repository("git.bank.example", "bank/fraud")
    monkeypatch.delenv("GH_HOST")
    with pytest.raises(Problem, match="found an alias for a host; set GH_HOST"):
        addressed("git@work:bank/fraud.git")


@pytest.mark.parametrize("url", ["/srv/fraud.git", "../fraud.git", "file:///srv/fraud.git"])
def test_a_folder_is_no_address(url: str) -> None:
    with pytest.raises(Problem, match="set GITHUB_REPOSITORY=owner/name"):
        addressed(url)


def test_a_secret_in_an_address_is_never_repeated() -> None:
    with pytest.raises(Problem) as told:
        addressed("https://ann:a-secret@github.com/fraud")
    assert "a-secret" not in str(told.value)


def test_a_workflow_names_its_repository_and_gh_host_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "bank/fraud")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.bank.example")
    monkeypatch.delenv("GH_HOST", raising=False)
    assert here() == Repository("git.bank.example", "bank/fraud")
    monkeypatch.setenv("GH_HOST", "127.0.0.1:4443")
    assert here() == Repository("127.0.0.1:4443", "bank/fraud")
    monkeypatch.setenv("GITHUB_REPOSITORY", "fraud")
    with pytest.raises(Problem, match="expected owner/name"):
        here()


def test_without_a_remote_a_word_says_what_to_set(work: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    work.run("git", "remote", "remove", "origin")
    monkeypatch.delenv("GITHUB_REPOSITORY")
    with pytest.raises(Problem, match="found no remote 'origin'"):
        here()


@pytest.mark.parametrize("user", [BOT, PERSON])
def test_a_repository_that_takes_pull_requests_passes_the_check(work: Loop, user: dict[str, str]) -> None:
    work.server.user = user
    here().check()
    assert {request.method for request in work.server.requests} == {"GET"}


def test_a_missing_gh_is_one_line(work: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(work.path))
    with pytest.raises(Problem, match=r"^gh: there is no such program; install the GitHub CLI"):
        Repository(work.server.host, NAME).check()


@pytest.mark.parametrize(
    ("host", "name"), [("", "GH_ENTERPRISE_TOKEN"), ("github.com", "GH_TOKEN"), ("bank.ghe.com", "GH_TOKEN")]
)
def test_where_nobody_is_signed_in_one_line_says_how_and_nothing_is_asked(
    work: Loop, monkeypatch: pytest.MonkeyPatch, host: str, name: str
) -> None:
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "")
    with pytest.raises(Problem, match=rf"not signed in there; `gh auth login --hostname {host}.*`, or set {name}$"):
        Repository(host or work.server.host, NAME).check()
    assert work.server.requests == []


@pytest.mark.usefixtures("work")
def test_a_token_that_is_not_valid_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "another-token")
    with pytest.raises(
        Problem, match=r"not valid, or has expired; `gh auth login --hostname .* GH_ENTERPRISE_TOKEN"
    ) as told:
        here().check()
    assert "another-token" not in str(told.value)


def test_a_repository_that_is_not_there_is_one_line(work: Loop) -> None:
    with pytest.raises(Problem, match=r"bank/other: no such repository, or the token may not see it; mend"):
        Repository(work.server.host, "bank/other").check()


@pytest.mark.parametrize(
    ("rights", "headers", "remedy"),
    [
        ({"pull": True, "push": False}, {}, "may read and not write; give it contents, pull requests"),
        ({"pull": True, "push": True}, {"X-OAuth-Scopes": "gist, read:org"}, "may read and not write"),
        ({"pull": True, "push": True}, {"X-OAuth-Scopes": ""}, "may read and not write"),
    ],
)
def test_a_person_without_the_right_to_write_is_told_before_any_work(
    work: Loop, rights: dict[str, bool], headers: dict[str, str], remedy: str
) -> None:
    work.server.user, work.server.rights, work.server.headers = PERSON, rights, headers
    with pytest.raises(Problem, match=remedy):
        here().check()


def test_a_classic_token_for_public_repositories_does_not_do_for_a_private_one(work: Loop) -> None:
    work.server.user, work.server.headers = PERSON, {"X-OAuth-Scopes": "public_repo, gist"}
    here().check()
    work.server.repository["private"] = True
    with pytest.raises(Problem, match="may read and not write"):
        here().check()


def test_an_archived_repository_takes_nothing(work: Loop) -> None:
    work.server.repository["archived"] = True
    with pytest.raises(Problem, match="archived"):
        here().check()


def test_a_workflow_that_may_not_open_pull_requests_is_told_where_to_allow_it(work: Loop) -> None:
    message = "GitHub Actions is not permitted to create or approve pull requests."
    once(work, "POST", Reply(403, {"message": message}))
    with pytest.raises(Problem, match="allow it in Settings, Actions, General"):
        here().ask("POST", "pulls", {})


def test_a_missing_permission_is_named_as_github_names_it(work: Loop) -> None:
    message = {"message": "Resource not accessible by integration"}
    once(work, "POST", Reply(403, message, {"X-Accepted-GitHub-Permissions": "pull_requests=write"}))
    with pytest.raises(Problem, match=r"no right to POST pulls .*; give it pull_requests: write"):
        here().ask("POST", "pulls", {})


@pytest.mark.parametrize(
    "reply",
    [
        Reply(502, {"message": "Bad Gateway"}),
        Reply(0),
        Reply(429, {"message": "Too many"}, {"Retry-After": "0"}),
        Reply(403, LIMIT),
    ],
)
def test_a_fault_that_passes_is_waited_for(work: Loop, reply: Reply) -> None:
    assert once(work, "GET", reply) is not None
    assert here().listed("pulls", state="open") == []
    assert len(work.server.requests) == 2


@pytest.mark.parametrize("reply", [Reply(503, {"message": "Unavailable"}), Reply(0), Reply(403, LIMIT)])
def test_a_fault_that_stays_is_one_line_after_four_times(work: Loop, reply: Reply) -> None:
    work.server.before = lambda _: reply
    with pytest.raises(Problem, match="run it again") as told:
        here().ask("GET", "pulls/1")
    assert "\n" not in str(told.value)
    assert len(work.server.requests) == 4


def test_a_limit_of_requests_that_ends_in_an_hour_is_not_waited_for(work: Loop) -> None:
    once(work, "GET", Reply(429, {"message": "API rate limit exceeded"}, {"Retry-After": "3600"}))
    with pytest.raises(Problem, match="in 60 minutes"):
        here().ask("GET", "pulls/1")
    assert len(work.server.requests) == 1


def test_a_proxy_that_answers_with_a_page_is_a_fault_that_may_pass() -> None:
    assert gh._parsed("HTTP/2.0 200 OK\nVia: proxy\n\n<html>sign in</html>") == gh.Answer(502, {"via": "proxy"}, None)


@pytest.mark.usefixtures("work")
def test_a_certificate_that_nobody_knows_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    with pytest.raises(Problem, match=r"certificate is not trusted.*set SSL_CERT_FILE"):
        here().check()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("reply", [Reply(502, {"message": "Bad Gateway"}), Reply(0)])
def test_what_is_made_is_there_once_though_an_answer_was_lost(work: Loop, reply: Reply, when: str) -> None:
    work.branch("2026-W12")
    repository = here()
    once(work, "POST", reply, when)
    body = {"head": "retrain/2026-W12", "base": "main", "title": "a title"}

    def find() -> dict[str, Any] | None:
        return next(iter(repository.listed("pulls", state="open")), None)

    assert ensured(find, lambda: repository.ask("POST", "pulls", body))["number"] == 1
    assert len(work.server.pulls) == 1


def test_a_list_is_read_to_its_last_page(work: Loop) -> None:
    work.branch("2026-W12")
    here().ask("POST", "pulls", {"head": "retrain/2026-W12", "base": "main", "title": "a title"})
    for number in range(201):
        work.server.say(1, f"comment {number}")
    assert len(here().listed("issues/1/comments")) == 201


def test_gh_sends_nothing_home_and_asks_nobody() -> None:
    assert gh.QUIET == {"GH_TELEMETRY": "false", "GH_NO_UPDATE_NOTIFIER": "1", "GH_PROMPT_DISABLED": "1"}
