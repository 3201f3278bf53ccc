"""What a Pushgateway is told of a run: how good the model is, whether there is drift, when a run last succeeded."""

import json
from pathlib import Path
from typing import Any

from fraud.loop.files import DRIFT, METRICS
from fraud.params import FILE
from fraud.yamlfile import read_yaml

JOB = "fraud_retrain"
MEANINGS = {
    "model_accuracy": "Share of test rows that the model decides rightly.",
    "model_average_precision": "Average precision on the test rows.",
    "drift_detected": "Whether the current weeks have drifted (1) or not (0).",
}
SUCCESS = "retrain_last_success_timestamp_seconds"


def values() -> dict[str, float]:
    """Return the gauges that the reports tell; what they do not tell is left out."""
    metrics, drift = _report(METRICS), _report(DRIFT)
    told = {
        "model_accuracy": accuracy(metrics),
        "model_average_precision": metrics.get("average_precision"),
        "drift_detected": drift.get("drift"),
    }
    return {name: float(value) for name, value in told.items() if value is not None}


def accuracy(metrics: dict[str, Any]) -> float | None:
    """Return the share of rows that were decided rightly: those that are neither a false alert nor a missed fraud."""
    try:
        alerts = round(metrics["alerts_per_1000"] * metrics["rows"] / 1000)
        caught = round((metrics["recall"] or 0) * metrics["frauds"])
        return 1 - (alerts + metrics["frauds"] - 2 * caught) / metrics["rows"]
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def _report(path: str) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def push(gateway: str, succeeded: bool) -> str:
    """Add what main's model and the newest weeks look like to what is there, or once that is done, the time.

    By then the reports may be those of a candidate, with a window that has no weeks after it.
    """
    from prometheus_client import CollectorRegistry, Gauge, pushadd_to_gateway  # noqa: PLC0415  # not the pipeline's

    registry = CollectorRegistry()
    for name, value in ({} if succeeded else values()).items():
        Gauge(name, MEANINGS[name], registry=registry).set(value)
    if succeeded:
        Gauge(SUCCESS, "When a run last succeeded.", registry=registry).set_to_current_time()
    # No instance: each run of CI has another host, and would leave its gauges behind for ever.
    pushadd_to_gateway(gateway, JOB, registry, {"dataset": read_yaml(FILE)["dataset"]})
    return ""
