"""Slices: the parts of the rows in which the model does better or worse, and whether chance may explain it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from examples import COST, MIXED, NUMBERS, payments
from fraud.loop.metrics import sentence
from fraud.metrics import Scored, scored
from fraud.outputs import write_json
from fraud.schema import Column, Schema
from fraud.slices import METRICS, Cut, cuts, slices

HOURS = Schema(
    "hours",
    {
        "hour": Column(role="feature", type="integer", min=0, max=23),
        "weekday": Column(role="feature", type="integer", min=0, max=6, missing=True),
        "year": Column(role="feature", type="integer", min=1900, max=2100),
        "fraud": Column(role="label", type="integer"),
    },
)
DATED = Schema("dated", {"at": Column(role="time", type="date"), "fraud": Column(role="label", type="integer")})


def shown(cut: Cut) -> list[str]:
    return [cut.names[place] if place >= 0 else "missing" for place in cut.place]


def rows(good: int, bad: int, frauds: int = 40) -> tuple[Scored, Cut]:
    """Return rows of two shops: in the first the model finds every fraud, in the second it guesses."""
    rng = np.random.default_rng(7)
    shop = np.repeat([0, 1], [good, bad])
    fraud = np.concatenate([np.arange(size) < frauds for size in (good, bad)]).astype(np.int64)
    guess = np.round(rng.random(good + bad), 6) / 2
    probability = np.where(shop == 0, guess / 10 + 0.9 * fraud, guess)
    return scored(probability, fraud, 50 * fraud.astype(float), 0.4, COST), Cut("shop", ["web", "till"], shop)


def found(good: int, bad: int, frauds: int = 40) -> dict[str, Any]:
    scores, cut = rows(good, bad, frauds)
    return slices(scores, [cut], 200, 7)


def test_amounts_are_cut_into_quarters_of_the_rows() -> None:
    (amount, *_) = cuts({"amount": [1.0, 2, 3, 4, 5, 6, 7, 8], "seconds": [0.0] * 8}, NUMBERS)
    assert amount.names == ["up to 2", "2 to 4", "4 to 6", "above 6"]
    assert np.bincount(amount.place).tolist() == [2, 2, 2, 2]


def test_equal_and_missing_amounts_leave_fewer_slices() -> None:
    equal, _ = cuts({"amount": [5.0, 5, np.nan], "seconds": [1.0] * 3}, NUMBERS)
    assert shown(equal) == ["up to 5", "up to 5", "missing"]
    none, _ = cuts({"amount": [np.nan], "seconds": [1.0]}, NUMBERS)
    assert shown(none) == ["missing"]


def test_the_hour_of_day_comes_from_seconds_and_from_dates_that_have_one() -> None:
    _, hour = cuts({"amount": [1.0] * 4, "seconds": [0.0, 6 * 3600 - 1, 6 * 3600, 86_400 * 3 + 86_399]}, NUMBERS)
    assert shown(hour) == ["0 to 5", "0 to 5", "6 to 11", "18 to 23"]
    moments = pa.array([datetime(2026, 2, 16, 9, 30), None], pa.timestamp("us"))
    assert shown(cuts(pa.table({"at": moments}), DATED)[0]) == ["6 to 11", "missing"]
    assert cuts(pa.table({"at": pa.array([datetime(2026, 2, 16)], pa.timestamp("us"))}), DATED) == []


def test_whole_numbers_with_few_values_are_cut_by_value_or_into_four_bands() -> None:
    found = cuts(pa.table({"hour": [0, 7, 23], "weekday": [0, 6, None], "year": [2026] * 3}), HOURS)
    assert [(cut.by, len(cut.names)) for cut in found] == [("hour", 4), ("weekday", 7)]
    assert shown(found[0]) == ["0 to 5", "6 to 11", "18 to 23"]
    assert shown(found[1]) == ["0", "6", "missing"]


def test_each_value_of_a_category_is_a_slice_and_so_is_missing() -> None:
    table = payments(MIXED)
    shop = next(cut for cut in cuts(table, MIXED) if cut.by == "shop")
    assert shown(shop) == [value or "missing" for value in table["shop"].to_pylist()]


def test_every_row_is_in_one_slice_of_each_cut() -> None:
    table = payments(MIXED)
    labels = np.asarray(table["fraud"], dtype=np.int64)
    scores = scored(np.linspace(0, 1, len(labels)), labels, labels.astype(float), 0.5, COST)
    report = slices(scores, cuts(table, MIXED), 20, 7)["slices"]
    for by in ("shop", "country"):
        assert sum(one["rows"] for one in report if one["by"] == by) == len(labels)
        assert sum(one["frauds"] for one in report if one["by"] == by) == labels.sum()


def test_a_slice_that_is_worse_than_chance_explains_is_named() -> None:
    said = found(2000, 2000)["sentence"]
    assert said.startswith("the worst of 2 slices with 10 frauds or more is shop till: average precision 0.0")
    assert "chance does not explain it" in said


def test_slices_that_differ_by_noise_are_said_to_do_so() -> None:
    scores, _ = rows(2000, 2000)
    cut = Cut("coin", ["heads", "tails"], np.random.default_rng(7).integers(0, 2, 4000))
    assert "chance may explain it" in slices(scores, [cut], 200, 7)["sentence"]


def test_few_frauds_leave_the_metrics_of_a_slice_empty_with_the_reason(tmp_path: Path) -> None:
    report = found(2000, 2000, frauds=9)
    assert report["sentence"] == "no slice holds the 10 frauds that a comparison takes"
    for one in report["slices"]:
        assert one["reason"] == "fewer than 10 frauds, which say too little"
        assert [one[name] for name in METRICS] == [None] * 4
    write_json(tmp_path / "slices.json", report)
    assert "NaN" not in (tmp_path / "slices.json").read_text()
    assert json.loads((tmp_path / "slices.json").read_text()) == report


def test_a_slice_without_an_alert_has_no_precision_and_says_why() -> None:
    scores, cut = rows(2000, 2000)
    report = slices(scores._replace(threshold=0.6), [cut], 20, 7)["slices"]
    assert report[0]["precision"] == 1
    assert (report[1]["precision"], report[1]["recall"]) == (None, 0)
    assert report[1]["reason"] == "no payment gets an alert, so that there is no precision"


@pytest.mark.parametrize("frauds", [9, 40])
def test_make_metrics_names_the_worst_slice_and_the_currency(frauds: int) -> None:
    report = found(2000, 2000, frauds=frauds)
    assert sentence(report) == f"{report['sentence']}\nmoney is in euros; each slice: reports/slices.json"
