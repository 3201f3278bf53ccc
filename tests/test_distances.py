"""Distances: exactly scipy's statistics, and surprises that can be turned back."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from fraud import distances
from fraud.distances import (
    categories,
    chi_square,
    chi_square_distance,
    chi_square_surprise,
    exact_surprise,
    ks_statistic,
    ks_surprise,
    normal_equivalent,
    numbers,
    surprise,
)

FEW = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 7.0]) | st.floats(-9, 9), min_size=1, max_size=40)
CODES = st.lists(st.integers(0, 5), min_size=1, max_size=60)


def counts(*samples: list[int]) -> np.ndarray:
    return np.array([np.bincount(sample, minlength=6) for sample in samples], dtype=float)


@pytest.mark.parametrize("cuts", [2, 3, 5, distances.CUTS])
@given(reference=FEW, current=FEW)
def test_the_distance_of_numbers_is_exactly_that_of_scipy(
    cuts: int, reference: list[float], current: list[float]
) -> None:
    with np.errstate(all="ignore"):  # Its p-value of two single rows divides by zero.
        expected = stats.ks_2samp(reference, current, method="asymp").statistic
    with mock.patch.object(distances, "CUTS", cuts):
        assert ks_statistic(np.sort(reference), np.sort(current)) == expected


@pytest.mark.parametrize("digits", [1, 3, 9])
def test_large_samples_have_the_statistic_of_scipy_too(digits: int) -> None:
    rng = np.random.default_rng(digits)
    reference, current = rng.normal(size=50_000).round(digits), rng.normal(0.01, 1, size=40_000).round(digits)
    assert ks_statistic(np.sort(reference), np.sort(current)) == stats.ks_2samp(reference, current).statistic


@given(CODES, CODES)
def test_the_statistic_of_categories_is_that_of_scipy(reference: list[int], current: list[int]) -> None:
    table = counts(reference, current)
    expected = stats.chi2_contingency(table[:, table.any(axis=0)], correction=False)
    statistic, freedom = chi_square(table)
    assert statistic == pytest.approx(expected.statistic, rel=1e-12, abs=1e-12)
    assert freedom == expected.dof


@given(CODES, CODES)
def test_the_effect_of_categories_lies_between_0_and_1_whatever_the_numbers_of_rows(
    one: list[int], two: list[int]
) -> None:
    table = counts(one, two)
    effect = chi_square_distance(table)
    assert 0 <= effect <= 1
    assert effect == pytest.approx(chi_square_distance(table * np.array([[1], [1000]])))
    assert chi_square_distance(np.eye(2) * [[60_000], [10]]) == 1


@pytest.mark.parametrize("value", [0.5, 1.0, 1.5, 3.0, 5.0])
def test_the_surprise_of_the_distance_of_numbers_is_that_of_kolmogorovs_law(value: float) -> None:
    assert ks_surprise(value) == pytest.approx(-np.log(special.kolmogorov(value)), rel=1e-6)


@pytest.mark.parametrize("freedom", [1, 2, 3, 8, 41])
@pytest.mark.parametrize("statistic", [0.1, 3.0, 50.0, 900.0])
def test_the_surprise_of_categories_is_that_of_the_chi_square_law(freedom: int, statistic: float) -> None:
    expected = -stats.chi2.logsf(statistic, freedom)
    assert chi_square_surprise(statistic, freedom) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@given(st.floats(0.01, 200))
def test_a_surprise_turned_into_a_normal_variable_and_back_is_the_same(z: float) -> None:
    assert normal_equivalent(surprise(z)) == pytest.approx(z, rel=1e-4)


@given(st.floats(0.02, 1), st.integers(20, 100_000), st.integers(20, 100_000))
def test_the_effect_that_is_needed_for_the_z_of_a_distance_is_its_own(statistic: float, one: int, two: int) -> None:
    distance = numbers(statistic, (one, two))
    if distance.z > 0.01:
        assert distance.needed(distance.z) == pytest.approx(statistic, rel=1e-3)


@given(st.lists(st.integers(20, 400), min_size=3, max_size=3), st.lists(st.integers(20, 400), min_size=3, max_size=3))
def test_the_same_holds_for_categories(one: list[int], two: list[int]) -> None:
    distance = categories(np.array([one, two], dtype=float))
    if distance.z > 0.01:
        assert distance.needed(distance.z) == pytest.approx(distance.effect, rel=1e-3)
    assert distance.needed(distance.z + 1) > distance.effect


@pytest.mark.parametrize("rows", [30, 500, 2000])
def test_what_was_never_there_is_seen_however_small_the_week_is_beside_the_reference(rows: int) -> None:
    for share in (1.0, 0.5):
        table = np.array([[60_000, 0], [rows * (1 - share), rows * share]])
        found = categories(table)
        assert found.z > 8
        assert found.effect == pytest.approx(chi_square_distance(table))
        assert found.needed(found.z) == pytest.approx(found.effect)


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_exact_surprise_is_that_of_the_binomial_law(before: int, here: int) -> None:
    rows = np.array([6000.0, 1500.0])
    law = stats.binom(before + here, rows[1] / rows.sum())
    expected = min(1.0, 2 * min(law.sf(here - 1), law.cdf(here)))
    assert exact_surprise(np.array([before, here]), rows) == pytest.approx(-np.log(expected), rel=1e-6, abs=1e-6)


def test_hundreds_of_categories_that_all_change_are_no_trouble() -> None:
    table = np.zeros((2, 300))
    table[0, :150], table[1, 150:] = 400, 133
    found = categories(table)
    assert found.effect == 1
    assert found.z > 100


def test_rare_categories_count_as_one_so_that_chance_alone_does_not_surprise() -> None:
    rng = np.random.default_rng(7)
    shares = [0.99995, 4e-5, 1e-5]
    found = [categories(np.array([rng.multinomial(n, shares) for n in (60_000, 2_000)], float)).z for _ in range(300)]
    assert np.mean(np.array(found) > 2) < 0.08


def test_categories_that_are_all_the_same_do_not_surprise() -> None:
    assert categories(np.array([[50.0, 0], [70.0, 0]])).z == 0
