"""What a Pushgateway is told of a run: weeks, model and drift; the gate's verdict; when the run ended, and how."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fraud.errors import Problem
from fraud.loop.files import DRIFT, ESTIMATE, METRICS, RETRAIN, SPLIT
from fraud.loop.lockfile import model_here
from fraud.loop.tracing import lock_history
from fraud.params import FILE
from fraud.yamlfile import read_yaml

JOB = "fraud_retrain"
AVERAGE = "average_precision"
SUCCESS, FAILURE = "retrain_last_success_timestamp_seconds", "retrain_last_failure_timestamp_seconds"
LOOK, CANDIDATE = "retrain_last_look_timestamp_seconds", "retrain_last_candidate_timestamp_seconds"
Values = dict[str, float]  # By the value of the label, or by "" where there is no label.


class Meaning(NamedTuple):
    """What a gauge says, and the label that it has, if any."""

    sentence: str
    label: str | None = None


MEANINGS = {
    "model_accuracy": Meaning("Share of test rows that the model decides rightly."),
    "model_average_precision": Meaning("Average precision on the test rows."),
    "model_pinned_timestamp_seconds": Meaning("Since when main pins the model.", "md5"),
    "drift_detected": Meaning("Whether the current weeks have drifted (1) or not (0)."),
    "drift_score": Meaning("Distance of the current weeks, as a share of what fires.", "feature"),
    "retrain_weeks": Meaning("Weeks in each part of the window.", "part"),
    "week_average_precision": Meaning("Of the newest labelled week: estimated, with its band, and realised.", "kind"),
    "retrain_gate_verdict": Meaning("What the gate said of the last candidate.", "verdict"),
    LOOK: Meaning("When somebody last looked for new weeks."),
    CANDIDATE: Meaning("When the last candidate was judged."),
    SUCCESS: Meaning("When a run last succeeded, or a look that found nothing new."),
    FAILURE: Meaning("When a run last failed."),
}


def values(event: str) -> dict[str, Values]:
    """Return the gauges that an event changes; what the reports do not tell is left out."""
    told: Mapping[str, Mapping[str, float | None]]
    now = {"": time.time()}
    if event == "looked":
        told = {LOOK: now, **_looked()}
    elif event == "judged":
        told = {CANDIDATE: now, "retrain_gate_verdict": _verdict(_report(RETRAIN))}
    else:
        told = {SUCCESS: now, LOOK: now} if event == "success" else {FAILURE: now}
    known = {name: _known(found) for name, found in told.items()}
    return {name: found for name, found in known.items() if found}


def _looked() -> dict[str, Mapping[str, float | None]]:
    metrics, drift = _report(METRICS), _report(DRIFT)
    return {
        "model_accuracy": {"": accuracy(metrics)},
        "model_average_precision": {"": metrics.get(AVERAGE)},
        "model_pinned_timestamp_seconds": pinned_since(),
        "drift_detected": {"": drift.get("drift")},
        "drift_score": _scores(drift),
        "retrain_weeks": {part: len(held["batches"]) for part, held in _parts(_report(SPLIT)).items()},
        "week_average_precision": _newest(_report(ESTIMATE)),
    }


def _known(found: Mapping[str, float | None]) -> Values:
    return {label: float(value) for label, value in found.items() if value is not None}


def accuracy(metrics: dict[str, Any]) -> float | None:
    """Return the share of rows that were decided rightly: those that are neither a false alert nor a missed fraud."""
    try:
        alerts = round(metrics["alerts_per_1000"] * metrics["rows"] / 1000)
        caught = round((metrics["recall"] or 0) * metrics["frauds"])
        return 1 - (alerts + metrics["frauds"] - 2 * caught) / metrics["rows"]
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def pinned_since() -> Values:
    """Return by its md5 since when main pins the model that is here, as far as git's history tells."""
    try:
        history, md5 = lock_history.read(), model_here()
        spans = lock_history.pins(history, md5).spans
    except Problem:
        return {}
    return {md5: spans[-1].first.committed.timestamp()} if spans and not history.shallow else {}


def _scores(drift: dict[str, Any]) -> Values:
    """Return by feature the largest effect of a week as a share of its threshold."""
    found: Values = {}
    for one in drift.get("features", ()):
        found[one["name"]] = max(found.get(one["name"], 0.0), one["effect"] / one["threshold"])
    return found


def _parts(split: dict[str, Any]) -> dict[str, Any]:
    return {part: split[part] for part in ("train", "test", "current") if part in split}


def _newest(estimate: dict[str, Any]) -> Mapping[str, float | None]:
    known = [week for week in estimate.get("weeks", ()) if week["realised"][AVERAGE] is not None]
    if not known:
        return {}
    value, low, high = known[-1]["estimated"][AVERAGE]
    return {"estimated": value, "low": low, "high": high, "realised": known[-1]["realised"][AVERAGE]}


def _verdict(retrain: dict[str, Any]) -> Values:
    return {retrain["gate"]["verdict"]: 1} if "gate" in retrain else {}


def _report(path: str) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def push(gateway: str, event: str) -> str:
    """Add what an event changes to what is there.

    What main's model and the newest weeks look like is told before anything is trained: later the reports are those of
    a candidate, with a window that has no weeks after it.
    """
    from prometheus_client import CollectorRegistry, Gauge, pushadd_to_gateway  # noqa: PLC0415  # not the pipeline's

    registry = CollectorRegistry()
    for name, found in values(event).items():
        sentence, label = MEANINGS[name]
        gauge = Gauge(name, sentence, [label] if label else [], registry=registry)
        for word, value in found.items():
            (gauge.labels(word) if label else gauge).set(value)
    # No instance: each run of CI has another host, and would leave its gauges behind for ever.
    pushadd_to_gateway(gateway, JOB, registry, {"dataset": read_yaml(FILE)["dataset"]})
    return ""
