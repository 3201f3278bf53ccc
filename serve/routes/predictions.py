"""GET /predictions: the answers that were given last."""

import msgspec
from flask import Blueprint, Response, request

from serve.parts import admitted, answered, parts
from serve.problems import Refusal

routes = Blueprint("predictions", __name__)
MOST = 1000


class Prediction(msgspec.Struct):
    """An answer that was given, and what it turned out to be, if that is known."""

    id: str
    ts: str
    transaction_id: str | None
    fraud_probability: float
    is_fraud: bool
    threshold: float
    model: str
    actual_label: bool | None


@routes.get("/predictions")
def predictions() -> Response:
    """Return the answers that were given last, the newest first, with what they turned out to be."""
    admitted()
    queries = parts().log.queries
    rows = queries.newest(_limit())
    labels = queries.labels([row.id for row in rows])
    found = [
        Prediction(
            row.id,
            f"{row.ts.replace(' ', 'T')}Z",
            row.transaction_id,
            row.probability,
            bool(row.label),
            row.threshold,
            row.model,
            labels.get(row.id),
        )
        for row in rows
    ]
    answer = answered({"predictions": found})
    answer.cache_control.no_store = True
    return answer


def _limit() -> int:
    found = request.args.get("limit", "20")
    if not (found.isascii() and found.isdigit() and len(found) < 6 and 1 <= int(found) <= MOST):
        raise Refusal(422, f"?limit is '{found}', expected a whole number from 1 to {MOST}", field="limit")
    return int(found)
