"""Rows made ready for comparison once, and all that is compared: features one by one and together, labels, scores."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from fraud import classifier
from fraud import profiles as profiles_of
from fraud.distances import Distance, categories, ks_statistic, numbers
from fraud.drift_rule import Key
from fraud.features import Matrix, Values
from fraud.profiles import Profile
from fraud.schema import Schema

EVERYTHING = ("classifier", "all features together")
FRAUDS = ("fraud rate", "labels")
SCORE, FRAUD_SCORE = ("score", "all payments"), ("score", "known frauds")
BINS = 20  # Of a profile.
FEWEST = 5  # Rows on each side, below which nothing is compared.


class Sample(NamedTuple):
    """Some rows; of each feature the sorted numbers, or how many rows have each category, and how many have none."""

    rows: int
    values: dict[str, Values]
    missing: dict[str, int]
    together: Matrix
    labels: Values  # How many rows are known to be legitimate, and how many fraud.
    weeks: float = 1.0  # Of equal size, from which the rows come.
    scores: Mapping[Key, Values] = MappingProxyType({})  # Sorted, and of rows that the model was not trained on.
    score_weeks: float = 1.0


def sample(features: Matrix, labels: Values, schema: Schema) -> Sample:
    """Return the rows of one week made ready; a label that is not known is NaN."""
    values, gaps = {}, {}
    for place, (name, column) in enumerate(schema.features.items()):
        present = features[:, place][~np.isnan(features[:, place])]
        gaps[name] = len(features) - len(present)
        if column.type == "category":
            values[name] = np.bincount(present.astype(int), minlength=len(column.categories)).astype(float)
        else:
            values[name] = np.sort(present)
    known = np.array([(labels == 0).sum(), (labels == 1).sum()], dtype=float)
    return Sample(len(features), values, gaps, classifier.sample(features), known)


def sorted_scores(scores: Values, labels: Values) -> dict[Key, Values]:
    """Return the sorted scores of all payments, and of those that are known to be fraud."""
    return {SCORE: np.sort(scores), FRAUD_SCORE: np.sort(scores[labels == 1])}


def compare(reference: Sample, current: Sample, schema: Schema) -> dict[Key, Distance]:
    """Return each distance that both samples have rows enough for."""
    found: dict[Key, Distance | None] = {}
    for name, column in schema.features.items():
        sides = reference.values[name], current.values[name]
        found["values", name] = counted(*sides) if column.type == "category" else ranked(*sides)
        gaps = [np.array([one.rows - one.missing[name], one.missing[name]], float) for one in (reference, current)]
        found["missing", name] = counted(*gaps)
    found[EVERYTHING] = classifier.tell_apart(reference.together, current.together)
    found[FRAUDS] = counted(reference.labels, current.labels)
    weeks = 1 / reference.weeks + 1 / current.weeks
    scores = {key: ranked(values, current.scores[key]) for key, values in reference.scores.items() if current.scores}
    score_weeks = 1 / reference.score_weeks + 1 / current.score_weeks
    return _with_weeks(found, weeks) | _with_weeks(scores, score_weeks)


def _with_weeks(found: dict[Key, Distance | None], weeks: float) -> dict[Key, Distance]:
    return {key: distance._replace(weeks=weeks) for key, distance in found.items() if distance is not None}


def profiles(one: Sample, schema: Schema, reference: Sample) -> dict[str, Profile]:
    """Return the profile of each feature, in bins of which each holds as many rows of the reference."""
    found = {}
    for name, column in schema.features.items():
        values, gaps = one.values[name], one.missing[name]
        if column.type == "category":
            found[name] = Profile([], values.astype(int).tolist(), gaps)
        else:
            found[name] = profiles_of.counted(values, profiles_of.edges(reference.values[name], BINS), gaps)
    return found


def ranked(reference: Values, current: Values) -> Distance | None:
    """Return the distance of two sorted samples of numbers."""
    rows = len(reference), len(current)
    return numbers(ks_statistic(reference, current), rows) if min(rows) >= FEWEST else None


def counted(reference: Values, current: Values) -> Distance | None:
    """Return the distance of two samples by how many rows fall into each category."""
    table = np.array([reference, current])
    return categories(table) if table.sum(axis=1).min() >= FEWEST else None
