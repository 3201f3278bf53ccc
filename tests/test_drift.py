"""Drift: exact statistics, and a rule that noise alone does not set off."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from examples import MIXED, NUMBERS
from fraud.drift_rule import Rule, _chi_square_quantile, chi_square, chi_square_distance, differences, ks_statistic
from fraud.features import Matrix
from fraud.schema import Column, Schema
from fraud.stages.drift import drift, verdict

RULE = Rule(min_effect=0.05, significance=0.01)
FEW = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 7.0]) | st.floats(-9, 9), min_size=2, max_size=40)
CODES = st.lists(st.integers(0, 5), min_size=1, max_size=60)
WIDE = Schema("wide", {f"v{place}": Column(role="feature", type="number") for place in range(30)})


@given(FEW, FEW)
def test_the_distance_of_numbers_is_exactly_that_of_scipy(reference: list[float], current: list[float]) -> None:
    expected = stats.ks_2samp(reference, current, method="asymp").statistic
    assert ks_statistic(np.array(reference), np.array(current)) == expected


@given(CODES, CODES)
def test_the_statistic_of_categories_is_that_of_scipy(reference: list[int], current: list[int]) -> None:
    table = np.array([np.bincount(sample, minlength=6) for sample in (reference, current)])
    expected = stats.chi2_contingency(table[:, table.any(axis=0)], correction=False)
    statistic, freedom = chi_square(table.astype(float))
    assert statistic == pytest.approx(expected.statistic, rel=1e-12, abs=1e-12)
    assert freedom == expected.dof


@pytest.mark.parametrize("freedom", [1, 2, 5, 12, 40])
@pytest.mark.parametrize("chance", [0.05, 0.01, 0.001])
def test_the_chi_square_quantile_is_near_that_of_scipy(freedom: int, chance: float) -> None:
    assert _chi_square_quantile(chance, freedom) == pytest.approx(stats.chi2.isf(chance, freedom), rel=0.03)


def normal(rows: int, seed: int, columns: int = 30) -> Matrix:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def test_fifty_thousand_ordinary_rows_with_a_little_jitter_do_not_fire() -> None:
    jitter = 0.02 * np.random.default_rng(3).normal(size=30)
    reference, current = normal(50_000, 1), normal(50_000, 2) + jitter
    found = drift(reference, current, WIDE, RULE)
    plain = [stats.ks_2samp(*columns).pvalue for columns in zip(reference.T, current.T, strict=True)]
    assert min(plain) < 0.01 / 30  # A plain test fires, even one that allows for 30 features.
    assert not any(difference.drifted for difference in found)


def test_noise_alone_seldom_fires_with_few_rows() -> None:
    fired = [
        any(one.drifted for one in drift(normal(60, 2 * k), normal(40, 2 * k + 1), WIDE, RULE)) for k in range(100)
    ]
    assert sum(fired) <= 4  # Of 100 at a chance of 0.01: more than 4 come up once in 300 times.


def test_one_shifted_feature_of_thirty_fires_and_comes_first() -> None:
    current = normal(10_000, 2)
    current[:, 17] += 0.25
    found = drift(normal(20_000, 1), current, WIDE, RULE)
    assert [one.feature for one in found if one.drifted] == ["v17"]
    assert found[0].feature == "v17"


def test_another_mix_of_categories_fires() -> None:
    rng = np.random.default_rng(7)
    reference, current = (
        np.column_stack(
            [rng.lognormal(size=n), rng.choice(3, n, p=mix), rng.integers(18, 80, n), rng.integers(0, 2, n)]
        )
        for n, mix in ((5000, [0.5, 0.3, 0.2]), (2000, [0.4, 0.3, 0.3]))
    )
    assert [one.feature for one in drift(reference, current, MIXED, RULE) if one.drifted] == ["shop"]


def test_missing_values_are_counted_and_a_feature_that_vanished_fires() -> None:
    reference, current = normal(1000, 1, 2), normal(500, 2, 2)
    current[:, 0] = np.nan
    current[:100, 1] = np.nan
    found = {one.feature: one for one in drift(reference, current, NUMBERS, RULE)}
    assert found["speed"].drifted
    assert found["speed"].missing_current == 1
    assert found["amount"].missing_current == pytest.approx(0.2)


@pytest.mark.parametrize("place", [0, 1])
def test_a_rising_share_of_missing_values_fires_for_numbers_and_categories(place: int) -> None:
    reference, current = (np.column_stack([normal(2000, seed, 1), np.full(2000, 1.0)]) for seed in (1, 2))
    schema = Schema("gaps", {"a": WIDE.columns["v0"], "b": MIXED.columns["country"]})
    assert not any(one.drifted for one in drift(reference, current, schema, RULE))
    current[:300, place] = np.nan
    assert [one.feature for one in drift(reference, current, schema, RULE) if one.drifted] == ["ab"[place]]


@given(CODES, CODES)
def test_the_effect_of_categories_lies_between_0_and_1_whatever_the_numbers_of_rows(
    one: list[int], two: list[int]
) -> None:
    table = np.array([np.bincount(sample, minlength=6) for sample in (one, two)], dtype=float)
    effect = chi_square_distance(table)
    assert 0 <= effect <= 1
    assert effect == pytest.approx(chi_square_distance(table * np.array([[1], [1000]])))
    assert chi_square_distance(np.eye(2) * [[60_000], [10]]) == 1


def test_rare_categories_do_not_fire_by_chance_more_often_than_promised() -> None:
    shares = [0.99995, 4e-5, 1e-5]
    schema = Schema("shop", {"shop": Column(role="feature", type="category", categories=("a", "b", "c"))})
    rng = np.random.default_rng(7)
    samples = [[rng.choice(3, (rows, 1), p=shares).astype(float) for rows in (60_000, 2000)] for _ in range(100)]
    assert sum(drift(reference, current, schema, RULE)[0].drifted for reference, current in samples) <= 4


def test_a_feature_that_is_missing_on_both_sides_does_not_fire() -> None:
    empty = np.full((100, 2), np.nan)
    assert not any(one.drifted for one in drift(empty, empty, NUMBERS, RULE))


def test_no_current_rows_means_no_verdict_of_drift_and_a_sentence_that_says_why() -> None:
    found = verdict(drift(normal(10, 1), normal(0, 1), WIDE, RULE), {"reference": 10, "current": 0}, [])
    assert found["drift"] is False
    assert found["sentences"][0] == "no batch came after split.until, so there is nothing to compare"


def test_the_verdict_names_the_weeks_and_the_features_that_moved() -> None:
    found = differences(normal(3000, 1), normal(3000, 2) + 1, WIDE, RULE)
    report = verdict(found, {"reference": 3000, "current": 3000}, ["2026-W09", "2026-W10"])
    assert report["drift"] is True
    assert report["drifted_features"] == 30
    assert report["sentences"][0].startswith("drift in 2026-W09 to 2026-W10: 30 of 30 features moved, most of all v")
    assert {"feature", "statistic", "effect", "threshold", "drifted"} <= set(report["features"][0])


def test_a_larger_least_effect_silences_a_smaller_drift() -> None:
    current = normal(10_000, 2) + 0.25
    assert not any(
        one.drifted for one in drift(normal(10_000, 1), current, WIDE, msgspec.structs.replace(RULE, min_effect=0.2))
    )
