"""POST /predict: payments in, probabilities out."""

from flask import Blueprint, Response, request
from msgspec import UNSET

from serve.edge import STARTED
from serve.parts import admitted, answered, body, scoring
from serve.payload import Extra
from serve.problems import Refusal
from serve.reasons import reasons

routes = Blueprint("predict", __name__)


@routes.post("/predict")
def predict() -> Response:
    """Answer one payment, or a list of them."""
    admitted()
    environ = request.environ
    extra, explained = (_extra(), _explained()) if environ["QUERY_STRING"] else ("refuse", 0)
    here = scoring()
    checked = here.served.reader.read(body(), extra)
    found = reasons(here.served.model, checked.features, explained) if explained else []
    answers = here.answers(checked, environ[STARTED])
    for answer, why in zip(answers, found, strict=False):
        if answer.model == here.served.pin.md5:  # A stored answer may be another model's.
            answer.reasons = why
    if checked.single:
        return answered(answers[0])
    pinned = here.served.pin.md5
    for answer in answers:
        answer.model = UNSET if answer.model == pinned else answer.model
    return answered({"predictions": answers, "model": pinned})


def _extra() -> Extra:
    found = request.args.get("extra", "refuse")
    if found not in ("refuse", "ignore"):
        raise Refusal(422, f"?extra is '{found}', expected refuse or ignore", field="extra")
    return "ignore" if found == "ignore" else "refuse"


def _explained() -> int:
    found = request.args.get("explain", "0")
    if not (found.isascii() and found.isdigit() and len(found) < 5):
        raise Refusal(422, f"?explain is '{found}', expected the number of features to name", field="explain")
    return int(found)
