"""The Postman collection: made from the OpenAPI, and as the API is now."""

import json
from pathlib import Path
from typing import Any

import pytest

from examples import ROOT
from fraud.operations.collection import VARIABLES, collection
from fraud.operations.postman import TARGET
from fraud.yamlfile import read_yaml
from serve.app import create_app
from servers import SCHEMAS, example, home

COLLECTION = json.loads((ROOT / TARGET).read_text())
DATASET = read_yaml(ROOT / "params.yaml")["dataset"]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if DATASET not in SCHEMAS:
        pytest.skip("the tests have no model of a data set of your own")
    root: Path = home(tmp_path_factory.mktemp("root"), example(DATASET))
    app = create_app({"REQUEST_LOG": f"sqlite:///{root}/other.db"}, root)
    return app.test_client().get("/openapi.json").json


def calls(made: Any) -> list[Any]:
    return [item for folder in made["item"] for item in folder["item"]]


def without_values(made: Any) -> Any:
    """Return a collection whose example payments have no values, as these are the medians of the training rows."""
    copy = json.loads(json.dumps(made))
    for call in calls(copy):
        if body := call["request"].get("body"):
            body["raw"] = blank(json.loads(body["raw"]))
    return copy


def blank(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: blank(one) for key, one in value.items()}
    return [blank(one) for one in value] if isinstance(value, list) else None


def test_the_collection_is_that_of_the_api_as_it_is(document: Any) -> None:
    assert without_values(COLLECTION) == without_values(collection(document)), "run `make postman`"


def test_every_operation_but_the_files_of_pages_is_asked_for(document: Any) -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
        if "{" not in path
    }
    answers, _ = collection(document)["item"]
    assert {call["name"].partition(":")[0] for call in answers["item"]} == described


def test_another_field_of_a_payment_makes_it_stale(document: Any) -> None:
    examples = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    changed = json.loads(json.dumps(document))
    path = changed["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    path["one"]["value"] = {**examples["one"]["value"], "another": 1}
    assert without_values(collection(changed)) != without_values(collection(document))


def test_no_token_and_no_address_but_that_of_this_machine_is_kept() -> None:
    kept = {variable["key"]: variable["value"] for variable in COLLECTION["variable"]}
    assert kept == {"address": "http://127.0.0.1:8000"} | dict.fromkeys(VARIABLES.keys() - {"address"}, "")
    for call in calls(COLLECTION):
        assert call["request"]["url"]["raw"].startswith("{{address}}/")
        tokens = [one["value"] for one in call["request"]["auth"].get("bearer", [])]
        assert set(tokens) <= {"{{token}}", "{{admin_token}}"}
