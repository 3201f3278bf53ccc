"""POST /reload-model: serve what dvc.lock pins now."""

from flask import Blueprint, Response

from fraud.errors import Problem
from serve.parts import admitted, answered, parts
from serve.problems import Refusal
from serve.routes.health import lineage

routes = Blueprint("reload", __name__)


@routes.post("/reload-model")
def reload_model() -> Response:
    """Change all workers to the pinned model; on a problem the old one goes on, and the answer says why."""
    admitted(admin=True)
    here = parts()
    before = here.models.current().pin.md5
    try:
        served = here.models.reload()
    except Problem as problem:
        here.metrics.reloaded("refused")
        raise Refusal(409, f"the model stays as it is: {problem}", model=before) from None
    changed = served.pin.md5 != before
    here.metrics.reloaded("changed" if changed else "unchanged")
    return answered({"status": "reloaded", "changed": changed, "before": before, **lineage(served)})
