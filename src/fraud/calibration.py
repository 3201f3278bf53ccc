"""Turn a model's score into a probability: a logistic curve over the log-odds of the score."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraud.errors import Problem
from fraud.features import Values

DIGITS = 7  # Two processors agree on the fit to about 12 digits; rounded, they agree on every byte.


class Calibration(msgspec.Struct, frozen=True):
    """probability = 1 / (1 + exp(-(slope * log-odds + intercept))), see log_odds for `margin`."""

    slope: float
    intercept: float
    margin: float

    def probabilities(self, scores: Values) -> Values:
        """Return the calibrated probability of each score; the order of the scores is kept."""
        return 1 / (1 + np.exp(-(self.slope * log_odds(scores, self.margin) + self.intercept)))


def log_odds(scores: Values, margin: float) -> Values:
    """Return log(s / (1 - s)) with `margin` added to both, so that it stays finite and keeps the order of scores."""
    return np.log((scores + margin) / (1 + margin - scores))


def calibrate(scores: Values, labels: NDArray[np.int64], margin: float) -> Calibration:
    """Return the curve of the highest likelihood, by Newton's method; the scores must be out of fold.

    Labels are drawn in a little, as Platt (1999) did, so that the curve stays finite where scores part the classes.
    """
    frauds, others = int(labels.sum()), int((1 - labels).sum())
    x, y = log_odds(scores, margin), np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (others + 2))
    slope, intercept = 1.0, 0.0
    for _ in range(100):
        p = 1 / (1 + np.exp(-(slope * x + intercept)))
        weight = p * (1 - p) + 1e-12
        g0, g1 = (y - p).sum(), ((y - p) * x).sum()
        h00, h01, h11 = weight.sum(), (weight * x).sum(), (weight * x * x).sum() + 1e-9
        determinant = h00 * h11 - h01 * h01
        step = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
        scale = min(1.0, 2.0 / (abs(step[0]) + abs(step[1]) + 1e-300))  # Short steps never overshoot.
        intercept, slope = intercept + scale * step[0], slope + scale * step[1]
        if abs(step[0]) + abs(step[1]) < 1e-12:
            break
    if slope <= 0:
        raise Problem(
            f"the model ranks frauds no better than chance on rows that it has not seen (slope {slope:.2g}); "
            "check the label column and the features, or train on more weeks"
        )
    return Calibration(significant(slope, DIGITS), significant(intercept, DIGITS), margin)


def significant(value: float, digits: int) -> float:
    """Return `value` rounded to so many significant digits."""
    return float(f"{value:.{digits}g}")
