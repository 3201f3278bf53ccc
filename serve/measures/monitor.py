"""Whether the payments that are being served still look like those that the model was trained on.

It is the rule of the stage `drift` on a window of served rows. Ordinary weeks are those of training: the contract holds
the profile of each, and each is compared with the week before it.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from fraud.contract import Contract, profiles_alike
from fraud.distances import Distance
from fraud.drift_rule import Finding, Key, Rule, checks, equal_weeks, judge
from fraud.features import Matrix, matrix
from fraud.profiles import Profile, distance, missing
from fraud.schema import Column, Schema

FEWEST = 100  # Rows; in so many a shift by half a standard deviation is seen two times in three.
Profiles = dict[str, Profile]


class Drift(NamedTuple):
    """What a window of served rows says."""

    scores: dict[str, float]  # By feature, the largest effect as a share of its threshold: above 1 a check fires.
    detected: bool
    fired: list[Key]
    rows: int
    sentence: str


def drift(features: Matrix, contract: Contract, rule: Rule) -> Drift:
    """Compare served rows with the training rows; they count as one week, and should come from all of it."""
    rows = len(features)
    if rows < FEWEST:
        return Drift({}, False, [], rows, f"{rows} rows are too few to compare; it takes {FEWEST}")
    served = profiles_alike(features, contract.schema, contract.profile)
    past = [_compare(*pair, contract.schema, 2.0) for pair in pairwise(contract.weeks[-rule.history :])]
    now = _compare(contract.profile, served, contract.schema, 1 + 1 / _weeks(contract.weeks))
    found = judge(checks(past, {"now": now}), rule)
    scores = dict.fromkeys(contract.features, 0.0)
    for one in found:
        scores[one.check.name] = max(scores[one.check.name], one.distance.effect / one.threshold)
    fired = [one for one in found if one.fired]
    return Drift(scores, bool(fired), [one.check[:2] for one in fired], rows, _sentence(fired, len(past)))


def _compare(reference: Profiles, current: Profiles, schema: Schema, weeks: float) -> dict[Key, Distance]:
    """Return each distance that both sides have values for; `weeks` is 1 / weeks + 1 / weeks."""
    found: dict[Key, Distance | None] = {}
    for name, column in schema.features.items():
        found["values", name] = distance(reference[name], current[name], column)
        found["missing", name] = missing(reference[name], current[name])
    return {key: one._replace(weeks=weeks) for key, one in found.items() if one is not None}


def _weeks(weeks: Sequence[Profiles]) -> float:
    """Return how many weeks of equal size stray from each other as these do."""
    rows = [float(sum(one.counts) + one.missing) for one in (next(iter(week.values())) for week in weeks)]
    return equal_weeks(np.array(rows)) if rows else 1.0


def _sentence(fired: Sequence[Finding], pairs: int) -> str:
    if not pairs:
        return "nothing can fire: the model was trained on one batch, which does not tell how far ordinary weeks stray"
    names = ", ".join(f"{one.check.name} ({one.check.kind})" for one in fired)
    return f"unlike the training rows: {names}" if fired else "like the training rows"


def rows(features_json: Iterable[str], contract: Contract) -> Matrix:
    """Return logged JSON objects as the model sees them, without those that lack a feature or hold another kind."""
    columns = contract.schema.features
    kinds = [(f"f{place}", _kind(column)) for place, column in enumerate(columns.values())]
    names = {field: name for (field, _), name in zip(kinds, columns, strict=True)}
    decoder = msgspec.json.Decoder(msgspec.defstruct("Row", kinds, rename=names, gc=False))
    fitting = [msgspec.structs.astuple(row) for row in _decoded(decoder, features_json)]
    return matrix({name: [row[place] for row in fitting] for place, name in enumerate(columns)}, contract.schema)


def _kind(column: Column) -> Any:
    return Literal[column.categories] | None if column.type == "category" else float | None


def _decoded(decoder: "msgspec.json.Decoder[Any]", texts: Iterable[str]) -> Iterable[Any]:
    for text in texts:
        try:
            yield decoder.decode(text)
        except msgspec.DecodeError:
            continue
