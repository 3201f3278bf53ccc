"""MLflow's scoring protocol, so that its clients work unchanged."""

from typing import Any

from flask import Blueprint, Response, request

from serve.answers import Answer
from serve.edge import STARTED
from serve.misfits import Named, misfit, once
from serve.parts import admitted, answered, body, scoring
from serve.payload import Reader
from serve.problems import Refusal

routes = Blueprint("mlflow", __name__)
PROTOCOL = "3.17.2"  # The version of MLflow whose protocol this is.
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


@routes.get("/ping")
def ping() -> Response:
    """Say that the server answers."""
    return Response("\n", mimetype="text/plain")


@routes.get("/version")
def version() -> Response:
    """Return the version of MLflow whose clients are understood."""
    return Response(PROTOCOL, mimetype="text/plain")


@routes.post("/invocations")
def invocations() -> Response:
    """Answer payments in any of MLflow's four forms, one prediction a row."""
    admitted()
    here = scoring()
    reader = here.served.reader
    checked = reader.slowly(Named(data=_rows(reader, _document(reader))), "ignore")
    return answered(
        {"predictions": [_prediction(answer) for answer in here.answers(checked, request.environ[STARTED])]}
    )


def _prediction(answer: Answer) -> dict[str, Any]:
    return {"id": answer.id, "fraud_probability": answer.fraud_probability, "is_fraud": answer.is_fraud}


def _document(reader: Reader) -> Named:
    found = reader.parse(body())
    if not isinstance(found, Named):
        raise Refusal(422, f"expected an object with one of {', '.join(FORMS)}")
    once(found)
    return found


def _rows(reader: Reader, document: Named) -> list[Any]:
    """Return the rows as objects by name, or as lists in the order of the contract."""
    forms = [form for form in FORMS if form in document]
    if len(forms) != 1:
        raise Refusal(422, f"found {', '.join(forms) or 'none'} of {', '.join(FORMS)}, expected one of them")
    form, found = forms[0], document[forms[0]]
    if form == "dataframe_split":
        return _split(reader, found)
    if form != "dataframe_records" and isinstance(found, Named):
        return _by_column(reader, form, found)
    if not isinstance(found, list):
        raise Refusal(422, f"field '{form}' is no list of rows", field=form)
    return found


def _split(reader: Reader, found: Any) -> list[Any]:
    columns, rows = (found.get("columns"), found.get("data")) if isinstance(found, Named) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise misfit(None, "dataframe_split", "needs `columns` and `data`, both lists")
    once(found)
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) < len(columns):
        raise misfit(None, "dataframe_split", "has `columns` that are no names, or one of them twice")
    for place, row in enumerate(reader.limited(rows)):
        if not isinstance(row, list) or len(row) != len(columns):
            raise Refusal(422, f"dataframe_split.data[{place}] has not one value a column", row=place)
    return [Named(zip(columns, row, strict=True)) for row in rows]


def _by_column(reader: Reader, form: str, found: Named) -> list[Any]:
    """Turn columns by name into rows; a column that is no list is one row."""
    once(found)
    columns = {name: values if isinstance(values, list) else [values] for name, values in found.items()}
    if len({len(values) for values in columns.values()}) != 1:
        raise misfit(None, form, f"has {'columns of different lengths' if columns else 'no columns'}")
    for values in columns.values():
        reader.limited(values)
    return [Named(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
