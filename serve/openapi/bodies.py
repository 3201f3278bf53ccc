"""What callers send: schemas and examples, made from the contract of the model."""

from collections.abc import Callable

from fraud.contract import Contract
from fraud.schema import Column
from fraud.usual import payment
from serve.misfits import LONGEST_ID, companions, limits, orders
from serve.openapi.words import Json, many, record, ref

NAME: Json = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
BESIDE: Json = {"type": ["number", "string", "null"], "maxLength": LONGEST_ID, "description": "Kept, and not scored."}
LABEL: Json = {"enum": [True, False, 0, 1]}
ALONE: Json = {"additionalProperties": False}
NAMES = ("id", "transaction_id")  # By which feedback finds a prediction.


def bodies(contract: Contract, most_rows: int) -> Json:
    """Return the schemas of bodies and of their parts by name."""
    payment = _payment(contract)
    lists = f"Values without names, in this order: {', '.join(contract.features)}"
    time = contract.schema.time
    return {
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
    """Return the schemas of a payment without names."""
    features = contract.schema.features
    return [
        _list([_kind(features[name]) if name in features else BESIDE for name in names])
        for names in orders(contract.schema)
    ]


def _list(kinds: list[Json]) -> Json:
    return {"type": "array", "prefixItems": kinds, "minItems": len(kinds), "maxItems": len(kinds), "items": False}


def _kind(column: Column) -> Json:
    """Return the schema of the values of a column."""
    if column.categories:
        numbers = [int(name) for name in map(str, column.categories) if name.isdecimal() and str(int(name)) == name]
        return {"enum": [*column.categories, *numbers, *([None] if column.missing else [])]}
    kind = "integer" if column.type == "integer" else "number"
    low, high = limits(column)
    return {"type": [kind, "null"] if column.missing else kind, "minimum": low, "maximum": high}


def examples(body: str, contract: Contract) -> Json:
    """Return bodies of one kind by what they show."""
    usual = payment(contract)
    values = list(usual.values())
    found: Json = {
        "Payments": {"one": usual, "objects": {"data": [usual, usual]}, "lists": {"data": [values, values]}},
        "Feedback": {"transaction": {"transaction_id": "order-1234", "actual_label": True}},
        "Invocation": {
            "records": {"dataframe_records": [usual]},
            "split": {"dataframe_split": {"columns": contract.features, "data": [values]}},
        },
    }
    return {name: {"value": value} for name, value in found[body].items()}
