"""make bench-gate: simulated pairs of models, and how often the gate rejects one."""

import numpy as np
import pytest

from examples import COST
from fraud.gate_rule import Gate, Limit, Pair, differences, interval, ranked, resampled, values
from fraud.loop.bench.gate import CUT, paired, probability, rejected, simulate

LIMITS = {"average_precision": Limit("higher", 0.02), "recall": Limit("higher", 0.05)}
GATE = Gate({}, 300, 7)


def test_rows_that_are_put_together_keep_every_metric_and_their_number() -> None:
    scores = simulate(np.random.default_rng(7), 5000, 60)
    both = paired(scores, (CUT, CUT + 0.5), COST)
    assert both.counts.sum() == 5000
    assert len(both.counts) < 1000
    for side, score, cut in zip(both[:2], scores[1:], (CUT, CUT + 0.5), strict=True):
        alone = ranked(probability(score), scores.rows, float(probability(np.array(cut))), COST)
        whole = values(alone, np.ones(5000))
        together = values(side, both.counts)
        for name in ("average_precision", "recall", "precision", "saved_per_1000", "brier", "roc_auc"):
            assert together[name] == pytest.approx(whole[name]), name


def test_resampling_rows_that_are_put_together_spreads_as_resampling_all_of_them() -> None:
    scores = simulate(np.random.default_rng(7), 2000, 60)
    cut = float(probability(np.array(CUT)))
    sides = [ranked(probability(score), scores.rows, cut, COST) for score in scores[1:]]
    widths = []
    for both in (Pair(sides[0], sides[1], np.ones(2000)), paired(scores, (CUT, CUT), COST)):
        drawn = [differences(both, weights) for weights in resampled(both, 1000, 7)]
        widths.append([np.ptp(interval(np.concatenate([part[name] for part in drawn]), 0.05))
                       for name in ("average_precision", "brier")])  # fmt: skip
    assert widths[1] == pytest.approx(widths[0], rel=0.15)


@pytest.mark.parametrize(("strength", "expected"), [(0.3, True), (1, False), (3, False)])
def test_a_much_weaker_candidate_is_rejected_by_every_rule_and_a_stronger_one_by_none(
    strength: float, expected: bool
) -> None:
    both = paired(simulate(np.random.default_rng(7), 5000, 100, strength), (CUT, CUT), COST)
    assert rejected(both, GATE, LIMITS) == [expected] * 4
