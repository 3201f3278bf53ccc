"""Bring a feature matrix into the form that models take: no gaps, one scale, a column a category."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fraud.features import Matrix


class Prepare(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Fill missing values, and bring numbers to a common scale; categories stay codes.

    Medians and quartiles are values of the data or half-way between two, so every processor finds the same.
    """

    def __init__(self, sizes: list[int]) -> None:
        """Take the number of categories of each column, 0 for a number."""
        self.sizes = sizes

    def fit(self, X: Matrix, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn each number's median and interquartile range, and each category's most frequent code."""
        present = [column[~np.isnan(column)] for column in X.T]
        learnt = [
            _code(column, size) if size else _number(column) for column, size in zip(present, self.sizes, strict=True)
        ]
        self.fill_, self.centre_, self.scale_ = np.array(learnt).T
        return self

    def transform(self, X: Matrix) -> Matrix:
        """Return X without gaps, numbers centred and scaled."""
        return (np.where(np.isnan(X), self.fill_, X) - self.centre_) / self.scale_


class Encode(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Put numbers first, as they are, then a column of 0 and 1 for each category."""

    def __init__(self, sizes: list[int]) -> None:
        """Take the number of categories of each column, 0 for a number."""
        self.sizes = sizes

    def fit(self, X: Matrix, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn nothing: the schema names the categories."""
        self.is_fitted_ = True
        return self

    def transform(self, X: Matrix) -> Matrix:
        """Return the encoded columns."""
        numbers = [place for place, size in enumerate(self.sizes) if not size]
        categories = [X[:, [place]] == np.arange(size) for place, size in enumerate(self.sizes) if size]
        return np.hstack([X[:, numbers], *categories]).astype(np.float64)


def _number(column: Matrix) -> tuple[float, float, float]:
    """Return fill, centre and scale; a column that hardly varies is scaled by its whole range, or not at all."""
    if not len(column):
        return 0.0, 0.0, 1.0
    middle = float(np.median(column))
    low, high = np.quantile(column, [0.25, 0.75], method="lower")
    return middle, middle, float(high - low or np.ptp(column) or 1.0)


def _code(column: Matrix, size: int) -> tuple[float, float, float]:
    return float(np.bincount(column.astype(int), minlength=size).argmax()), 0.0, 1.0
