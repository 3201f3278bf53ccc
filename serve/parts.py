"""What the routes work with: the parts of this server, and who is asking."""

import time
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from serve.access.auth import Auth, Caller
from serve.access.rate import Rate
from serve.access.reading import Reading
from serve.answers import Scoring
from serve.edge import CALLER, PARTS, Environ
from serve.journal.log import Log
from serve.measures.metrics import Metrics
from serve.measures.watch import Watch
from serve.model import Models
from serve.problems import Refusal
from serve.settings import Settings
from serve.workers import Workers

DISCARDED = 8  # Times the largest body: what is read of a larger one.


class Parts(NamedTuple):
    """Each is made once by create_app."""

    root: Path  # Of the repository.
    settings: Settings
    auth: Auth
    rate: Rate | None
    feedback_rate: Rate
    reading: Reading
    workers: Workers
    models: Models
    log: Log
    watch: Watch
    metrics: Metrics


def parts() -> Parts:
    """Return the parts of the app that answers this request."""
    return cast(Parts, request.environ[PARTS])


def scoring() -> Scoring:
    """Return the model of this moment, and all that its answers take."""
    here = parts()
    served = here.models.current()
    given = here.settings.threshold
    threshold = served.model.contract.threshold if given is None else given
    return Scoring(served, threshold, here.log, here.metrics, here.settings.allow_unlogged)


def admitted(*, admin: bool = False) -> Caller:
    """Return who is asking; one without a token that fits, or with too many requests, is refused."""
    environ = request.environ
    here: Parts = environ[PARTS]
    caller = here.auth.who(environ.get("HTTP_AUTHORIZATION"))
    if admin:
        here.auth.admin(caller)
    if here.rate is not None:
        here.rate.take(caller.name)
    environ[CALLER] = caller.name
    return caller


def body() -> bytes:
    """Return the body of a request that says it is JSON; one whose caller is still sending many others is refused."""
    environ = request.environ
    with environ[PARTS].reading.of(environ[CALLER]):
        return _whole(environ)


def _whole(environ: Environ) -> bytes:
    limit, announced = environ[PARTS].settings.max_body, environ.get("CONTENT_LENGTH")
    size = int(announced) if announced else limit + 1 if environ.get("wsgi.input_terminated") else 0
    content = b"" if announced and size > limit else _read(size)
    if max(len(content), size if announced else 0) > limit:
        _discard(DISCARDED * limit)
        raise RequestEntityTooLarge
    _check_type()
    if announced and len(content) < size:
        raise Refusal(400, f"the body ended after {len(content)} bytes, expected {size} (Content-Length)")
    return content


def _check_type() -> None:
    environ = request.environ
    if environ.get("CONTENT_TYPE") != "application/json" and not request.is_json:
        found = request.mimetype or "none"
        raise Refusal(415, f"the content type is {found}, expected application/json")
    if (coding := environ.get("HTTP_CONTENT_ENCODING", "identity").lower()) != "identity":
        raise Refusal(415, f"the body is encoded as {coding}; send it as it is", {"Accept-Encoding": "identity"})


def _read(size: int) -> bytes:
    """Return so many bytes of the body, or all that there are."""
    content = _part(size)
    if not 0 < len(content) < size:
        return content
    whole = bytearray(content)
    while len(whole) < size and (more := _part(size - len(whole))):
        whole += more
    return bytes(whole)


def _part(size: int) -> bytes:
    try:
        return cast(bytes, request.environ["wsgi.input"].read(size))
    except Exception:  # Of gunicorn, which has many, and no class for them.
        raise Refusal(400, "the body breaks off, or is not in the chunks that it says; send it again") from None


def _discard(limit: int) -> None:
    """Read what a caller is still sending, up to a limit, as one that is cut off while it sends misses the answer."""
    while limit > 0 and (chunk := _part(65_536)):
        limit -= len(chunk)


def answered(value: object, status: int = 200) -> Response:
    """Return a value as JSON."""
    return Response(msgspec.json.encode(value), status, content_type="application/json")


def moment(seconds: float) -> str:
    """Return a time as people and programs read it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
