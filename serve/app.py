"""The factory of the server: settings, then parts, then routes."""

import gc
import logging.config
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from serve import ROOT, logs, pin, run
from serve.access.auth import NO_ADMINS, Auth
from serve.access.rate import Rate
from serve.access.reading import Reading
from serve.edge import REQUEST_ID, Edge
from serve.journal.log import Log
from serve.journal.reach import Away
from serve.measures.metrics import Metrics
from serve.measures.watch import Watch
from serve.model import Models
from serve.parts import Parts, parts
from serve.problems import Refusal
from serve.routes import feedback, health, metrics, mlflow, pages, predict, predictions, reload
from serve.settings import Settings, load
from serve.workers import Workers

ROUTES = [predict, feedback, predictions, health, reload, metrics, mlflow, pages]
SAFE_TOKEN = 16
logger = logging.getLogger("fraud.serve")


def create_app(environment: Mapping[str, str] | None = None, root: Path = ROOT) -> Flask:
    """Return the app; a problem with settings, model or log is raised here, before the first request."""
    logging.config.dictConfig(logs.CONFIG)
    settings = load(os.environ if environment is None else environment)
    app = Flask("serve", static_folder=None)  # Its route would shadow that of routes/pages.py.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    edge = Edge(app.wsgi_app, _parts(settings, root, run.folder()))
    app.wsgi_app = edge  # type: ignore[method-assign]  # Flask's manual puts WSGI around an app in this way.
    app.register_error_handler(Refusal, Refusal.response)
    app.register_error_handler(HTTPException, _of_flask)
    app.register_error_handler(Away, _away)
    app.register_error_handler(Exception, _ours)
    for module in ROUTES:
        app.register_blueprint(module.routes)
    gc.collect()
    gc.freeze()  # What is here stays; looking through it for garbage held up one request in a thousand by 50 ms.
    return app


def _parts(settings: Settings, root: Path, folder: Path) -> Parts:
    settings = run.with_tokens(settings, folder)
    auth = Auth(settings)
    if run.first(folder):
        _warn(settings, auth)
    workers = Workers(folder)

    def bring() -> tuple[pin.Pin, bytes]:
        found = pin.read(root, settings.model_path, settings.git_rev)
        return found, pin.model_bytes(root, found)

    metrics_of_all = Metrics(folder, workers, auth.names)
    models = Models(folder, workers, bring, settings.max_rows, metrics_of_all.reloaded)
    log = Log(settings.request_log, settings.spool, settings.log_sync, folder, settings.retention_days)
    return Parts(
        root,
        settings,
        auth,
        Rate(folder / "rate", settings.rate_limit) if settings.rate_limit else None,
        Rate(folder / "feedback", settings.feedback_limit, counted="labels (FEEDBACK_LIMIT)"),
        Reading(settings.threads),
        workers,
        models,
        log,
        Watch(log.queries, models, settings.drift_days),
        metrics_of_all,
    )


def _warn(settings: Settings, auth: Auth) -> None:
    if any(len(token) < SAFE_TOKEN for token in (*settings.api_tokens, *settings.admin_tokens)):
        logger.warning("a token is shorter than %d characters, and so easy to guess", SAFE_TOKEN)
    if not auth.knows_admins:
        logger.warning("POST /reload-model takes an admin token, and %s", NO_ADMINS)


def _of_flask(error: HTTPException) -> Response:
    """Tell in our words what Flask found before a route was asked."""
    if error.code is None or error.code < 400:
        return cast(Response, error.get_response())
    sentences = {
        400: "the request cannot be read: its Host is no name, it asks for a websocket, or its body breaks off",
        404: f"there is nothing at {request.path}; GET /docs lists what there is",
        405: f"{request.path} does not take {request.method}; GET /docs lists what it takes",
        413: f"the body is larger than {parts().settings.max_body} bytes (MAX_BODY); send it in parts",
    }
    methods: Iterable[str] | None = getattr(error, "valid_methods", None)
    headers = {"Allow": ", ".join(methods)} if methods else {}
    return Refusal(error.code, sentences.get(error.code, str(error.description)), headers).response()


def _away(error: Exception) -> Response:
    sentence = f"the request log is away, and with it what this takes: {error}; nothing was changed"
    return Refusal(503, sentence, {"Retry-After": "2"}).response()


def _ours(error: Exception) -> Response:
    request_id = request.environ[REQUEST_ID]
    logger.error("request %s failed", request_id, exc_info=error)
    return Refusal(500, f"this is our fault; the log has it under request {request_id}").response()
