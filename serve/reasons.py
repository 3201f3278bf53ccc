"""Say which features moved a score most: each is set to what is ordinary, and the score looked at again."""

from typing import Any

import msgspec
import numpy as np

from fraud.contract import Contract
from fraud.features import Matrix, Values
from fraud.scoring import Model
from fraud.usual import ordinary
from serve.problems import Refusal

MOST_ROWS = 500  # Each is scored once more for each of its features.


class Reason(msgspec.Struct):
    """How far one feature moves the log-odds of fraud from where its ordinary value would have them."""

    feature: str
    value: float | str | None
    ordinary: float | str | None
    log_odds: float


def reasons(model: Model, features: Matrix, count: int) -> list[list[Reason]]:
    """Return for each row the features that moved its score most; their effects add up where the model is linear."""
    if len(features) > MOST_ROWS:
        raise Refusal(413, f"found {len(features)} rows, ?explain takes {MOST_ROWS} at most; send them in parts")
    contract = model.contract
    usual = ordinary(contract)
    width = len(usual)
    # For each row a copy by feature, in which that feature alone is ordinary.
    copies = np.repeat(features[:, None, :], width, axis=1)
    copies[:, np.arange(width), np.arange(width)] = usual
    changed = _log_odds(model.probabilities(copies.reshape(-1, width))).reshape(-1, width)
    moved = _log_odds(model.probabilities(features))[:, None] - changed
    chosen = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :count]
    return [
        [_reason(contract, int(place), row[place], usual[place], effects[place]) for place in places]
        for row, effects, places in zip(features, moved, chosen, strict=True)
    ]


def _log_odds(probabilities: Values) -> Values:
    inner = np.clip(probabilities, 1e-15, 1 - 1e-15)
    return np.log(inner / (1 - inner))


def _reason(contract: Contract, place: int, value: float, usual: float, moved: float) -> Reason:
    name = contract.features[place]
    categories = contract.schema.features[name].categories

    def shown(number: float) -> Any:
        if np.isnan(number):
            return None
        return categories[int(number)] if categories else float(number)

    return Reason(name, shown(value), shown(usual), float(moved))
