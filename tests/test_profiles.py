"""Profiles: they add up over batches, and compare without the rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.distances import ks_statistic
from fraud.errors import Problem
from fraud.profiles import Profile, alike, counted, distance, edges, merge, missing, profile
from fraud.schema import Column

NUMBER = Column(role="feature", type="number")
SHOP = Column(role="feature", type="category", categories=("food", "fuel", "web"))
VALUES = st.lists(st.floats(-9, 9) | st.sampled_from([0.0, 1.0, float("nan")]), min_size=1, max_size=60).map(np.array)
CODES = st.lists(st.sampled_from([0.0, 1.0, 2.0, float("nan")]), min_size=1, max_size=40).map(np.array)


def numbers(values: np.ndarray, limits: list[float]) -> Profile:
    present = values[~np.isnan(values)]
    return counted(np.sort(present), limits, len(values) - len(present))


@given(VALUES, VALUES)
def test_the_profile_of_two_batches_is_the_sum_of_their_profiles(one: np.ndarray, two: np.ndarray) -> None:
    limits = [-3.0, 0, 1, 4]
    both = numbers(np.concatenate([one, two]), limits)
    assert merge(numbers(one, limits), numbers(two, limits)) == both
    assert sum(both.counts) + both.missing == len(one) + len(two)


@given(CODES, CODES)
def test_the_same_holds_for_categories(one: np.ndarray, two: np.ndarray) -> None:
    both = profile(np.concatenate([one, two]), SHOP, 20)
    assert merge(profile(one, SHOP, 20), profile(two, SHOP, 20)) == both


@given(VALUES, VALUES)
def test_batches_in_the_bins_of_their_whole_add_up_to_its_profile(one: np.ndarray, two: np.ndarray) -> None:
    whole = profile(np.concatenate([one, two]), NUMBER, 4)
    assert merge(alike(one, NUMBER, whole), alike(two, NUMBER, whole)) == whole


@given(VALUES, VALUES)
def test_a_distance_of_profiles_is_never_more_than_that_of_all_values(one: np.ndarray, two: np.ndarray) -> None:
    first = profile(one, NUMBER, 4)
    found = distance(first, numbers(two, first.edges), NUMBER)
    present = [np.sort(values[~np.isnan(values)]) for values in (one, two)]
    if found is None:
        assert not all(map(len, present))
    else:
        assert found.statistic <= ks_statistic(*present) + 1e-12


def test_with_an_edge_at_each_value_the_distance_is_exact() -> None:
    rng = np.random.default_rng(7)
    one, two = rng.integers(0, 20, 300).astype(float), rng.integers(3, 23, 200).astype(float)
    limits = edges(np.sort(np.concatenate([one, two])), 10_000)
    found = distance(numbers(one, limits), numbers(two, limits), NUMBER)
    assert found is not None
    assert found.statistic == ks_statistic(np.sort(one), np.sort(two))


def test_missing_values_are_compared_by_their_share() -> None:
    one, two = (numbers(np.array([np.nan] * gaps + [1.0] * (500 - gaps)), [1.0]) for gaps in (5, 60))
    assert missing(one, one).effect == 0
    assert missing(one, two).z > 5


def test_profiles_with_other_bins_are_not_added() -> None:
    with pytest.raises(Problem, match=r"profiles with other bins cannot be added"):
        merge(numbers(np.array([1.0]), [1.0]), numbers(np.array([1.0]), [2.0]))


def test_a_column_without_any_value_has_no_edges_and_no_distance() -> None:
    empty = np.full(3, np.nan)
    assert profile(empty, NUMBER, 20) == Profile([], [0], 3)
    assert distance(profile(empty, NUMBER, 20), profile(empty, NUMBER, 20), NUMBER) is None


def test_bins_hold_about_as_many_rows_each() -> None:
    found = profile(np.random.default_rng(7).normal(size=2000), NUMBER, 20)
    assert len(found.edges) == 21
    assert all(90 <= count <= 110 for count in found.counts[1:-1])
    assert found.counts[-1] == 0
