"""What a retraining proposes, read from the files of its commit alone."""

from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from fraud.errors import Problem
from fraud.loop.files import DRIFT, ESTIMATE, LOCK, MODEL, RETRAIN, SPLIT
from fraud.loop.pages.drift_reports import Drift, Part, Week
from fraud.loop.proposing.revision import Side, parsed, side

Reason = Literal["drift", "follow_up", "schedule", "push", "force"]


class Gate(Struct, frozen=True):
    """What the gate found."""

    verdict: str
    sentence: str
    candidate: str
    champion: str | None = None
    rows: int = 0
    frauds: int = 0
    table: str = ""


class Estimates(Struct, frozen=True):
    """reports/estimate.json."""

    weeks: list[Week]


class Before(Struct, frozen=True):
    """The reports on the old model as they were when it was decided to retrain."""

    drift: Drift | None = None
    estimate: Estimates | None = None


class Retrain(Struct, frozen=True):
    """reports/retrain.json."""

    reason: Reason
    week: str
    base: str
    gate: Gate
    drifted: list[str] = []
    before: Before = Before()


class Window(Struct, frozen=True):
    """What reports/split.json says of the model."""

    train: Part
    test: Part


class Proposal(NamedTuple):
    """What is proposed: both sides, and the reports that say why."""

    branch: str
    before: Side
    after: Side
    retrain: Retrain
    drift: Drift
    estimates: list[Week]
    window: Window

    @property
    def model(self) -> str:
        """Return the md5 of the proposed model."""
        return self.after.pins[MODEL]


def read(branch: str, commit: str) -> Proposal:
    """Return what the commit of a branch proposes."""
    retrain = parsed(commit, RETRAIN, lambda text: msgspec.json.decode(text, type=Retrain))
    now = parsed(commit, DRIFT, lambda text: msgspec.json.decode(text, type=Drift))
    promised = parsed(commit, ESTIMATE, lambda text: msgspec.json.decode(text, type=Estimates))
    after = side(commit)
    if MODEL not in after.pins:
        raise Problem(f"{LOCK} of commit {commit[:9]} pins no {MODEL}; run `make retrain`, which commits it")
    return Proposal(
        branch,
        side(retrain.base),
        after,
        retrain,
        retrain.before.drift or now,
        (retrain.before.estimate or promised).weeks,
        parsed(commit, SPLIT, lambda text: msgspec.json.decode(text, type=Window)),
    )
