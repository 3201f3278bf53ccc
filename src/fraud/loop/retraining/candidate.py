"""A candidate for the champion's place: when to train one, on which weeks, and how it does beside the champion."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fraud import batches, gate_rule, params
from fraud.errors import Problem
from fraud.loop import gate, repro
from fraud.loop.files import DRIFT, ESTIMATE, INGEST, LOCK, RETRAIN, SPLIT
from fraud.loop.gate import Judgement
from fraud.loop.git import git
from fraud.loop.judging.champion import NotComparable
from fraud.loop.lockfile import model_at, model_here, model_in
from fraud.loop.progress import step
from fraud.loop.retraining.held import held_back
from fraud.loop.retraining.window import Cause, Retrain, Window, cause, later, newest_labelled, waiting
from fraud.outputs import write_json
from fraud.params_file import change
from fraud.yamlfile import read_yaml

REPORT = Path(RETRAIN)
ENOUGH = ["--pull", "--allow-missing"]  # Bring only what a stage has to read.


class Seen(NamedTuple):
    """What the weeks after the window look like to main's model, why to train, and up to which week."""

    drift: dict[str, Any]
    estimate: dict[str, Any]
    cause: Cause | None
    until: str | None


class Proposed(NamedTuple):
    """The new window, why it moves, and how the model of it does."""

    cause: Cause
    until: str
    judged: Judgement


def check_params() -> None:
    """Stop at a mistake in params.yaml that would come up late, and warn of a window in which drift is never seen."""
    params.load("retrain", Retrain)
    gate_rule.load()
    if _window().until is None:
        print("split.until is null: no week comes after the window, so drift is never seen; set it to a week")


def look(asked: str | None) -> Seen:
    """Run the graph as far as the drift verdict; `asked` is the reason that a person or a workflow gives."""
    before = _report(REPORT) if REPORT.exists() else {}
    model = _model()
    with held_back() as held:
        _graph("drift")
    drift, ingested = _report(Path(DRIFT)), _report(Path(INGEST))["batches"]
    names, window = batches.in_order(ingested), _window()
    newest = newest_labelled(ingested, params.load("retrain", Retrain).labelled, names)
    until = later(names, window.until, newest)
    open_ = waiting(before, names, msgspec.structs.replace(window, until=until)) if until != window.until else []
    print(*drift["sentences"], sep="\n")
    if held:
        print(f"changed since main's model was trained, and kept for the next one: {', '.join(held)}")
    if _model() != model:
        raise Problem(
            f"{LOCK}: the one on main does not fit its code or params; `make repro` on main, and merge that first"
        )
    return Seen(drift, _report(Path(ESTIMATE)), cause(drift, asked, open_), until)


def train(until: str, before: str | None) -> bool:
    """Move the window and run the graph; return whether another model than `before` came out."""
    was = _window().until
    print(f"params.yaml: split.until: {was} -> {until}" if was != until else f"split.until stays {until}")
    change({"split.until": until})
    _graph()
    return _model() != before


def judge(base: str) -> Judgement:
    """Hold the new model against main's; where that cannot be done, a person has to decide."""
    try:
        found = gate.judge(base)
    except NotComparable as problem:
        found = Judgement("not compared", f"Not compared: {problem}", None, model_here())
    print(gate.told(found, base), flush=True)
    return found


def write_report(one: Proposed, seen: Seen, was: str | None, base: str) -> None:
    """Write down why the model was trained and how it does, as part of the proposal.

    The new window has no weeks after it, so that its own reports of drift and estimate do not show what set it off.
    """
    trained = _report(Path(SPLIT))["train"]["batches"]
    open_ = [*(_report(REPORT) if REPORT.exists() else {}).get("drifted", ()), *one.cause.weeks]
    write_json(
        REPORT,
        {
            "base": base,
            "reason": one.cause.reason,
            "sentence": one.cause.sentence,
            "week": one.until,
            "until": {"from": was, "to": one.until},
            "drifted": [week for week in dict.fromkeys(open_) if week not in trained],
            "gate": one.judged._asdict(),
            "before": {"drift": seen.drift, "estimate": seen.estimate},
        },
    )


def candidate(seen: Seen, why: Cause, base: str) -> Proposed | None:
    """Train and judge; return nothing where no other model than main's came out."""
    was = _window().until
    if seen.until is None:
        print("no week has labels yet, so there is nothing to train on")
        return None
    if not train(seen.until, model_at("HEAD")):
        print(f"the same model as on {base} came out: nothing to propose until a newer week has labels")
        return None
    step("gate")
    proposed = Proposed(why, seen.until, judge(base))
    write_report(proposed, seen, was, git("rev-parse", "HEAD"))
    return proposed


def _graph(*stages: str) -> None:
    """Run the graph in this clone, where nothing is mended: it is made anew from main each time."""
    try:
        repro.graph(*ENOUGH, *stages, hints=False)
    except repro.Failed as failed:
        raise Problem(
            f"{failed}, code and params on main and weeks where they come from, then run `make retrain` again"
        ) from None
    except repro.Stopped as stopped:
        raise Problem(f"{stopped}, then run `make retrain` again") from None


def _model() -> str | None:
    return model_in(Path(LOCK).read_text(encoding="utf-8"))


def _window() -> Window:
    return msgspec.convert(read_yaml(params.FILE)["split"], Window)


def _report(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content
    except (OSError, ValueError) as error:
        raise Problem(f"{path}: {error}; run `make repro` on main, and commit what it writes") from None
