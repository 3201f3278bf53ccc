"""What the routes work with: the parts of this server, and who is asking."""

import time
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
from flask import Response, current_app, g, request

from serve.answers import Scoring
from serve.auth import Auth, Caller
from serve.log import Log
from serve.metrics import Metrics
from serve.model import Models
from serve.problems import Refusal
from serve.rate import Rate
from serve.settings import Settings
from serve.watch import Watch
from serve.workers import Workers

NAME = "fraud"  # Of the parts among the extensions of the app.


class Parts(NamedTuple):
    """Each is made once by create_app."""

    root: Path  # Of the repository.
    settings: Settings
    auth: Auth
    rate: Rate | None
    workers: Workers
    models: Models
    log: Log
    watch: Watch
    metrics: Metrics


def parts() -> Parts:
    """Return the parts of the app that answers this request."""
    return cast(Parts, current_app.extensions[NAME])


def scoring() -> Scoring:
    """Return the model of this moment, and all that its answers take."""
    here = parts()
    served = here.models.current()
    given = here.settings.threshold
    threshold = served.model.contract.threshold if given is None else given
    return Scoring(served, threshold, here.log, here.metrics, here.settings.allow_unlogged)


def admitted(*, admin: bool = False, cost: int = 1) -> Caller:
    """Return who is asking; one without a token that fits, or with too many requests, is refused."""
    here = parts()
    caller = here.auth.who(request.headers.get("Authorization"))
    if admin:
        here.auth.admin(caller)
    if here.rate is not None:
        here.rate.take(caller.name, cost)
    g.caller = caller.name
    return caller


def body() -> bytes:
    """Return the body of a request that says it is JSON."""
    if not request.is_json:
        found = request.mimetype or "none"
        raise Refusal(415, f"the content type is {found}, expected application/json")
    return request.get_data(cache=False)


def answered(value: object, status: int = 200) -> Response:
    """Return a value as JSON."""
    return Response(msgspec.json.encode(value), status, mimetype="application/json")


def moment(seconds: float) -> str:
    """Return a time as people and programs read it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
