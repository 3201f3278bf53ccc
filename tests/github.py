"""GitHub's REST API over TLS on loopback, as far as the loop uses it, over a real bare git repository."""

import ast
import json
import re
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from loopback import Server
from repositories import ENVIRONMENT

NAME, TOKEN = "bank/fraud", "a-token-of-github"
OWNER = NAME.partition("/")[0]
LONGEST = 65536  # Characters of a body.
BOT = {"login": "github-actions[bot]", "type": "Bot"}
PERSON = {"login": "ann", "type": "User"}


class Request(NamedTuple):
    """What was asked; the path is below repos/<name>/, or begins with a slash where it is another one."""

    method: str
    path: str
    query: dict[str, str]
    body: Any

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}".strip()


class Reply(NamedTuple):
    """What is answered; a status of 0 closes the connection without a word."""

    status: int
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012  # nobody writes into it


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, *errors: dict[str, str]) -> None:
        self.reply = Reply(status, {"message": message, "errors": list(errors), "status": str(status)})


def invalid(field: str, message: str = "") -> Refusal:
    """Return what GitHub says of a field that it cannot take."""
    error = {"resource": "PullRequest", "field": field, "code": "invalid"}
    return Refusal(422, "Validation Failed", error | ({"code": "custom", "message": message} if message else {}))


def _no_fault(_: Request) -> Reply | None:
    return None


class GitHub(Server):
    """Pull requests, comments, labels and statuses in memory; branches and commits are those of `origin`."""

    def __init__(self, origin: Path, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        super().__init__(_Handler, context)
        self.origin, self.certificate = origin, certificate
        self.user = BOT  # Whose token it is.
        self.repository: dict[str, Any] = {
            "full_name": NAME,
            "private": False,
            "archived": False,
            "default_branch": "main",
        }
        self.rights = {"pull": True, "push": True}  # Of a person; GitHub says of every app that it has none.
        self.headers: dict[str, str] = {}  # Sent with each answer.
        self.pulls: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, dict[str, Any]] = {}  # By id; each names its pull request as `issue`.
        self.labels: dict[int, list[str]] = {}
        self.statuses: dict[str, list[dict[str, Any]]] = {}  # By commit, newest first.
        self.requests: list[Request] = []
        self.before: Callable[[Request], Reply | None] = _no_fault  # In the place of an answer ...
        self.after: Callable[[Request], Reply | None] = _no_fault  # ... or once all is done but the answer.
        self.lock = threading.Lock()

    @property
    def environment(self) -> dict[str, str]:
        """Return what sends `gh` here, and nowhere else."""
        return {
            "GH_HOST": self.host,
            "GH_ENTERPRISE_TOKEN": TOKEN,
            "GH_CONFIG_DIR": str(self.certificate.parent / "gh"),
            "SSL_CERT_FILE": str(self.certificate),
            "GITHUB_REPOSITORY": NAME,
            "GITHUB_SERVER_URL": f"https://{self.host}",
        }

    # What a person does.

    def open(self) -> list[dict[str, Any]]:
        return [pull for pull in self.pulls.values() if pull["state"] == "open"]

    def close(self, number: int) -> None:
        self._shut(self.pulls[number])

    def merge(self, number: int) -> str:
        """Merge a pull request, as the button does, and return the commit."""
        pull = self.pulls[number]
        base, head = (self.commit(pull[side]["ref"]) for side in ("base", "head"))
        tree = self.git("merge-tree", "--write-tree", base, head)
        commit = self.git("commit-tree", tree, "-p", base, "-p", head, "-m", f"Merge #{number}: {pull['title']}")
        self.git("update-ref", f"refs/heads/{pull['base']['ref']}", commit)
        pull |= {"merged_at": _at(number), "merge_commit_sha": commit}
        self._shut(pull)
        return commit

    def say(self, number: int, body: str, user: dict[str, str] = PERSON, association: str = "NONE") -> dict[str, Any]:
        """Write a comment."""
        made = 1000 + len(self.comments)
        written = {"body": body, "user": user, "author_association": association}
        self.comments[made] = {"id": made, "issue": number, **written}
        return self.comments[made]

    def said(self, number: int) -> list[str]:
        """Return the comments of a pull request."""
        return [comment["body"] for comment in self.comments.values() if comment["issue"] == number]

    def git(self, *words: str) -> str:
        command = ["git", "-C", str(self.origin), *words]
        return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, branch: str) -> str:
        return self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

    def _shut(self, pull: dict[str, Any]) -> None:
        pull["head"]["sha"] = self.commit(pull["head"]["ref"]) or pull["head"]["sha"]
        pull |= {"state": "closed", "closed_at": _at(pull["number"])}

    def take_over(self, other: "GitHub") -> None:
        """Have what another one has, under the address of this one."""
        for name in "pulls", "comments", "labels", "statuses":
            text = repr(getattr(other, name)).replace(other.host, self.host)
            setattr(self, name, ast.literal_eval(text))

    # What is asked.

    def answer(self, request: Request) -> Reply:
        for method, pattern, view in ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                return view(self, request, *found.groups())
        raise Refusal(404, "Not Found")

    def pull(self, number: str) -> dict[str, Any]:
        if int(number) not in self.pulls:
            raise Refusal(404, "Not Found")
        pull = self.pulls[int(number)]
        if pull["state"] == "open":
            for side in "head", "base":
                pull[side]["sha"] = self.commit(pull[side]["ref"]) or pull[side]["sha"]
        return pull


