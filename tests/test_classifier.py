"""The classifier that tells reference from current: what no single column shows."""

import numpy as np
import pytest

from fraud.classifier import MOST, sample, tell_apart
from fraud.distances import Distance
from fraud.features import Matrix


def told(reference: Matrix, current: Matrix) -> Distance:
    found = tell_apart(reference, current)
    assert found is not None
    return found


def normal(rows: int, seed: int, correlation: float = 0.0) -> Matrix:
    rows_of = np.random.default_rng(seed).normal(size=(rows, 6))
    rows_of[:, 1] = correlation * rows_of[:, 0] + np.sqrt(1 - correlation**2) * rows_of[:, 1]
    return rows_of


def test_two_columns_that_begin_to_go_together_are_seen_though_neither_moves() -> None:
    found = told(normal(5000, 1), normal(5000, 2, correlation=0.3))
    assert found.z > 6
    assert found.statistic > 0.55


def test_alike_samples_are_told_apart_no_better_than_by_chance() -> None:
    found = [told(normal(600, 2 * seed), normal(400, 2 * seed + 1)) for seed in range(200)]
    assert np.mean([one.z > 1.96 for one in found]) <= 0.08
    assert np.mean([one.statistic for one in found]) == pytest.approx(0.5, abs=0.01)


def test_missing_values_and_columns_without_any_are_no_trouble() -> None:
    one, two = normal(400, 1), normal(400, 2)
    one[:, 0] = two[:, 0] = np.nan
    two[:200, 3] = np.nan
    assert told(one, two).z > 6
    assert told(one, one.copy()).effect < 0.2


def test_the_effect_that_is_needed_for_its_z_is_its_own() -> None:
    found = told(normal(5000, 1), normal(5000, 2, correlation=0.2))
    assert found.needed(found.z) == pytest.approx(found.effect, abs=1e-4)


def test_too_few_rows_say_nothing() -> None:
    assert tell_apart(normal(19, 1), normal(5000, 2)) is None


def test_large_samples_are_thinned_evenly() -> None:
    many = np.arange(3 * MOST, dtype=float)[:, None]
    thin = sample(many)[:, 0]
    assert len(thin) == MOST
    assert thin[0] == 0
    assert thin[-1] == many[-1, 0]
    assert set(np.diff(thin)) <= {2.0, 3.0, 4.0}


def test_the_interval_of_the_auc_holds_the_true_one_nineteen_times_in_twenty() -> None:
    true = told(normal(100_000, 1), normal(100_000, 2, correlation=0.5)).statistic
    found = [told(normal(2000, 2 * k), normal(2000, 2 * k + 1, correlation=0.5)).interval for k in range(5, 65)]
    assert np.mean([interval is not None and interval[0] <= true <= interval[1] for interval in found]) > 0.8
