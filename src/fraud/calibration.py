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

    def scores(self, probabilities: Values) -> Values:
        """Return the score that each probability came from."""
        inner = np.clip(probabilities, 1e-300, 1 - 1e-16)  # Far out a probability is rounded to 0 or 1.
        drawn_in = 1 / (1 + np.exp(np.minimum((self.intercept - log_odds(inner, 0)) / self.slope, 700)))
        return np.clip(drawn_in * (1 + 2 * self.margin) - self.margin, 0, 1)


def log_odds(scores: Values, margin: float) -> Values:
    """Return log(s / (1 - s)) with `margin` added to both, so that it stays finite and keeps the order of scores."""
    return np.log((scores + margin) / (1 + margin - scores))


def calibrate(scores: Values, labels: NDArray[np.int64], margin: float) -> Calibration:
    """Return the curve of the highest likelihood; the scores must be out of fold.

    Labels are drawn in a little, as Platt (1999) did, so that the curve stays finite where scores part the classes.
    """
    frauds, others = int(labels.sum()), int((1 - labels).sum())
    drawn_in = np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (others + 2))
    slopes, intercepts = logistic_curves(log_odds(scores, margin), drawn_in[None], np.ones((1, len(labels))))
    slope, intercept = float(slopes[0]), float(intercepts[0])
    if not slope > 0:
        raise Problem(
            f"the model ranks frauds no better than chance on rows that it has not seen (slope {slope:.2g}); "
            "check the label column and the features, or train on more weeks"
        )
    return Calibration(significant(slope, DIGITS), significant(intercept, DIGITS), margin)


def logistic_curves(x: Values, hits: Values, totals: Values) -> tuple[Values, Values]:
    """Return slope and intercept of the likeliest logistic curve over `x`, by Newton's method.

    There is one curve for each row of `hits`, the weight of the frauds at each `x`, and of `totals`, that of all
    payments there. A curve that does not settle is NaN.
    """
    slope, intercept = np.ones(len(hits)), np.zeros(len(hits))
    for _ in range(100):
        with np.errstate(over="ignore"):  # Far out p is 0, as it should be.
            p = 1 / (1 + np.exp(-(slope[:, None] * x + intercept[:, None])))
        rest, weight = hits - totals * p, totals * (p * (1 - p) + 1e-12)
        g0, g1 = rest.sum(axis=1), (rest * x).sum(axis=1)
        h00, h01, h11 = weight.sum(axis=1), (weight * x).sum(axis=1), (weight * x * x).sum(axis=1) + 1e-9
        step = np.array([h11 * g0 - h01 * g1, h00 * g1 - h01 * g0]) / (h00 * h11 - h01 * h01)
        length = np.abs(step).sum(axis=0)
        intercept, slope = (intercept, slope) + np.minimum(1, 2 / (length + 1e-300)) * step  # None overshoots.
        if (length < 1e-12).all():
            break
    settled = length < 1e-6
    return np.where(settled, slope, np.nan), np.where(settled, intercept, np.nan)


def significant(value: float, digits: int) -> float:
    """Return `value` rounded to so many significant digits."""
    return float(f"{value:.{digits}g}")
