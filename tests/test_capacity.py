"""Capacity: what a team finds that reviews the likeliest payments of each day, and nothing more."""

from datetime import datetime

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from examples import COST, MIXED, NUMBERS
from fraud import params
from fraud.cost import Cost
from fraud.days import Days, days
from fraud.errors import Problem
from fraud.metrics import Scored, measure, report, scored
from fraud.schema import Column, Schema

DATED = Schema("dated", {"at": Column(role="time", type="date"), "fraud": Column(role="label", type="integer")})


def rows(capacity: int, when: Days, threshold: float = 0.5) -> Scored:
    rng = np.random.default_rng(7)
    fraud = (rng.random(len(when.period)) < 0.2).astype(np.int64)
    probability = np.round(np.clip(rng.random(len(fraud)) * 0.7 + 0.2 * fraud, 0, 1), 9)
    cost = msgspec.structs.replace(COST, daily_capacity=capacity)
    found = scored(probability, fraud, 10 * fraud.astype(float), threshold, cost)
    return found._replace(days=Days(when.period[found.places], when.length))


def by_hand(scores: Scored) -> tuple[float, float]:
    assert scores.days
    taken: list[int] = []
    for period in np.unique(scores.days.period):
        taken += np.flatnonzero(scores.days.period == period)[
            : scores.cost.daily_capacity * scores.days.length
        ].tolist()
    return scores.fraud[taken].sum() / scores.fraud.sum(), scores.fraud[taken].mean()


@pytest.mark.parametrize("capacity", [1, 5, 1000])
@pytest.mark.parametrize("length", [1, 7])
def test_the_likeliest_payments_of_each_day_are_reviewed(capacity: int, length: int) -> None:
    scores = rows(capacity, Days(np.random.default_rng(1).integers(0, 5, 300), length))
    found = measure(scores, np.ones((1, 300)))
    recall, precision = by_hand(scores)
    assert found["recall_within_capacity"][0] == pytest.approx(recall)
    assert found["precision_at_capacity"][0] == pytest.approx(precision)
    assert found["alerts_per_day"][0] == pytest.approx(scores.alerts / (5 * length))


def test_a_row_that_weighs_twice_takes_two_reviews() -> None:
    scores, rng = rows(3, Days(np.zeros(50, dtype=np.int64), 1)), np.random.default_rng(3)
    weights = rng.integers(0, 3, (20, 50)).astype(float)
    for line, found in zip(weights, measure(scores, weights)["precision_at_capacity"], strict=True):
        assert found == pytest.approx(np.repeat(scores.fraud, line.astype(int))[:3].mean())


def test_a_capacity_for_every_payment_finds_every_fraud() -> None:
    found = report(rows(300, Days(np.zeros(300, dtype=np.int64), 1)), 50, 7)
    assert found["recall_within_capacity"] == 1
    assert found["recall_within_capacity_interval"] == [1, 1]


def test_rows_without_days_have_no_metrics_of_capacity() -> None:
    scores = rows(3, Days(np.zeros(50, dtype=np.int64), 1))._replace(days=None)
    assert "alerts_per_day" not in measure(scores, np.ones((1, 50)))


def test_a_day_is_counted_in_seconds_or_is_a_date_and_without_a_time_a_batch_is_a_week() -> None:
    numbers = pa.table({"seconds": [0.0, 86_399, 86_400, None, 200_000]})
    assert days(numbers, NUMBERS).period.tolist() == [0, 0, 1, 3, 2]
    moments = [datetime(2026, 2, 16, 23, 59), datetime(2026, 2, 17), None, datetime(2026, 2, 16)]
    assert days(pa.table({"at": pa.array(moments, pa.timestamp("us"))}), DATED).period.tolist() == [0, 1, 2, 0]
    batches = days(pa.table({"batch": ["2026-W08", "2026-W09", "2026-W08"]}), MIXED)
    assert (batches.period.tolist(), batches.length) == ([0, 1, 0], 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"daily_capacity": 0}, r"section 'cost': daily_capacity: expected `int` >= 1"),
        ({"currency": ""}, r"section 'cost': currency: expected `str` of length >= 1"),
        ({"daily_capacty": 5}, r"unknown key 'daily_capacty' \(did you mean 'daily_capacity'\?\)"),
    ],
)
def test_a_capacity_that_reviews_nothing_and_money_without_a_name_are_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(Problem, match=message):
        params.check("params.yaml, section 'cost'", msgspec.to_builtins(COST) | changes, Cost)
