"""Make the Postman collection of the API: calls for its examples and refusals, each with tests of status and shape."""

import json
import re
from typing import Any, NamedTuple

Json = dict[str, Any]
FORM = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
JSON = "application/json"
VARIABLES = {
    "address": ("http://127.0.0.1:8000", "where the server is"),
    "token": ("", "one of API_TOKEN"),
    "admin_token": ("", "one of ADMIN_TOKEN"),
    "prediction": ("", "the id of the last answer; the tests set it"),
}
# A label needs a prediction that was made before.
FEEDBACK = {"id": "{{prediction}}", "actual_label": True}
KEEP = 'pm.collectionVariables.set("prediction", (pm.response.json().predictions || [pm.response.json()])[0].id);'
CALLER, ADMIN, NOBODY = "{{token}}", "{{admin_token}}", ""


class Call(NamedTuple):
    """A request of the collection, and what is expected of its answer."""

    name: str
    token: str
    status: int
    body: Any = None
    after: tuple[str, ...] = ()  # Lines of its test script.


def collection(document: Json) -> Json:
    """Return the collection of an OpenAPI document; files that belong to pages are left out."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "{" not in path
    ]
    folders = {"answers": _answers, "refusals": _refusals}
    items = [
        {
            "name": name,
            "item": [_item(document, one, call) for one in operations for call in calls(*one)],
        }
        for name, calls in folders.items()
    ]
    about = "Made from the OpenAPI by `make postman`. Set the variables token and admin_token before you run it."
    variables = [{"key": key, "value": value, "description": meaning} for key, (value, meaning) in VARIABLES.items()]
    info = {"name": document["info"]["title"], "description": about, "schema": FORM}
    return {"info": info, "item": items, "auth": _bearer(CALLER), "variable": variables}


def _answers(method: str, path: str, operation: Json) -> list[Call]:
    """Return the calls that are answered as asked: one for each example, or one without a body."""
    name, token = f"{method} {path}", _token(operation)
    after = (KEEP,) if path == "/predict" else ()
    if "requestBody" not in operation:
        return [Call(name, token, 200)]
    examples = operation["requestBody"]["content"][JSON]["examples"]
    bodies = {"label": FEEDBACK} if path == "/feedback" else {key: one["value"] for key, one in examples.items()}
    return [Call(f"{name}: {key}", token, 200, body, after) for key, body in bodies.items()]


def _refusals(method: str, path: str, operation: Json) -> list[Call]:
    """Return the calls that are refused: for their token, or for their body."""
    name, refused = f"{method} {path}", operation["responses"]
    body: Json | None = {} if "requestBody" in operation else None
    found = []
    if "401" in refused:
        found.append(Call(f"{name} without a token", NOBODY, 401, body))
    if "403" in refused:
        found.append(Call(f"{name} with a token that is no admin's", CALLER, 403, body))
    if "422" in refused and body is not None:
        found.append(Call(f"{name} with nothing in it", _token(operation), 422, body))
    return found


def _token(operation: Json) -> str:
    if not operation["security"]:
        return NOBODY
    return ADMIN if operation["security"] == [{"bearer": ["admin"]}] else CALLER


def _item(document: Json, operation: tuple[str, str, Json], call: Call) -> Json:
    method, path, told = operation
    answer = told["responses"][str(call.status)]
    media, schema = _expected(document, _resolved(document, answer)["content"])
    request: Json = {
        "method": method,
        "description": told["summary"],
        "header": [{"key": "Accept", "value": media}],
        "auth": _bearer(call.token) if call.token else {"type": "noauth"},
        "url": _url(path, told.get("parameters", [])),
    }
    if call.body is not None:
        request["header"].append({"key": "Content-Type", "value": JSON})
        request["body"] = {"mode": "raw", "raw": json.dumps(call.body, indent=2)}
    script = [*_tests(call.status, media, schema), *call.after]
    return {
        "name": call.name,
        "request": request,
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": script}}],
    }


def _bearer(token: str) -> Json:
    return {"type": "bearer", "bearer": [{"key": "token", "value": token, "type": "string"}]}


def _url(path: str, parameters: list[Json]) -> Json:
    """Return an address with all that may be asked beside it switched off."""
    query = [
        {"key": one["name"], "value": str(_first(one["schema"])), "description": one["description"], "disabled": True}
        for one in parameters
        if one["in"] == "query"
    ]
    return {"raw": "{{address}}" + path, "host": ["{{address}}"], "path": path[1:].split("/"), "query": query}


def _first(schema: Json) -> Any:
    return schema.get("default", schema.get("enum", [""])[0])


def _expected(document: Json, content: Json) -> tuple[str, Json | None]:
    """Return the media type to ask for, JSON where there is it, and its schema if it is JSON."""
    media = next((media for media in content if "json" in media), next(iter(content)))
    schema = content[media]["schema"]
    return media, {**schema, "components": {"schemas": _used(document, schema)}} if "json" in media else None


def _used(document: Json, schema: Json) -> Json:
    """Return the named schemas that one refers to, and those that these refer to."""
    found: Json = {}
    waiting = [schema]
    while waiting:
        for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(waiting.pop())):
            if name not in found:
                found[name] = document["components"]["schemas"][name]
                waiting.append(found[name])
    return found


def _resolved(document: Json, answer: Json) -> Json:
    name = answer.get("$ref", "").rpartition("/")[2]
    return dict(document["components"]["responses"][name] if name else answer)


def _tests(status: int, media: str, schema: Json | None) -> list[str]:
    lines = [
        f'pm.test("status {status}", () => pm.response.to.have.status({status}));',
        f'pm.test("{media}", () => pm.expect(pm.response.headers.get("Content-Type")).to.include("{media}"));',
    ]
    if schema:
        lines.append(f'pm.test("shape", () => pm.response.to.have.jsonSchema({json.dumps(schema, sort_keys=True)}));')
    return lines
