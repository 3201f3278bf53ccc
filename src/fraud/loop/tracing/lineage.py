"""What a commit says of the model that it pins: batches, params, metrics, drift, gate."""

import json
from typing import Any

from fraud.loop.files import DRIFT, INGESTED, LOCK, METRICS, RETRAIN, SPLIT
from fraud.loop.git import shown
from fraud.loop.lockfile import stages
from fraud.loop.storing.stored import batches_of
from fraud.loop.tracing.lock_history import Commit

SUFFIX = "_interval"


def lineage(commit: Commit) -> dict[str, Any]:
    """Return it all; what the commit does not have is null."""
    ran = stages(shown(commit.revision, LOCK))
    split, metrics, drift = (_json(shown(commit.revision, path)) for path in (SPLIT, METRICS, DRIFT))
    gate = _gate(commit) or {}
    fired = gate.pop("before", {}).get("drift") or drift  # The commit's own report begins with the new window.
    return {
        "training": _training(split, ran),
        "params": _params(ran),
        "metrics": with_intervals(metrics),
        "drift": fired and {key: fired.get(key) for key in ("drift", "sentences", "alarms", "weeks")},
        "gate": gate or None,
    }


def _gate(commit: Commit) -> dict[str, Any] | None:
    """Return why and how it was judged; a report that the commit found there belongs to a model before."""
    before = shown(commit.parents[0], RETRAIN) if commit.parents else ""
    now = shown(commit.revision, RETRAIN)
    return _json(now) if now != before else None


def _json(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _params(ran: dict[str, Any]) -> dict[str, Any]:
    """Return the sections of params.yaml as the stages ran with them."""
    files = [file for stage in ran.values() for file in (stage.get("params") or {}).values()]
    return {name: value for file in files for name, value in file.items()}


def _training(split: dict[str, Any] | None, ran: dict[str, Any]) -> dict[str, Any] | None:
    """Return the batches that the model was trained on, with the md5s of the files as they came and as ingest wrote."""
    if not split or "train" not in split:
        return None
    ingest = ran.get("ingest") or {}
    written = next((out["md5"] for out in ingest.get("outs") or () if out["path"] == INGESTED), None)
    came = next((dep["md5"] for dep in ingest.get("deps") or () if str(dep.get("md5")).endswith(".dir")), None)
    ingested, delivered = batches_of(written), batches_of(came)
    batches = [
        {"batch": name, "delivered": delivered.get(name), "ingested": ingested.get(name)}
        for name in split["train"].get("batches") or ()
    ]
    return {"dataset": split.get("dataset"), "batches": batches} | {
        key: split["train"].get(key) for key in ("rows", "frauds")
    }


def with_intervals(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return each metric as its value and its interval, which is null where it has none."""
    if metrics is None:
        return None
    names = [name for name in metrics if not name.endswith(SUFFIX)]
    return {name: {"value": metrics[name], "interval": metrics.get(name + SUFFIX)} for name in names}
