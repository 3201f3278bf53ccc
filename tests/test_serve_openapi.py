"""The description of the API: it names every route, fits the standard, and says of bodies what the server does."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from fraud.scoring import Model
from fraud.usual import payment
from serve.app import create_app
from serve.openapi.document import describe
from serve.openapi.operations import OPERATIONS
from servers import ADMIN, Live, home, running
from servers import example as served

DATASETS = ["creditcard", "payments"]
NAMES = {"creditcard": ["V1", "Amount"], "payments": ["amount", "previous_amount"]}


@pytest.fixture(scope="module", params=DATASETS)
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(home(tmp_path_factory.mktemp("root"), served(request.param)), WORKERS="1") as server:
        yield server


@pytest.fixture(scope="module")
def document(live: Live) -> Any:
    return live.get("/openapi.json", token=None).json


def resolved(document: Any, schema: Any) -> Any:
    """Return a schema that can be asked by itself."""
    return {**schema, "components": document["components"]}


def fits(document: Any, name: str, body: Any) -> bool:
    schema = resolved(document, {"$ref": f"#/components/schemas/{name}"})
    return jsonschema_rs.is_valid(schema, body)


def test_the_document_fits_openapi_3_1(document: Any) -> None:
    assert not list(OPENAPI_31_VALIDATOR.iter_errors(document))
    references = set(re.findall(r'"\$ref":"#/components/(\w+)/(\w+)"', msgspec.json.encode(document).decode()))
    assert references
    assert all(name in document["components"][kind] for kind, name in references)


def test_every_route_of_the_app_is_described_and_no_other(live: Live, document: Any) -> None:
    app = create_app({"REQUEST_LOG": f"sqlite:///{live.root}/other.db"}, live.root)
    rules = {
        f"{method} {rule.rule.replace('<', '{').replace('>', '}')}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {f"{method.upper()} {path}" for path, one in document["paths"].items() for method in one}
    assert described == rules == set(OPERATIONS)
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"].endswith(".")


def test_health_says_that_no_two_workers_serve_different_models(document: Any) -> None:
    assert "the same, as all change together or none" in document["paths"]["/health"]["get"]["summary"]


def test_what_is_said_of_tokens_holds(live: Live, document: Any) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            reply = live.ask(method.upper(), path, {} if method == "post" else None, token=None)
            assert (reply.status == 401) == bool(operation["security"]), (method, path)
            assert str(reply.status) in operation["responses"], (method, path)
            if {"bearer": ["admin"]} in operation["security"]:
                assert live.ask(method.upper(), path).status == 403


def test_each_example_is_accepted_and_fits_its_schema_as_does_its_answer(live: Live, document: Any) -> None:
    for path in "/predict", "/invocations", "/feedback":
        operation = document["paths"][path]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        answer = resolved(document, operation["responses"]["200"]["content"]["application/json"]["schema"])
        for one in content["examples"].values():
            assert jsonschema_rs.is_valid(resolved(document, content["schema"]), one["value"]), path
            reply = live.post(path, one["value"])
            assert reply.status == (404 if path == "/feedback" else 200)
            assert path == "/feedback" or jsonschema_rs.is_valid(answer, reply.json)


def test_every_answer_as_json_fits_its_schema(live: Live, document: Any) -> None:
    live.post("/predict?explain=3", served(live.get("/health").json["dataset"]).payments()[0])
    for path in "/health", "/ready", "/model", "/metrics", "/predictions", "/openapi.json":
        reply = live.get(path, headers={"Accept": "application/json"})
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema_rs.validate(resolved(document, schema), reply.json)
    schema = document["paths"]["/reload-model"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema_rs.validate(resolved(document, schema), live.post("/reload-model", token=ADMIN).json)


def test_what_the_schema_of_a_payment_refuses_the_server_refuses_too(live: Live, document: Any) -> None:
    good = payment(Model(served(live.get("/health").json["dataset"]).content).contract)
    changes: list[Any] = [None, -1, -1000, 1000.5, 1e15, 1e16, 2.5, "1", True, [], {}, "grocery", "", 0, 6, 7, 23, 24]
    for name in [*good, "transaction_id", "Time", "other"]:
        for value in changes:
            body = {**good, name: value}
            assert (live.post("/predict", body).status in (200, 409)) == fits(document, "Payments", body), (name, value)
    for name in good:
        body = {other: value for other, value in good.items() if other != name}
        assert (live.post("/predict", body).status == 200) == fits(document, "Payments", body), name


def test_what_the_schema_of_a_row_refuses_the_server_refuses_too(live: Live, document: Any) -> None:
    row = list(payment(Model(served(live.get("/health").json["dataset"]).content).contract).values())
    rows = [row, [None, *row], ["2026-02-16", *row], ["x" * 201, *row], [[], *row], row[:-1], [*row, 0], [], {}, 7]
    rows += [[*row[:place], "1", *row[place + 1 :]] for place in range(len(row))]
    for one in rows:
        body = {"data": [one]}
        assert (live.post("/predict", body).status == 200) == fits(document, "Payments", body), one


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_example_is_the_median_of_the_training_rows(dataset: str) -> None:
    contract = Model(served(dataset).content).contract
    usual = payment(contract)
    assert list(usual) == contract.features
    for name in NAMES[dataset]:
        profile = contract.profile[name]
        below = sum(count for count, edge in zip(profile.counts, profile.edges, strict=False) if edge <= usual[name])
        assert abs(below / sum(profile.counts) - 0.5) < 0.11
    if dataset == "payments":
        counts = contract.profile["merchant_category"].counts
        assert (
            usual["merchant_category"]
            == contract.schema.columns["merchant_category"].categories[counts.index(max(counts))]
        )


def test_limits_and_names_come_from_the_contract() -> None:
    contract = Model(served("payments").content).contract
    payment = describe(contract, {}, 7)["components"]["schemas"]["Payment"]
    assert payment["properties"]["hour"] == {"type": "integer", "minimum": 0, "maximum": 23}
    assert payment["properties"]["previous_amount"]["type"] == ["number", "null"]
    assert "grocery" in payment["properties"]["merchant_category"]["enum"]
    assert payment["required"] == ["amount", "hour", "day_of_week", "merchant_category"]
