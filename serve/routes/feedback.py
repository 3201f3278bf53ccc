"""POST /feedback: what turned out to be true."""

from typing import Any

from flask import Blueprint, Response, request

from serve.answers import fingerprints
from serve.journal.tables import Row
from serve.measures.metrics import KEPT, LIMITED
from serve.misfits import LONGEST_ID, NAME, Named, misfit, once, parse
from serve.parts import admitted, answered, body, parts
from serve.problems import Refusal

routes = Blueprint("feedback", __name__)
KEYS = ("id", "transaction_id", "actual_label")
WORDS = {"true": True, "1": True, "false": False, "0": False}


@routes.post("/feedback")
def feedback() -> Response:
    """Keep the label of a prediction, which the body names by its id, by its transaction, or by its features."""
    caller, here = admitted(), parts()
    row, actual = _by_features() if "actual_label" in request.args else _by_name()
    try:
        here.feedback_rate.take(caller.name)
        here.log.feedback(row.id, actual, caller.name)
    except LookupError:
        raise Refusal(404, f"the prediction {row.id} is gone from the log (LOG_RETENTION_DAYS)") from None
    except Refusal:
        here.metrics.labelled(caller.name, LIMITED)
        raise
    here.metrics.labelled(caller.name, KEPT)
    return answered({"id": row.id, "actual_label": actual, "is_fraud": bool(row.label), "model": row.model})


def _by_name() -> tuple[Row, bool]:
    found = parse(body())
    if not isinstance(found, Named):
        raise Refusal(422, "expected an object with `actual_label`, and `id` or `transaction_id`")
    once(found)
    for key in found:
        if key not in KEYS:
            raise misfit(None, key, f"is not known; expected {', '.join(KEYS)}")
    actual = _label(found.get("actual_label"))
    names = {key: _text(found, key) for key in ("id", "transaction_id") if key in found}
    if len(names) != 1:
        raise Refusal(422, f"found {len(names)} of `id` and `transaction_id`, expected one of them")
    row = parts().log.queries.find(request_id=names.get("id"), transaction_id=names.get("transaction_id"))
    if row is None:
        ((key, value),) = names.items()
        raise Refusal(404, f"no prediction has the {key} '{value}'")
    return row, actual


def _by_features() -> tuple[Row, bool]:
    """Match a payment to the newest prediction of the same features."""
    word = request.args["actual_label"].lower()
    if word not in WORDS:
        raise Refusal(422, f"?actual_label is '{word}', expected true or false", field="actual_label")
    checked = parts().models.current().reader.read(body(), "ignore")
    if not checked.single:
        raise Refusal(422, "found a list, expected the features of one payment")
    row = parts().log.queries.find(fingerprint=fingerprints(checked.features)[0])
    if row is None:
        raise Refusal(404, "no prediction was made for these features")
    return row, WORDS[word]


def _label(value: Any) -> bool:
    if not isinstance(value, bool | float) or value not in (0, 1):
        sentence = "field 'actual_label' is missing or no label, expected true, false, 1 or 0"
        raise Refusal(422, sentence, field="actual_label")
    return bool(value)


def _text(found: Named, key: str) -> str:
    value = found[key]
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise Refusal(422, f"field '{key}' is no text of 1 to {LONGEST_ID} printable characters", field=key)
    return value
