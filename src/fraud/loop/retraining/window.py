"""Move the training window: up to which week, for which reason, and what it then trains on."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from fraud.params import Section

GIVEN = ("schedule", "push", "force")  # Reasons of a person or a workflow ...
FOUND = ("drift", "follow_up")  # ... and those that the data gives, which are found and never believed.


class Retrain(Section, frozen=True):
    """Section `retrain` of params.yaml."""

    labelled: Annotated[float, Meta(gt=0, le=1)]


class Window(msgspec.Struct):
    """The keys of section `split` that say which batches are trained and tested on."""

    method: str
    until: str | None
    weeks: int
    test_weeks: int
    label_delay_weeks: int

    def trained(self, names: Sequence[str]) -> Sequence[str]:
        """Return which of the batches `names`, oldest first, are trained on."""
        end = names.index(self.until) + 1 if self.until in names else len(names)
        chosen = names[max(0, end - self.weeks) : end]
        kept = 0 if self.method == "stratified" else self.test_weeks + self.label_delay_weeks
        return chosen[: max(0, len(chosen) - kept)]


class Cause(NamedTuple):
    """Why the model is trained anew, in a word and in a sentence, and the weeks in which drift was seen."""

    reason: str
    sentence: str
    weeks: Sequence[str] = ()


def newest_labelled(ingested: Mapping[str, Mapping[str, int]], least: float, names: Sequence[str]) -> str | None:
    """Return the newest of the batches `names`, oldest first, of whose rows at least a share has a label."""
    labelled = [name for name in names if _share(ingested[name]) >= least]
    return labelled[-1] if labelled else None


def _share(batch: Mapping[str, int]) -> float:
    return 1 - batch["unlabelled"] / batch["kept"] if batch["kept"] else 0.0


def later(names: Sequence[str], until: str | None, newest: str | None) -> str | None:
    """Return up to which batch to train: the newest labelled one, or `until` where that is later."""
    known = [name for name in (until, newest) if name in names]
    return max(known, key=names.index) if known else until


def cause(drift: Mapping[str, Any], asked: str | None, waiting: Sequence[str]) -> Cause | None:
    """Return why to train now, if there is a reason; drift tells most, so it comes first.

    `waiting` are weeks of an earlier alarm on which a model could be trained now, and was not.
    """
    if drift["drift"]:
        return Cause("drift", str(drift["sentences"][0]), drift["weeks"])
    if waiting:
        weeks = " and ".join(waiting)
        return Cause("follow_up", f"drift was seen in {weeks}, which the model has only been tested on so far", waiting)
    if asked:
        words = {"schedule": "it is time by the schedule", "push": "code, parameters or data changed on main"}
        return Cause(asked, words.get(asked, "it was asked for"))
    return None


def waiting(before: Mapping[str, Any], names: Sequence[str], window: Window) -> list[str]:
    """Return the weeks of the last alarm that the window trains on, and the one before did not.

    `before` is reports/retrain.json. At the alarm itself the drifted week becomes the test: a model that has never
    seen it is no better there, and the next window is the first that holds it.
    """
    open_ = [week for week in before.get("drifted", ()) if week in names]
    return [week for week in open_ if week in window.trained(names)]
