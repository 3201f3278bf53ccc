"""What Prometheus reads: counters of all workers together, and what the log says of the last days."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from fraud.features import Values
from serve.measures.counters import Counters
from serve.workers import Workers

LATENCIES = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]  # seconds
PROBABILITIES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0]
LABELS = ["legitimate", "fraud"]
CODES = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503]
RESULTS = ["changed", "unchanged", "refused"]
KEPT, LIMITED = "kept", "limited"  # What became of a label.
SIGNED = "jwt"  # All callers with JSON web tokens together: their names have no end, and the log has each.


class Histogram(NamedTuple):
    """Where a histogram lies among the counters: its buckets, the open one last, and then its sum."""

    start: int
    bounds: list[float]

    @property
    def end(self) -> int:
        """The place after it."""
        return self.start + len(self.bounds) + 2

    def one(self, value: float) -> dict[int, float]:
        """Return what one value adds."""
        return {self.start + bisect_left(self.bounds, value): 1, self.end - 1: value}

    def many(self, values: Values) -> dict[int, float]:
        """Return what many values add."""
        counts = np.bincount(np.searchsorted(self.bounds, values), minlength=len(self.bounds) + 1)
        return dict(enumerate(counts.tolist(), self.start)) | {self.end - 1: float(values.sum())}

    def family(self, name: str, meaning: str, totals: Values) -> Metric:
        """Return it as Prometheus has it: buckets that hold all below their bound."""
        bounds = [*map(str, self.bounds), "+Inf"]
        buckets = list(zip(bounds, self._upto(totals).tolist(), strict=True))
        return HistogramMetricFamily(name, meaning, buckets, sum_value=float(totals[self.end - 1]))

    def quantile(self, totals: Values, share: float) -> float | None:
        """Return the bound of the bucket in which a quantile lies, None where it is above all or nothing counted."""
        counts = self._upto(totals)
        place = int(np.searchsorted(counts, share * counts[-1])) if counts[-1] else len(self.bounds)
        return self.bounds[place] if place < len(self.bounds) else None

    def _upto(self, totals: Values) -> Values:
        return np.cumsum(totals[self.start : self.end - 1])


ANSWERS = 0
ERRORS = ANSWERS + len(LABELS)
RELOADS = ERRORS + len(CODES)
LATENCY = Histogram(RELOADS + len(RESULTS), LATENCIES)
PROBABILITY = Histogram(LATENCY.end, PROBABILITIES)
SINGLE = Histogram(PROBABILITY.end, LATENCIES)


class Metrics:
    """The counters of this server by name."""

    def __init__(self, run: Path, workers: Workers, callers: Sequence[str] = ()) -> None:
        """Start at 0 for this process; `callers` are those of whom each has its own count of labels."""
        kinds = [(source, result) for source in (*callers, SIGNED) for result in (KEPT, LIMITED)]
        self._labels = {kind: place for place, kind in enumerate(kinds, SINGLE.end)}
        self._counters = Counters(run, workers, SINGLE.end + len(kinds))
        self._folder = run

    def answered(self, probabilities: Values, frauds: int, seconds: float, payments: int) -> None:
        """Count one request and its new predictions, of which there are none where it repeats known transactions."""
        count = len(probabilities)
        seen = PROBABILITY.one(float(probabilities[0])) if count == 1 else PROBABILITY.many(probabilities)
        took = LATENCY.one(seconds) | (SINGLE.one(seconds) if payments == 1 else {})
        self._counters.add({ANSWERS: count - frauds, ANSWERS + 1: frauds, **took, **seen})

    def labelled(self, caller: str, result: str) -> None:
        """Count a label by who sent it."""
        place = self._labels.get((caller, result), self._labels[SIGNED, result])
        self._counters.add({place: 1})

    def refused(self, status: int) -> None:
        """Count an answer that is no success."""
        if status in CODES:
            self._counters.add({ERRORS + CODES.index(status): 1})

    def reloaded(self, result: str) -> None:
        """Count a reload by its result."""
        self._counters.add({RELOADS + RESULTS.index(result): 1})

    def latencies(self) -> dict[str, float | None]:
        """Return below how many seconds the answers to so many of a hundred requests lay."""
        totals = self._counters.totals()
        return {f"p{percent}": LATENCY.quantile(totals, percent / 100) for percent in (50, 95, 99)}

    def families(self) -> Iterator[Metric]:
        """Return the counters of all workers together."""
        totals = self._counters.totals()
        yield _counter("predictions", "Predictions, by what they said.", "label", LABELS, totals[ANSWERS:])
        yield CounterMetricFamily("fraud_predictions", "Predictions that said fraud.", value=float(totals[ANSWERS + 1]))
        yield _counter("errors", "Answers that were no success, by status.", "code", CODES, totals[ERRORS:])
        yield _counter("model_reloads", "Reloads of the model, by result.", "result", RESULTS, totals[RELOADS:])
        labels = CounterMetricFamily("feedback", "Labels, by who sent them.", labels=["source", "result"])
        for kind, place in self._labels.items():
            labels.add_metric(list(kind), float(totals[place]))
        yield labels
        yield PROBABILITY.family("fraud_probabilities", "Probabilities of fraud that were predicted.", totals)
        yield LATENCY.family("prediction_latency_seconds", "From a request's arrival to its answer.", totals)
        yield SINGLE.family("single_latency_seconds", "The same of requests with one payment.", totals)


def _counter(name: str, meaning: str, label: str, values: Iterable[object], counts: Values) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=[label])
    for value, count in zip(values, counts, strict=False):
        family.add_metric([str(value)], float(count))
    return family


def gauge(name: str, meaning: str, value: float | None) -> Metric:
    """Return a gauge, without a value where there is none."""
    family = GaugeMetricFamily(name, meaning)
    if value is not None:
        family.add_metric([], value)
    return family


def gauges(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a gauge with a value for each value of a label."""
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for one, value in values.items():
        family.add_metric([one], value)
    return family
