"""Rows made ready for comparison once, and everything about their features and labels that is compared."""

from typing import NamedTuple

import msgspec
import numpy as np

from fraud import classifier
from fraud.distances import Distance, categories, ks_statistic, numbers
from fraud.features import Matrix, Values
from fraud.profiles import Profile, edges, profile
from fraud.schema import Schema

Key = tuple[str, str]  # The kind of a check, and the feature or what else it is about.
EVERYTHING = ("classifier", "all features together")
FRAUDS = ("fraud rate", "labels")
BINS = 20  # Of a profile.
FEWEST = 5  # Rows on each side, below which nothing is compared.


class Sample(NamedTuple):
    """Some rows; of each feature the sorted numbers, or how many rows have each category, and how many have none."""

    rows: int
    values: dict[str, Values]
    missing: dict[str, int]
    together: Matrix
    labels: Values  # How many rows are known to be legitimate, and how many fraud.


def sample(features: Matrix, labels: Values, schema: Schema) -> Sample:
    """Return the rows made ready; a label that is not known is NaN."""
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


def compare(reference: Sample, current: Sample, schema: Schema) -> dict[Key, Distance]:
    """Return each distance that both samples have rows enough for."""
    found: dict[Key, Distance | None] = {}
    for name, column in schema.features.items():
        sides = reference.values[name], current.values[name]
        found["values", name] = counted(*sides) if column.type == "category" else ranked(*sides)
        if column.missing or reference.missing[name] or current.missing[name]:
            gaps = [np.array([one.rows - one.missing[name], one.missing[name]], float) for one in (reference, current)]
            found["missing", name] = counted(*gaps)
    found[EVERYTHING] = classifier.tell_apart(reference.together, current.together)
    found[FRAUDS] = counted(reference.labels, current.labels)
    return {key: distance for key, distance in found.items() if distance is not None}


def profiles(one: Sample, schema: Schema, reference: Sample) -> dict[str, Profile]:
    """Return the profile of each feature, in bins of which each holds as many rows of the reference."""
    found = {}
    for name, column in schema.features.items():
        values, gaps = one.values[name], one.missing[name]
        if column.type == "category":
            found[name] = Profile([], values.astype(int).tolist(), gaps)
        else:
            limits = edges(reference.values[name], BINS)
            found[name] = msgspec.structs.replace(profile(values, column, limits), missing=gaps)
    return found


def ranked(reference: Values, current: Values) -> Distance | None:
    """Return the distance of two sorted samples of numbers."""
    rows = len(reference), len(current)
    return numbers(ks_statistic(reference, current), rows) if min(rows) >= FEWEST else None


def counted(reference: Values, current: Values) -> Distance | None:
    """Return the distance of two samples by how many rows fall into each category."""
    table = np.array([reference, current])
    return categories(table) if table.sum(axis=1).min() >= FEWEST else None
