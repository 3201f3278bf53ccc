"""What ordinary weeks are, learnt from few of them."""

import numpy as np
import pytest
from scipy import stats

from fraud.ordinary import STRENGTHS, Pair, chance, learn, limit

SCALE = 10_000.0


def history(strength: float, checks: int = 30, pairs: int = 7, seed: int = 7) -> list[list[Pair]]:
    width = np.sqrt(1 + strength**2 * SCALE)
    z = np.abs(width * np.random.default_rng(seed).normal(size=(checks, pairs)))
    return [[Pair(float(value), SCALE) for value in row] for row in z]


def test_weeks_that_differ_by_sampling_noise_only_leave_the_normal_limit_almost_as_it_is() -> None:
    likely = learn(history(0))[0]
    assert stats.norm.isf(0.0005) < limit(likely, SCALE, 0.001) < 1.5 * stats.norm.isf(0.0005)


def test_weeks_that_stray_widen_the_limit_as_much_as_they_stray() -> None:
    width = np.sqrt(1 + 0.03**2 * SCALE)
    assert limit(learn(history(0.03))[0], SCALE, 0.001) > 0.9 * width * stats.norm.isf(0.0005)


def test_fewer_past_weeks_make_the_rule_more_cautious() -> None:
    limits = [limit(learn(history(0, pairs=pairs))[0], SCALE, 0.001) for pairs in (1, 3, 7, 20)]
    assert limits == sorted(limits, reverse=True)


def test_checks_lend_each_other_strength() -> None:
    alone, among_many = learn(history(0, checks=1))[0], learn(history(0, checks=30))[0]
    assert limit(among_many, SCALE, 0.001) < limit(alone, SCALE, 0.001)


def test_a_check_that_strays_more_than_others_is_held_to_its_own_weeks() -> None:
    mixed = [*history(0, checks=29), *history(0.1, checks=1, seed=3)]
    likely = learn(mixed)
    assert limit(likely[-1], SCALE, 0.001) > 3 * limit(likely[0], SCALE, 0.001)


def test_one_lasting_change_in_the_past_does_not_blind_the_rule() -> None:
    changed = history(0)
    changed[0][3] = Pair(60.0, SCALE)
    assert limit(learn(changed)[0], SCALE, 0.001) < 2 * limit(learn(history(0))[0], SCALE, 0.001)


def test_a_limit_is_exceeded_with_the_chance_it_was_made_for() -> None:
    likely = learn(history(0.01))[4]
    assert chance(likely, Pair(limit(likely, SCALE, 0.002), SCALE)) == pytest.approx(0.002, rel=1e-6)
    assert chance(likely, Pair(0.0, SCALE)) == pytest.approx(1)


def test_no_past_pair_at_all_is_an_answer_too() -> None:
    likely = learn([[], []])
    assert likely.shape == (2, len(STRENGTHS))
    assert likely.sum(axis=1) == pytest.approx([1, 1])
    assert limit(likely[0], SCALE, 0.001) > stats.norm.isf(0.0005)
