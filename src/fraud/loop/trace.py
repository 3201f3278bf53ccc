"""Trace an answer back to its model, commits, data and approval; score it again; train its model again."""

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from fraud.errors import Problem, run
from fraud.loop.command_line import Parser
from fraud.loop.files import LOCK
from fraud.loop.lockfile import model_in
from fraud.loop.tracing import trace_text
from fraud.loop.tracing.answers import Answer, Label, find, labels, opened
from fraud.loop.tracing.lineage import lineage
from fraud.loop.tracing.lock_history import Commit, History, Pins, Span, pins, read
from fraud.loop.tracing.replay import Replay, bring, of_week, replay
from fraud.loop.tracing.reproduction import Reproduction, reproduce
from fraud.loop.weeks import bounds

FORMS = """say what to trace:
  make trace ID=<prediction id or transaction_id> [REPLAY=1] [REPRODUCE=1] [JSON=1]
  make trace WEEK=2026-W08 REPLAY=1 [JSON=1]"""


class Differs(Problem):
    """A replay or a reproduction gave something else."""

    code = 3


class Traced(NamedTuple):
    """What the log and git know of an answer."""

    answer: Answer
    labels: list[Label]
    history: History
    pins: Pins


def asked(arguments: tuple[str, ...]) -> argparse.Namespace:
    """Return what the command line asks for: one answer, or a week."""
    parser = Parser("make trace", FORMS)
    parser.add_argument("id", nargs="?", default="", help="id of a prediction, or its transaction_id")
    parser.add_argument("--week", default="", help="ISO week, like 2026-W08, whose answers are scored again")
    parser.add_argument("--replay", action="store_true", help="score the logged features again with that very model")
    parser.add_argument("--reproduce", action="store_true", help="train the model again from its commit")
    parser.add_argument("--json", action="store_true", help="print for a machine")
    found = parser.parse_args(arguments)
    if bool(found.id) == bool(found.week):
        raise Problem(f"found {'both ID and WEEK' if found.id else 'neither ID nor WEEK'}; {FORMS}")
    if found.week and found.reproduce:
        raise Problem(f"WEEK={found.week}: a week is only replayed; {FORMS}")
    return found


def trace(name: str, *, again: bool, anew: bool) -> dict[str, Any]:
    """Return all that is known of an answer; `again` scores it, `anew` trains its model."""
    traced = look_up(name)
    md5, origin, problems = traced.answer.model, traced.pins.origin, list[str]()
    if origin is None:
        problems.append(unpinned(md5, shallow=traced.history.shallow))
    return {
        "answer": _answer(traced.answer),
        "feedback": [{"time": _utc(one.ts), "actual": bool(one.actual), "source": one.source} for one in traced.labels],
        "model": md5,
        "history": _history(traced),
        **(lineage(origin) if origin else dict.fromkeys(("training", "params", "metrics", "drift", "gate"))),
        "replay": _replayed(traced.answer, problems) if again else None,
        "reproduction": _reproduced(md5, origin, problems) if anew else None,
        "problems": problems,
    }


def look_up(name: str) -> Traced:
    """Return the answer that has this id or transaction_id, and where its model is pinned."""
    with opened() as log:
        answer = find(log, name)
        if answer is None:
            raise Problem(
                f"ID={name}: the log has no prediction and no transaction with this id; check it, and that REQUEST_LOG "
                "is the server's; one that is older than LOG_RETENTION_DAYS is gone, one in data/spool comes later"
            )
        given = labels(log, answer)
    history = read()
    return Traced(answer, given, history, pins(history, answer.model))


def unpinned(md5: str, *, shallow: bool) -> str:
    """Return why no commit here may pin a model, and what to do."""
    if shallow:
        return (
            f"model {md5}: no commit here pins it, and this clone is shallow; `git fetch --unshallow`, then try again"
        )
    path = Path(LOCK)
    if path.exists() and model_in(path.read_text(encoding="utf-8")) == md5:
        return f"model {md5}: {LOCK} in this working copy pins it, but no commit does; commit it, so that it is known"
    return (
        f"model {md5}: no commit on a branch or tag here pins it, so history was rewritten, or is elsewhere; "
        "`git fetch --all --tags`, or look through `git reflog`; REPLAY=1 works as long as DVC keeps the model"
    )


