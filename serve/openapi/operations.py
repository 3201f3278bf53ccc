"""What each route takes and answers, as far as its docstring does not say it."""

from typing import NamedTuple

from serve.openapi.answers import ANSWERS, HEALTH, LABELLED, MODEL, PREDICTIONS, READY, RELOADED, SCORED, SUMMARY
from serve.openapi.words import WORDS, Json
from serve.routes.predictions import MOST

JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
OPEN_METRICS = "application/openmetrics-text"
TOKEN = (401, 429)  # What a route refuses that asks for a token,
BODY = (400, 401, 413, 415, 422, 429, 503)  # and one that takes a body too, and writes to the log.


class Operation(NamedTuple):
    """A route."""

    answer: Json  # By media type.
    refusals: tuple[int, ...] = ()
    body: str | None = None  # The name of its schema.
    parameters: tuple[Json, ...] = ()
    admin: bool = False
    other: tuple[int, str, Json] | None = None  # Another answer that is no refusal, and its meaning.


def _query(name: str, schema: Json, meaning: str) -> Json:
    """Return a parameter of the query that may be left out."""
    return {"name": name, "in": "query", "schema": schema, "description": meaning}


EXTRA = _query(
    "extra", {"enum": ["refuse", "ignore"], "default": "refuse"}, "What becomes of fields beyond the contract."
)
EXPLAIN = _query(
    "explain",
    {"type": "integer", "minimum": 0, "maximum": 9999, "default": 0},
    "So many features that moved the score most are named in each answer; for 500 rows at most.",
)
ACTUAL = _query(
    "actual_label",
    {"enum": ["true", "false", "1", "0"]},
    "Where it is given the body is a payment, and the newest prediction of the same features gets the label.",
)
LIMIT = _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 20}, "How many, at most.")
FILE = {"name": "name", "in": "path", "required": True, "schema": WORDS, "description": "The file's name."}
SAME: tuple[int, str, Json] = (304, "It has not changed.", {})
PAGE = Operation({HTML: WORDS}, other=SAME)
OPERATIONS = {
    "GET /": PAGE,
    "GET /docs": PAGE,
    "GET /static/{name}": Operation(
        {"text/css": WORDS, "text/javascript": WORDS}, (404,), parameters=(FILE,), other=SAME
    ),
    "GET /openapi.json": Operation({JSON: {"type": "object"}}, other=SAME),
    "GET /health": Operation({JSON: HEALTH}),
    "GET /ready": Operation({JSON: READY}, other=(503, "It is not ready.", {JSON: READY})),
    "GET /ping": Operation({TEXT: WORDS}),
    "GET /version": Operation({TEXT: WORDS}),
    "GET /model": Operation({JSON: MODEL}, TOKEN),
    "GET /predictions": Operation({JSON: PREDICTIONS}, (*TOKEN, 422, 503), parameters=(LIMIT,)),
    "GET /metrics": Operation({TEXT: WORDS, OPEN_METRICS: WORDS, HTML: WORDS, JSON: SUMMARY}, TOKEN),
    "GET /prometheus": Operation({TEXT: WORDS, OPEN_METRICS: WORDS}, TOKEN),
    "POST /predict": Operation({JSON: ANSWERS}, (*BODY, 409), "Payments", (EXTRA, EXPLAIN)),
    "POST /feedback": Operation({JSON: LABELLED}, (*BODY, 404), "Feedback", (ACTUAL,)),
    "POST /invocations": Operation({JSON: SCORED}, (*BODY, 409), "Invocation"),
    "POST /reload-model": Operation({JSON: RELOADED}, (*TOKEN, 403, 409), admin=True),
}
