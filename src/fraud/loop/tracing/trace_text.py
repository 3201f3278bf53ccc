"""A trace in words: one line a fact, the same facts as its JSON."""

import json
from collections.abc import Iterator
from typing import Any

WIDTH = 12
Report = dict[str, Any]


def trace(report: Report) -> str:
    """Return a trace as a person reads it, from the answer back to where its model comes from."""
    parts = [
        ("answer", _answer(report["answer"])),
        ("features", _features(report["answer"]["features"])),
        ("feedback", _feedback(report["feedback"])),
        ("model", [report["model"]]),
        ("pinned", _pinned(report["history"])),
        ("trained on", _training(report["training"])),
        ("params", _params(report["params"])),
        ("metrics", _metrics(report["metrics"])),
        ("drift then", _drift(report["drift"])),
        ("gate", _gate(report)),
        ("replay", _replay(report["replay"])),
        ("reproduced", _reproduction(report["reproduction"])),
    ]
    return "\n".join(f"{name if not place else '':{WIDTH}}{line}" for name, lines in parts
                     for place, line in enumerate(lines))  # fmt: skip


def week(report: Report, seconds: float) -> str:
    """Return how a week compares."""
    rows = report["rows"]
    what = f"{_count(rows, 'answer')} of {_count(len(report['models']), 'model')}"
    head = f"{report['week']}: {what} scored again in {seconds:.1f} s; "
    share = 100 * report["equal"] / rows
    end = "all equal to the last bit" if report["equal"] == rows else f"{report['equal']} equal ({share:.4f} %)"
    return "\n".join([head + end, *(f"  {line}" for one in report["models"] for line in _of_model(one))])


def commit(one: Report) -> str:
    """Return a commit in one line."""
    number = f"  #{one['pull_request']}" if one["pull_request"] else ""
    return f"{time(one['committed'])}  {one['revision'][:7]}  {one['author']}{number}  {one['subject']}"


def time(text: str) -> str:
    """Return a time in UTC to the second."""
    return f"{text[:19].replace('T', ' ')} UTC"


def _answer(answer: Report) -> Iterator[str]:
    named = f", transaction {answer['transaction_id']}" if answer["transaction_id"] is not None else ""
    yield f"{answer['id']}{named}, {time(answer['time'])}"
    said = "fraud" if answer["is_fraud"] else "no fraud"
    yield f"{said}: probability {answer['probability']!r}, threshold {answer['threshold']!r}"


def _features(features: Report | str) -> list[str]:
    if isinstance(features, str):
        return [features]
    return _wrapped([f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in features.items()])


def _wrapped(words: list[str]) -> list[str]:
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > 100:
            lines.append("")
        lines[-1] += f", {word}" if lines[-1] else word
    return lines


def _feedback(feedback: list[Report]) -> list[str]:
    lines = [
        f"{time(one['time'])}  {'fraud' if one['actual'] else 'no fraud'}  (by {one['source']})" for one in feedback
    ]
    return [*lines[:-1], f"{lines[-1]}, which counts" if len(lines) > 1 else lines[-1]] if lines else ["none"]


def _pinned(history: Report) -> Iterator[str]:
    for span in history["spans"]:
        yield f"on {history['branch']}: {commit(span['from'])}"
        yield f"  until {commit(span['until'])}" if span["until"] else "  until now"
    firsts = {span["from"]["revision"] for span in history["spans"]}
    for one in history["commits"]:
        if one["sets_it"] and one["revision"] not in firsts:
            how = f"came to {history['branch']} with {one['brought_by'][:7]}" if one["brought_by"] else "on a branch"
            yield f"{how}: {commit(one)}"
    yield (
        f"by {len(history['commits'])} commits in all (JSON=1 lists them)"
        if history["commits"]
        else "by no commit here"
    )
    if history["shallow"]:
        yield "this clone is shallow, so that there may be more: `git fetch --unshallow`"


def _training(training: Report | None) -> Iterator[str]:
    if training is None:
        yield "not known"
        return
    for one in training["batches"]:
        md5s = [f"{kind} as {one[kind]}" for kind in ("delivered", "ingested") if one[kind]]
        yield f"{one['batch']}  {', '.join(md5s) or 'md5 not known: neither cache nor remote has the listing'}"
    yield f"{training['rows']} rows, {training['frauds']} frauds, data set {training['dataset']}"


def _params(params: Report | None) -> list[str]:
    return [f"{name}: {_flat(value)}" for name, value in (params or {}).items()] or ["not known"]


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(one) if not isinstance(one, dict) else f'({_flat(one)})'}"
                         for key, one in value.items())  # fmt: skip
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def _metrics(metrics: Report | None) -> list[str]:
    return [_metric(name, one) for name, one in (metrics or {}).items()] or ["not known"]


def _metric(name: str, one: Report) -> str:
    bounds = one["interval"]
    between = f" ({bounds[0]} to {bounds[1]})" if bounds else ""
    return f"{name} {'-' if one['value'] is None else one['value']}{between}"


def _drift(drift: Report | None) -> list[str]:
    return list((drift or {}).get("sentences") or ["not known"])


def _gate(report: Report) -> list[str]:
    gate = report["gate"]
    if gate is None:
        return ["there was no gate" if report["history"]["commits"] else "not known"]
    judged = gate.get("gate") or {}
    why = f"{gate.get('reason') or 'reason not known'}, week {gate.get('week')}"
    return [str(judged.get("sentence") or judged.get("verdict") or "no verdict"), f"retrained for: {why}"]


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _replay(replay: Report | None) -> list[str]:
    return list(_of_model(replay, short=True)) if replay else ["not asked for (REPLAY=1)"]


def _of_model(one: Report, *, short: bool = False) -> Iterator[str]:
    name = "" if short else f"{one['model']}  "
    if one["problem"]:
        yield f"{name}not scored, as told below"
        return
    if one["equal"] == one["rows"]:
        yield f"{name}equal to the last bit" + ("" if short else f", {_count(one['rows'], 'answer')}")
        return
    counts = ", ".join(f"{what} of {count}" for what, count in one["differ"].items())
    yield f"{name}{one['rows'] - one['equal']} of {one['rows']} answers differ: {counts}"
    for each in one["first"]:
        hint = ": FRAUD_THRESHOLD was set, set it to that to compare" if each["what"] == "threshold" else ""
        yield f"  {each['id']}  {each['what']} is {each['now']!r}, in the log {each['logged']!r}{hint}"


def _reproduction(made: Report | None) -> list[str]:
    if made is None:
        return ["not asked for (REPRODUCE=1)"]
    if made["problem"]:
        return ["not run to its end, as told below"]
    same = "gave the same model again" if made["found"] == made["pinned"] else f"gave {made['found']}"
    return [f"commit {made['commit'][:7]} {same}", *(f"  {line}" for line in made["differ"])]
