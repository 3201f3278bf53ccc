"""What the server measures: for Prometheus, for people, for programs."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from serve.measures.metrics import gauge, gauges
from serve.measures.watch import Seen
from serve.parts import Parts, admitted, answered, parts
from serve.routes.health import lineage
from serve.routes.pages import page

routes = Blueprint("metrics", __name__)
PROXIES = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via")  # One of this machine adds one of them at least.
TEXT, OPEN_METRICS, HTML, JSON = "text/plain", "application/openmetrics-text", "text/html", "application/json"


@routes.get("/prometheus")
def prometheus() -> Response:
    """Return all metrics as Prometheus reads them."""
    _admitted()
    try:
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
    except (TypeError, ValueError):  # Of a version that is no number.
        encode, kind = choose_encoder("")
    return Response(encode(_Page(parts())), content_type=kind)


@routes.get("/metrics")
def metrics() -> Response:
    """Return the metrics to a scraper, a page to a browser, and a summary as JSON to who asks for that."""
    wanted = request.accept_mimetypes.best_match([TEXT, OPEN_METRICS, HTML, JSON], TEXT)
    if wanted == HTML:
        return page("metrics.html")  # It holds no numbers: its script asks for them with the reader's token.
    if wanted != JSON:
        return prometheus()
    _admitted()
    return answered(summary(parts()))


def _admitted() -> None:
    """Let in who has a token, and, where the setting says so, who asks from this machine."""
    passed_on = any(name in request.headers for name in PROXIES)
    loopback = request.remote_addr in ("127.0.0.1", "::1") and not passed_on
    if not (loopback and parts().settings.metrics_open == "loopback"):
        admitted()


def summary(here: Parts) -> dict[str, Any]:
    """Return the numbers that a person asks for first."""
    seen = here.watch.now()
    counted = {metric.name: _plain(metric) for metric in here.metrics.families() if metric.type == "counter"}
    drift = seen.drift
    return {
        **lineage(here.models.current()),
        "counters": counted,
        "latency_seconds": here.metrics.latencies(),
        "last_hour": {"answers": seen.answers, "frauds": seen.frauds, "fraud_rate": seen.fraud_rate},
        "feedback": {**seen.outcomes._asdict(), **seen.quality, "disputed": seen.disputed},
        "drift": None if drift is None else {**drift._asdict(), "window_seconds": seen.window},
        "log": {"state": here.log.state(), "pending": here.log.pending()},
    }


def _plain(metric: Metric) -> Any:
    found = {",".join(sample.labels.values()): sample.value for sample in metric.samples}
    return found.get("", found)


class _Page:
    """All metrics of the moment, as prometheus_client asks a registry for them."""

    def __init__(self, here: Parts) -> None:
        self._here = here

    def collect(self) -> Iterator[Metric]:
        """Return counters, gauges, and what the processes use."""
        yield from self._here.metrics.families()
        yield from _gauges(self._here, self._here.watch.now())
        yield from _processes(self._here)
        python = CollectorRegistry()
        PlatformCollector(python)
        yield from python.collect()


def _gauges(here: Parts, seen: Seen) -> Iterator[Metric]:
    served = here.models.current()
    info = {"md5": served.pin.md5, "dataset": served.model.contract.schema.name, "git_rev": served.pin.git_rev or ""}
    yield InfoMetricFamily("model", "The model that is served.", info)
    yield gauge("model_loaded_timestamp_seconds", "Since when it is served.", served.since)
    yield gauge("request_log_pending", "Answers that wait to be written to the database.", here.log.pending())
    yield gauge("fraud_rate", "Share of the last hour's answers that said fraud.", seen.fraud_rate)
    trained_on = served.model.contract
    share = trained_on.training_frauds / trained_on.training_rows
    yield gauge("training_fraud_rate", "Share of the training rows that were fraud.", share)
    outcomes = {name: float(count) for name, count in seen.outcomes._asdict().items()}
    yield gauges("labelled_answers", "Answers with a label, of the newest 10,000, by outcome.", "outcome", outcomes)
    for name, value in seen.quality.items():
        yield gauge(f"model_{name}", f"The {name} of answers that got a label, of the newest 10,000.", value)
    yield gauge("feedback_disputed", "Answers whose labels contradict each other, by the newest 10,000.", seen.disputed)
    scores = seen.drift.scores if seen.drift else {}
    yield gauges("drift_score", "Distance from the training rows, as a share of what fires.", "feature", scores)
    yield gauge("drift_window_seconds", "From the oldest row that drift looks at until now.", seen.window)
    detected = seen.drift is not None and seen.drift.detected
    yield gauge("drift_detected", "Whether the served payments have drifted.", float(detected))


def _processes(here: Parts) -> Iterator[Metric]:
    """Return what each worker uses, by its number."""
    found: dict[str, Metric] = {}
    for pid in sorted({name.partition("-")[0] for name in here.workers.alive()}):
        for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
            family = found.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            for sample in metric.samples:
                family.add_sample(sample.name, {"pid": pid, **sample.labels}, sample.value)
    yield from found.values()
