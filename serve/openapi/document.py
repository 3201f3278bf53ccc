"""The API as OpenAPI 3.1: what callers send comes from the contract, what they get from the types of the answers."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from fraud.contract import Contract
from serve.answers import Answer
from serve.openapi.bodies import bodies, examples
from serve.openapi.operations import JSON, OPERATIONS, Operation
from serve.openapi.words import COUNT, REF, WORDS, Json, record, ref
from serve.problems import TYPE
from serve.routes.predictions import Prediction

REFUSALS = {
    400: "the body is no JSON",
    401: "no token, or one that is not known",
    403: "a token that may not do this",
    404: "nothing has this name",
    409: "it contradicts what is there, which stays as it is",
    413: "too large, or too many rows",
    415: "the content type is not application/json",
    422: "a value does not fit; the sentence names row and field",
    429: "too many requests, or too many whose bodies are still coming; Retry-After says when to come again",
    503: "it cannot be logged, or looked up in the log, now; Retry-After says when to come again",
}
HEADERS = {401: ["WWW-Authenticate"], 403: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}


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
        content = {"schema": ref(operation.body), "examples": examples(operation.body, contract)}
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
    template = REF.format(kind="schemas", name="{name}")
    _, answers = msgspec.json.schema_components([Answer, Prediction, Contract], ref_template=template)
    problem = record(type=WORDS, title=WORDS, status=COUNT, detail=WORDS)
    return answers | {"Problem": problem} | bodies(contract, most_rows)
