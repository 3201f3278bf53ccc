"""Whether the server is alive, whether it is ready, and what it serves."""

import json
from pathlib import Path
from typing import Any

from flask import Blueprint, Response

from serve.model import Served
from serve.parts import admitted, answered, moment, parts, scoring

routes = Blueprint("health", __name__)
REPORTS = {"metrics": "reports/metrics.json", "drift": "reports/drift.json"}


@routes.get("/health")
def health() -> Response:
    """Say that the server is alive, and which model its workers serve: the same, as all change together or none."""
    models = parts().models
    served = models.current()
    workers = [{"pid": int(name.partition("-")[0]), "model": served.pin.md5} for name in sorted(models.votes())]
    return answered({"status": "alive", **lineage(served), "workers": workers})


@routes.get("/ready")
def ready() -> Response:
    """Say whether answers can be given: the model is loaded, and they can be logged, at worst in the spool."""
    here = parts()
    # Why it is away is in the log: a driver's words name files and hosts.
    state = "writable" if here.log.state() == "writable" else "away"
    log = {"state": state, "pending": here.log.pending()}
    able = here.log.takes_rows() or here.settings.allow_unlogged
    status = "not ready" if not able else "ready" if log["state"] == "writable" else "degraded"
    return answered({"status": status, **lineage(here.models.current()), "log": log}, 200 if able else 503)


@routes.get("/model")
def model() -> Response:
    """Return the contract of the model, and what the reports of its training say."""
    admitted()
    here, now = parts(), scoring()
    contract = now.served.model.contract
    reports = {name: found for name, path in REPORTS.items() if (found := _report(here.root / path)) is not None}
    return answered(
        {
            **lineage(now.served),
            "threshold": now.threshold,
            "threshold_of_the_contract": contract.threshold,
            "features": contract.features,
            "schema": contract.schema,
            "contract": contract,
            "reports": reports,
        }
    )


def lineage(served: Served) -> dict[str, Any]:
    """Return which model it is, and since when it is served."""
    return {
        "model": served.pin.md5,
        "git_rev": served.pin.git_rev,
        "dataset": served.model.contract.schema.name,
        "training_md5": served.model.contract.training_md5,
        "since": moment(served.since),
    }


def _report(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