def _at(number: int) -> str:
    return f"2026-11-22T00:{number % 60:02}:00Z"


def _about(server: GitHub, _: Request) -> Reply:
    person = server.user["type"] == "User"
    rights = {name: right and person for name, right in server.rights.items()}
    return Reply(200, server.repository | {"permissions": rights}, server.headers)


def _installation(server: GitHub, _: Request) -> Reply:
    if server.user["type"] != "Bot":
        raise Refusal(403, "You must authenticate with an installation access token")
    return Reply(200, {"total_count": 1, "repositories": [server.repository]})


def _ref(server: GitHub, _: Request, branch: str) -> Reply:
    if not (commit := server.commit(branch)):
        raise Refusal(404, "Not Found")
    return Reply(200, {"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": commit}})


def _delete_ref(server: GitHub, _: Request, branch: str) -> Reply:
    if not server.commit(branch):
        raise Refusal(422, "Reference does not exist")
    for pull in server.open():
        if pull["head"]["ref"] == branch:
            server._shut(pull)
    server.git("update-ref", "-d", f"refs/heads/{branch}")
    return Reply(204)


def _list_pulls(server: GitHub, request: Request) -> Reply:
    state, head, base = (request.query.get(name, "") for name in ("state", "head", "base"))
    found = [
        server.pull(str(number))
        for number, pull in sorted(server.pulls.items(), reverse=True)
        if state in ("all", pull["state"]) and head in ("", pull["head"]["label"]) and base in ("", pull["base"]["ref"])
    ]
    return _page(server, request, found)


def _create_pull(server: GitHub, request: Request) -> Reply:
    head, base = request.body["head"], request.body["base"]
    for side, branch in (("head", head), ("base", base)):
        if not server.commit(branch):
            raise invalid(side)
    _check_body(request.body)
    if not int(server.git("rev-list", "--count", f"{base}..{head}")):
        raise invalid("head", f"No commits between {base} and {head}")
    if any((pull["head"]["ref"], pull["base"]["ref"]) == (head, base) for pull in server.open()):
        raise invalid("head", f"A pull request already exists for {OWNER}:{head}.")
    number = 1 + max(server.pulls, default=0)
    sides = {
        side: {"ref": branch, "sha": server.commit(branch), "label": f"{OWNER}:{branch}", "repo": {"full_name": NAME}}
        for side, branch in (("head", head), ("base", base))
    }
    server.pulls[number] = {
        "number": number,
        "state": "open",
        "title": request.body["title"],
        "body": request.body.get("body"),
        "user": server.user,
        "merged_at": None,
        "html_url": f"https://{server.host}/{NAME}/pull/{number}",
        **sides,
    }
    return Reply(201, server.pulls[number])


def _check_body(body: dict[str, Any]) -> None:
    if len(body.get("body") or "") > LONGEST:
        raise invalid("body", f"body is too long (maximum is {LONGEST} characters)")


def _get_pull(server: GitHub, _: Request, number: str) -> Reply:
    return Reply(200, server.pull(number))


def _patch_pull(server: GitHub, request: Request, number: str) -> Reply:
    pull = server.pull(number)
    _check_body(request.body)
    if request.body.get("state") == "open" and pull["merged_at"]:
        raise invalid("state", "state cannot be changed. The pull request was merged.")
    pull |= {key: value for key, value in request.body.items() if key in ("title", "body")}
    if request.body.get("state") == "closed":
        server._shut(pull)
    elif request.body.get("state") == "open":
        pull["state"] = "open"
    return Reply(200, pull)


def _list_comments(server: GitHub, request: Request, number: str) -> Reply:
    server.pull(number)
    return _page(server, request, [one for one in server.comments.values() if one["issue"] == int(number)])