def _replayed(answer: Answer, problems: list[str]) -> dict[str, Any]:
    try:
        found = replay(bring(answer.model), answer.model, [[answer]])
    except Problem as problem:
        problems.append(str(problem))
        found = Replay(answer.model, 1, 0, {}, [], str(problem))
    return _told(found)


def _reproduced(md5: str, origin: Commit | None, problems: list[str]) -> dict[str, Any]:
    if origin is None:
        return Reproduction(None, md5, None, [], "no commit here pins it")._asdict()
    try:
        found = reproduce(origin.revision, md5)
    except Problem as problem:
        problems.append(str(problem))
        found = Reproduction(origin.revision, md5, None, [], str(problem))
    return found._asdict()


def week(name: str) -> dict[str, Any]:
    """Return how all answers of an ISO week compare, model by model."""
    low, high = bounds(name)
    with opened() as log:
        found = of_week(log, name)
    if not found:
        raise Problem(f"WEEK={name}: the log has no answer from {low[:10]} until before {high[:10]}; name another week")
    return {
        "week": name,
        "from": _utc(low),
        "until": _utc(high),
        "rows": sum(one.rows for one in found),
        "equal": sum(one.equal for one in found),
        "models": [_told(one) for one in found],
        "problems": [one.problem for one in found if one.problem],
    }


def _told(found: Replay) -> dict[str, Any]:
    return {**found._asdict(), "first": [one._asdict() for one in found.first]}


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.id,
        "transaction_id": answer.transaction_id,
        "time": _utc(answer.ts),
        "probability": answer.probability,
        "is_fraud": bool(answer.label),
        "threshold": answer.threshold,
        "features": _features(answer.features),
    }


def _features(text: str) -> Any:
    """Return the features by name; what is no JSON stays a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _history(traced: Traced) -> dict[str, Any]:
    pinning = {one.commit.revision for one in traced.pins.commits}
    commits = [
        {
            **commit(one.commit),
            "pull_request": one.pull_request,
            "brought_by": one.brought and one.brought.revision,
            "sets_it": not pinning & set(one.commit.parents),
        }
        for one in traced.pins.commits
    ]
    return {
        "branch": traced.history.trunk,
        "shallow": traced.history.shallow,
        "spans": [span(one) for one in traced.pins.spans],
        "commits": commits,
    }


def span(one: Span) -> dict[str, Any]:
    """Return a span as JSON has it."""
    return {"from": commit(one.first), "commits": one.commits, "until": one.until and commit(one.until)}


def commit(one: Commit) -> dict[str, Any]:
    """Return a commit as JSON has it."""
    times = {name: getattr(one, name).isoformat().replace("+00:00", "Z") for name in ("authored", "committed")}
    return {**one._asdict(), **times}


def _utc(ts: str) -> str:
    return f"{ts.replace(' ', 'T')}Z"


def check(report: dict[str, Any]) -> None:
    """Raise what the report has to end with: a difference counts more than something that is missing."""
    replays = report.get("models") or [report.get("replay")]
    unlike = sum(one["rows"] - one["equal"] for one in replays if one and not one["problem"])
    if unlike:
        raise Differs(f"replay: {unlike} of {sum(one['rows'] for one in replays)} answers differ, as told above")
    made = report.get("reproduction")
    if made and not made["problem"] and made["pinned"] != made["found"]:
        raise Differs(f"reproduction: commit {made['commit'][:7]} pins {made['pinned']}, but {made['found']} came out")
    if report["problems"]:
        raise Problem("\n".join(report["problems"]))


def main(*arguments: str) -> None:
    """Print a trace, or the replay of a week; a difference ends with 3."""
    what, start = asked(arguments), time.monotonic()
    report = week(what.week) if what.week else trace(what.id, again=what.replay, anew=what.reproduce)
    if what.json:
        print(json.dumps(report, indent=2, ensure_ascii=False), flush=True)
    elif what.week:
        print(trace_text.week(report, time.monotonic() - start), flush=True)
    else:
        print(trace_text.trace(report), flush=True)
    check(report)


if __name__ == "__main__":
    run(main)
