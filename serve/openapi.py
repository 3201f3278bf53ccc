"""The API as OpenAPI 3.1: what callers send comes from the contract, what they get from the types of the answers."""

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from fraud.contract import Contract
from fraud.schema import Column
from fraud.usual import ordinary
from serve.answers import Answer
from serve.misfits import LARGEST, LONGEST_ID, companions
from serve.problems import TYPE
from serve.routes.predictions import MOST, Prediction

Json = dict[str, Any]
JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
OPEN_METRICS = "application/openmetrics-text"
REF = "#/components/{kind}/{name}"
WORDS: Json = {"type": "string"}
TRUTH: Json = {"type": "boolean"}
COUNT: Json = {"type": "integer", "minimum": 0}
NUMBER: Json = {"type": "number"}
UNKNOWN_NUMBER: Json = {"type": ["number", "null"]}
MD5: Json = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
NAME: Json = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
BESIDE: Json = {"type": ["number", "string", "null"], "maxLength": LONGEST_ID, "description": "Kept, and not scored."}
LABEL: Json = {"enum": [True, False, 0, 1]}
ALONE: Json = {"additionalProperties": False}
NAMES = ("id", "transaction_id")  # By which feedback finds a prediction.
REFUSALS = {
    400: "the body is no JSON",
    401: "no token, or one that is not known",
    403: "a token that may not do this",
    404: "nothing has this name",
    409: "it contradicts what is there, which stays as it is",
    413: "too large, or too many rows",
    415: "the content type is not application/json",
    422: "a value does not fit; the sentence names row and field",
    429: "too many requests; Retry-After says when to come again",
    503: "it cannot be logged, or looked up in the log, now; Retry-After says when to come again",
}
HEADERS = {401: ["WWW-Authenticate"], 403: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
TOKEN = (401, 429)
BODY = (400, 401, 413, 415, 422, 429, 503)


class Operation(NamedTuple):
    """What a route takes and answers, as far as its docstring does not say it."""

    answer: Json  # By media type.
    refusals: tuple[int, ...] = ()
    body: str | None = None  # The name of its schema.
    parameters: tuple[Json, ...] = ()
    admin: bool = False
    other: tuple[int, str, Json] | None = None  # Another answer that is no refusal, and its meaning.


def record(**fields: Json) -> Json:
    """Return the schema of an object that has all of the fields."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def many(items: Json) -> Json:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def ref(name: str, kind: str = "schemas") -> Json:
    """Return a reference to a component."""
    return {"$ref": REF.format(kind=kind, name=name)}


def query(name: str, schema: Json, meaning: str) -> Json:
    """Return a parameter of the query that may be left out."""
    return {"name": name, "in": "query", "schema": schema, "description": meaning}


LINEAGE = {
    "model": MD5,
    "git_rev": {"type": ["string", "null"]},
    "dataset": WORDS,
    "training_md5": MD5,
    "since": {"type": "string", "format": "date-time"},
}
LOG = record(state=WORDS, pending=COUNT)
QUALITY = dict.fromkeys(("accuracy", "precision", "recall"), UNKNOWN_NUMBER)
OUTCOMES = dict.fromkeys(("true_positives", "false_positives", "true_negatives", "false_negatives"), COUNT)
DRIFT = record(
    scores={"type": "object", "additionalProperties": NUMBER}, detected=TRUTH, fired=many(many(WORDS)), sentence=WORDS
)
SUMMARY = record(
    **LINEAGE,
    counters={"type": "object"},
    latency_seconds=record(**dict.fromkeys(("p50", "p95", "p99"), UNKNOWN_NUMBER)),
    last_hour=record(answers=COUNT, frauds=COUNT, fraud_rate=UNKNOWN_NUMBER),
    feedback=record(**OUTCOMES, **QUALITY),
    drift={"anyOf": [DRIFT, {"type": "null"}]},
    log=LOG,
)
MODEL = record(
    **LINEAGE,
    threshold=NUMBER,
    threshold_of_the_contract=NUMBER,
    features=many(WORDS),
    schema=ref("Schema"),
    contract=ref("Contract"),
    reports={"type": "object", "description": "What the reports of its training say, where they are at hand."},
)
HEALTH = record(status={"const": "alive"}, **LINEAGE, workers=many(record(pid=COUNT, model=MD5)))
READY = {JSON: record(status={"enum": ["ready", "degraded", "not ready"]}, **LINEAGE, log=LOG)}
RELOADED = record(status={"const": "reloaded"}, changed=TRUTH, before=MD5, **LINEAGE)
LABELLED = record(id=WORDS, actual_label=TRUTH, is_fraud=TRUTH, model=MD5)
ANSWERS = record(predictions=many(ref("Answer")), model=MD5)
SCORED = record(predictions=many(record(id=WORDS, fraud_probability=NUMBER, is_fraud=TRUTH)))
EXTRA = query(
    "extra", {"enum": ["refuse", "ignore"], "default": "refuse"}, "What becomes of fields beyond the contract."
)
EXPLAIN = query(
    "explain",
    {"type": "integer", "minimum": 0, "maximum": 9999, "default": 0},
    "So many features that moved the score most are named in each answer; for 500 rows at most.",
)
ACTUAL = query(
    "actual_label",
    {"enum": ["true", "false", "1", "0"]},
    "Where it is given the body is a payment, and the newest prediction of the same features gets the label.",
)
LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 20}, "How many, at most.")
FILE = {"name": "name", "in": "path", "required": True, "schema": WORDS, "description": "The file's name."}
SAME: tuple[int, str, Json] = (304, "It has not changed.", {})
PAGE = Operation({HTML: WORDS}, other=SAME)
OPERATIONS = {
    "GET /": PAGE,
    "GET /docs": PAGE,
    "GET /static/{name}": Operation({"text/css": WORDS, "text/javascript": WORDS}, (404,), None, (FILE,), other=SAME),
    "GET /openapi.json": Operation({JSON: {"type": "object"}}, other=SAME),
    "GET /health": Operation({JSON: HEALTH}),
    "GET /ready": Operation(READY, other=(503, "It is not ready.", READY)),
    "GET /ping": Operation({TEXT: WORDS}),
    "GET /version": Operation({TEXT: WORDS}),
    "GET /model": Operation({JSON: MODEL}, TOKEN),
    "GET /predictions": Operation(
        {JSON: record(predictions=many(ref("Prediction")))}, (*TOKEN, 422, 503), None, (LIMIT,)
    ),
    "GET /metrics": Operation({TEXT: WORDS, OPEN_METRICS: WORDS, HTML: WORDS, JSON: SUMMARY}, TOKEN),
    "GET /prometheus": Operation({TEXT: WORDS, OPEN_METRICS: WORDS}, TOKEN),
    "POST /predict": Operation({JSON: {"anyOf": [ref("Answer"), ANSWERS]}}, (*BODY, 409), "Payments", (EXTRA, EXPLAIN)),
    "POST /feedback": Operation({JSON: LABELLED}, (*BODY, 404), "Feedback", (ACTUAL,)),
    "POST /invocations": Operation({JSON: SCORED}, (*BODY, 409), "Invocation"),
    "POST /reload-model": Operation({JSON: RELOADED}, (*TOKEN, 403, 409), admin=True),
}


def describe(contract: Contract, meanings: Mapping[str, str], most_rows: int) -> Json:
    """Return the description of the routes that `meanings` tells in a sentence each, named as in OPERATIONS."""
    paths: Json = {}
    for name, meaning in meanings.items():
        method, _, path = name.partition(" ")
        paths.setdefault(path, {})[method.lower()] = _operation(name, meaning, OPERATIONS[name], contract)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Fraud: {contract.schema.name}",
            "version": contract.training_md5,
            "description": "It tells how likely a payment is fraud, and writes down every answer it gives.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(contract, most_rows),
            "responses": {str(status): _refusal(status, meaning) for status, meaning in REFUSALS.items()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(name: str, told: str, operation: Operation, contract: Contract) -> Json:
    found: Json = {"summary": told, "operationId": "-".join(name.lower().replace("/", " ").split()), "security": []}
    if 401 in operation.refusals:
        found["security"] = [{"bearer": ["admin"] if operation.admin else []}]
    if operation.parameters:
        found["parameters"] = list(operation.parameters)
    if operation.body:
        content = {"schema": ref(operation.body), "examples": _examples(operation.body, contract)}
        found["requestBody"] = {"required": True, "content": {JSON: content}}
    answers = [(200, "As asked.", operation.answer), *([operation.other] if operation.other else [])]
    found["responses"] = {str(status): _answer(meaning, answer) for status, meaning, answer in answers}
    found["responses"] |= {str(status): ref(str(status), "responses") for status in sorted(operation.refusals)}
    return found


def _answer(meaning: str, answer: Json) -> Json:
    return {"description": meaning, "content": {media: {"schema": schema} for media, schema in answer.items()}}


def _refusal(status: int, meaning: str) -> Json:
    headers = {name: {"schema": WORDS} for name in HEADERS.get(status, [])}
    example = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": meaning}
    return {
        "description": meaning,
        "headers": headers,
        "content": {TYPE: {"schema": ref("Problem"), "example": example}},
    }


def _schemas(contract: Contract, most_rows: int) -> Json:
    """Return the schemas by name; a payment's come from the contract."""
    template = REF.format(kind="schemas", name="{name}")
    _, answers = msgspec.json.schema_components([Answer, Prediction, Contract], ref_template=template)
    payment = _payment(contract)
    lists = f"Values without names, in this order: {', '.join(contract.features)}"
    time = contract.schema.time
    return answers | {
        "Problem": record(type=WORDS, title=WORDS, status=COUNT, detail=WORDS),
        "Payment": payment | ALONE,
        "LoosePayment": payment | {"description": "What else it holds is ignored."},
        "Row": {"anyOf": _rows(contract), "description": f"{lists}{f'; with {time} or without' if time else ''}."},
        "Payments": {
            "anyOf": [ref("Payment"), *(record(data=many(ref(name))) | ALONE for name in ("Payment", "Row"))],
            "description": f"One payment, or {most_rows} at most.",
        },
        "Feedback": {
            "anyOf": [*(record(**{name: NAME}, actual_label=LABEL) | ALONE for name in NAMES), ref("LoosePayment")]
        },
        "Invocation": _invocation(contract),
    }


def _invocation(contract: Contract) -> Json:
    """Return the schema of MLflow's four forms."""
    kinds = {name: _kind(column) for name, column in contract.schema.features.items()}
    split = record(columns={"const": contract.features}, data=many(_list([*kinds.values()])))
    one = _payment(contract, lambda kind: {"anyOf": [kind, many(kind) | {"minItems": 1, "maxItems": 1}]})
    others = {"type": ["number", "string", "boolean", "null", "object"]}
    by_column = one | {
        "additionalProperties": others,
        "description": "Columns by name: lists of equal length, or single values.",
    }
    either = {"anyOf": [many({"anyOf": [ref("LoosePayment"), ref("Row")]}), by_column]}
    forms = {
        "dataframe_records": many(ref("LoosePayment")),
        "dataframe_split": split,
        "instances": either,
        "inputs": either,
    }
    return {"oneOf": [record(**{form: schema}) for form, schema in forms.items()]}


def _payment(contract: Contract, given: Callable[[Json], Json] = lambda kind: kind) -> Json:
    """Return the schema of a payment by name; `given` says in which form a value comes."""
    columns = contract.schema.features
    properties = {name: given(_kind(column)) for name, column in columns.items()}
    properties |= dict.fromkeys(companions(contract.schema), given(BESIDE))
    properties["transaction_id"] = given(NAME | {"description": "The same payment under it gets the same answer."})
    needed = [name for name, column in columns.items() if not column.missing]
    return {"type": "object", "properties": properties, "required": needed}


def _rows(contract: Contract) -> list[Json]:
    """Return the schemas of a payment without names: without the time, and with it."""
    columns = contract.schema.columns.values()
    kinds = [(column.role, BESIDE if column.role == "time" else _kind(column)) for column in columns]
    short, long = ([kind for role, kind in kinds if role in roles] for roles in (("feature",), ("feature", "time")))
    return [_list(short), *([_list(long)] if contract.schema.time else [])]


def _list(kinds: list[Json]) -> Json:
    return {"type": "array", "prefixItems": kinds, "minItems": len(kinds), "maxItems": len(kinds), "items": False}


def _kind(column: Column) -> Json:
    """Return the schema of the values of a column."""
    if column.categories:
        numbers = [int(name) for name in map(str, column.categories) if name.isdecimal() and str(int(name)) == name]
        return {"enum": [*column.categories, *numbers, *([None] if column.missing else [])]}
    kind = "integer" if column.type == "integer" else "number"
    low, high = -math.inf if column.min is None else column.min, math.inf if column.max is None else column.max
    limits = {"minimum": max(-LARGEST, low), "maximum": min(LARGEST, high)}
    return {"type": [kind, "null"] if column.missing else kind, **limits}


def example(contract: Contract) -> Json:
    """Return a payment that is ordinary in everything, in few digits."""
    columns = contract.schema.features.items()
    return {name: _shown(column, value) for (name, column), value in zip(columns, ordinary(contract), strict=True)}


def _shown(column: Column, value: float) -> Any:
    if math.isnan(value):
        return None
    if column.categories:
        return column.categories[int(value)]
    return int(value) if column.type == "integer" else float(f"{value:.4g}")


def _examples(body: str, contract: Contract) -> Json:
    """Return bodies by what they are."""
    payment = example(contract)
    values = list(payment.values())
    found: Json = {
        "Payments": {"one": payment, "objects": {"data": [payment, payment]}, "lists": {"data": [values, values]}},
        "Feedback": {"transaction": {"transaction_id": "order-1234", "actual_label": True}},
        "Invocation": {
            "records": {"dataframe_records": [payment]},
            "split": {"dataframe_split": {"columns": contract.features, "data": [values]}},
        },
    }
    return {name: {"value": value} for name, value in found[body].items()}