def _create_comment(server: GitHub, request: Request, number: str) -> Reply:
    server.pull(number)
    _check_body(request.body)
    return Reply(201, server.say(int(number), request.body["body"], server.user))


def _patch_comment(server: GitHub, request: Request, comment: str) -> Reply:
    if int(comment) not in server.comments:
        raise Refusal(404, "Not Found")
    _check_body(request.body)
    server.comments[int(comment)]["body"] = request.body["body"]
    return Reply(200, server.comments[int(comment)])


def _labels(server: GitHub, request: Request, number: str) -> Reply:
    server.pull(number)
    labels = server.labels.setdefault(int(number), [])
    labels += [name for name in (request.body or {}).get("labels", []) if name not in labels]
    return Reply(200, [{"name": name} for name in labels])


def _create_status(server: GitHub, request: Request, commit: str) -> Reply:
    _check_commit(server, commit)
    if request.body["state"] not in ("error", "failure", "pending", "success"):
        raise Refusal(422, "Validation Failed")
    if len(request.body.get("description") or "") > 140:
        raise Refusal(422, "Validation Failed: description is too long (maximum is 140 characters)")
    server.statuses.setdefault(commit, []).insert(0, {"creator": server.user, "target_url": None, **request.body})
    return Reply(201, server.statuses[commit][0])


def _list_statuses(server: GitHub, request: Request, commit: str) -> Reply:
    _check_commit(server, commit)
    return _page(server, request, server.statuses.get(commit, []))


def _check_commit(server: GitHub, commit: str) -> None:
    found = re.fullmatch("[0-9a-f]{40}", commit)
    command = ["git", "-C", str(server.origin), "cat-file", "-e", f"{commit}^{{commit}}"]
    if not found or subprocess.run(command, check=False, capture_output=True).returncode:
        raise Refusal(422, f"No commit found for SHA: {commit}")


def _page(server: GitHub, request: Request, found: list[dict[str, Any]]) -> Reply:
    size, page = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
    following = urlencode(request.query | {"page": page + 1})
    link = {"Link": f'<https://{server.host}/api/v3/repos/{NAME}/{request.path}?{following}>; rel="next"'}
    return Reply(200, found[(page - 1) * size : page * size], link if len(found) > page * size else {})


View = Callable[..., Reply]
ROUTES: list[tuple[str, str, View]] = [
    ("GET", "", _about),
    ("GET", "/installation/repositories", _installation),
    ("GET", "git/ref/heads/(.+)", _ref),
    ("DELETE", "git/refs/heads/(.+)", _delete_ref),
    ("GET", "pulls", _list_pulls),
    ("POST", "pulls", _create_pull),
    ("GET", r"pulls/(\d+)", _get_pull),
    ("PATCH", r"pulls/(\d+)", _patch_pull),
    ("GET", r"issues/(\d+)/comments", _list_comments),
    ("POST", r"issues/(\d+)/comments", _create_comment),
    ("PATCH", r"issues/comments/(\d+)", _patch_comment),
    ("GET", r"issues/(\d+)/labels", _labels),
    ("POST", r"issues/(\d+)/labels", _labels),
    ("POST", "statuses/([^/]+)", _create_status),
    ("GET", "commits/([^/]+)/statuses", _list_statuses),
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    server: GitHub

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        content = self._content()
        path = f"{unquote(url.path)}/".removeprefix("/api/v3").removeprefix(f"/repos/{NAME}/")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        request = Request(self.command, path.removesuffix("/"), query, json.loads(content or "null"))
        with self.server.lock:
            self.server.requests.append(request)
            reply = self.server.before(request) or self._reply(request)
            reply = self.server.after(request) or reply
        self._send(reply)

    do_POST = do_PATCH = do_DELETE = do_PUT = do_GET  # noqa: N815

    def _content(self) -> bytes:
        """Return the body; gh sends what it reads from stdin in chunks."""
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _reply(self, request: Request) -> Reply:
        try:
            if self.headers["Authorization"] != f"token {TOKEN}":
                raise Refusal(401, "Bad credentials")
            return self.server.answer(request)
        except Refusal as refusal:
            return refusal.reply

    def _send(self, reply: Reply) -> None:
        if not reply.status:
            self.close_connection = True
            return
        content = b"" if reply.body is None else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def certificate(folder: Path) -> Path:
    """Return a file with a key and a certificate of this machine's loopback address, made now."""
    path = folder / "github.pem"
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    named = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", f"{path}.crt", "-keyout", f"{path}.key"]
    subprocess.run(["openssl", "req", "-x509", *made, *named], check=True, capture_output=True)
    path.write_text(Path(f"{path}.key").read_text() + Path(f"{path}.crt").read_text())
    return path
