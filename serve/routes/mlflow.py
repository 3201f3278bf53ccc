"""MLflow's scoring protocol, so that its clients work unchanged."""

from typing import Any

from flask import Blueprint, Response, request

from serve.answers import Answer
from serve.edge import STARTED
from serve.misfits import Named, parse
from serve.parts import admitted, answered, body, scoring
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
    checked = here.served.reader.slowly(Named(data=_rows(_document())), "ignore")
    return answered(
        {"predictions": [_prediction(answer) for answer in here.answers(checked, request.environ[STARTED])]}
    )


def _prediction(answer: Answer) -> dict[str, Any]:
    return {"id": answer.id, "fraud_probability": answer.fraud_probability, "is_fraud": answer.is_fraud}


def _document() -> Named:
    found = parse(body())
    if not isinstance(found, Named):
        raise Refusal(422, f"expected an object with one of {', '.join(FORMS)}")
    return found


def _rows(document: Named) -> list[Any]:
    """Return the rows as objects by name, or as lists in the order of the contract."""
    forms = [form for form in FORMS if form in document]
    if len(forms) != 1:
        raise Refusal(422, f"found {', '.join(forms) or 'none'} of {', '.join(FORMS)}, expected one of them")
    form, found = forms[0], document[forms[0]]
    if form == "dataframe_split":
        return _split(found)
    if form != "dataframe_records" and isinstance(found, Named):
        return _by_column(form, found)
    if not isinstance(found, list):
        raise Refusal(422, f"field '{form}' is no list of rows", field=form)
    return found


def _split(found: Any) -> list[Any]:
    columns, rows = (found.get("columns"), found.get("data")) if isinstance(found, Named) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise Refusal(422, "field 'dataframe_split' needs `columns` and `data`, both lists", field="dataframe_split")
    for place, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise Refusal(422, f"dataframe_split.data[{place}] has not one value a column", row=place)
    return [Named(zip(map(str, columns), row, strict=True)) for row in rows]


def _by_column(form: str, found: Named) -> list[Any]:
    """Turn columns by name into rows; a column that is no list is one row."""
    columns = {name: values if isinstance(values, list) else [values] for name, values in found.items()}
    if len({len(values) for values in columns.values()}) != 1:
        what = "columns of different lengths" if columns else "no columns"
        raise Refusal(422, f"field '{form}' has {what}", field=form)
    return [Named(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
