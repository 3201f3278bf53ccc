"""The text of a pull request that proposes a model: title and body."""

import hashlib
import re
from typing import NamedTuple

from fraud.batches import in_order
from fraud.loop.files import MODEL
from fraud.loop.git import resolved
from fraud.loop.pages.drift_reports import Check, Drift, Part, Week
from fraud.loop.proposing import difference
from fraud.loop.proposing.facts import Gate, Proposal
from fraud.loop.proposing.revision import side
from fraud.markdown import code, interval, number, ours, plain, table

MARKER = re.compile(r"<!-- fraud-retrain model=(\w*) text=(\w+) -->")
CHECKS, WEEKS = 10, 12  # Rows of the tables.
METRICS = {"average_precision": 3, "recall": 3, "saved_per_1000": 0}  # With their decimals.
REASONS = {
    "drift": "drift fired",
    "follow_up": "the weeks that drifted can be trained on by now",
    "schedule": "the schedule asks for it",
    "push": "code, parameters or data on main changed",
    "force": "a person asked for it",
}


class Text(NamedTuple):
    """What a pull request says; the body begins with a marker that nobody sees."""

    title: str
    body: str


def text(one: Proposal, base: str, report: str | None) -> Text:
    """Return title and body of a pull request into branch `base`; `report` is the address of the run's artifacts."""
    title, content = _title(one), _content(one, base, report)
    return _marked(title, content, one.model)


def of_rollback(branch: str, commit: str) -> Text:
    """Return what the pull request of a branch says that goes back to an earlier model."""
    before, after = side(resolved(f"{commit}^")), side(commit)
    parts = {
        "Parameters": difference.params(before, after),
        "Data and model": difference.data(before, after),
    }
    told = "\n\n".join(f"### {name}\n\n{part}" for name, part in parts.items() if part)
    content = f"{code(branch)} goes back to an earlier model. Merging it deploys that one.\n\n{told}\n"
    title = f"Go back to model {after.pins[MODEL][:6]}"
    return _marked(title, content, after.pins[MODEL])


def _marked(title: str, content: str, model: str) -> Text:
    """Return a text whose marker tells the model, and whether anybody changed the text since."""
    digest = hashlib.sha256(f"{title}\n{content}".encode()).hexdigest()[:16]
    return Text(title, f"<!-- fraud-retrain model={model} text={digest} -->\n{content}")


def _title(one: Proposal) -> str:
    batches = [*one.window.train.batches, *one.window.test.batches]
    weeks = " to ".join(dict.fromkeys(plain(batch) for batch in (batches[0], batches[-1]))) if batches else "new weeks"
    return f"Retrain on {weeks}: {_cause(one)}"


def _cause(one: Proposal) -> str:
    if one.retrain.reason != "drift":
        return REASONS[one.retrain.reason]
    names = [plain(check.title) for check in _fired(one.drift)]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"drift in {', '.join(names[:2])}{more}" if names else REASONS["drift"]


def _fired(drift: Drift) -> list[Check]:
    return [check for check in (*drift.features, *drift.others) if check.fired]


def _content(one: Proposal, base: str, report: str | None) -> str:
    parts = {
        "": _verdict(one),
        "Both models on the same rows: this decides": _compared(one.retrain.gate),
        "What came in the batches": difference.batches(one.after),
        "Where the labels come from": difference.labels(one.before, one.after),
        "Drift": _drift(one.drift),
        "How well the model did: promised without labels, and what came true": _weeks(one.estimates),
        "Parameters": difference.params(one.before, one.after),
        "Data and model": difference.data(one.before, one.after),
        "For the record": _record(one),
        "Report": f"[The reports of the run]({report})" if report else "",
        "Try it": _try(one, base),
        "Roll it back": _back(one, base),
    }
    return "\n\n".join(f"### {name}\n\n{part}" if name else part for name, part in parts.items() if part) + "\n"


def _verdict(one: Proposal) -> str:
    fired = dict.fromkeys(check.week for check in _fired(one.drift)) if one.retrain.reason == "drift" else {}
    drifted = ", ".join(code(week) for week in in_order(fired or one.retrain.drifted)[:WEEKS])
    why = REASONS[one.retrain.reason] + (f": {drifted}" if drifted else "")
    return (
        f"**{ours(' '.join(one.retrain.gate.sentence.split()))}**\n\nWhy now: {why}.\n"
        f"Trained on {_span(one.window.train)}, tested on {_span(one.window.test)}."
    )


def _span(part: Part) -> str:
    ends = list(dict.fromkeys(code(batch) for batch in (part.batches[:1] + part.batches[-1:])))
    return f"{' to '.join(ends) or 'nothing'} ({part.rows:,} rows)"


def _compared(gate: Gate) -> str:
    if not gate.table:
        return "There was nothing to compare with, so a person has to decide."
    return (
        f"{ours(gate.table)}\n\nChampion: the model in place now. Candidate: the one proposed. Both on the same "
        f"{gate.rows:,} test rows with {gate.frauds:,} frauds, which neither was trained on."
    )


def _record(one: Proposal) -> str:
    """Return what each commit says of its own model, folded and with a warning where the rows differ."""
    same = difference.same_rows(one.before, one.after)
    title = "Every metric" if same else "Every metric, each model on the test rows of its own commit"
    warning = (
        ""
        if same
        else (
            "These are different rows, so this table says nothing of which model is better: "
            "the one on the same rows above does.\n\n"
        )
    )
    every = difference.metrics(one.before, one.after)
    return f"<details><summary>{title}</summary>\n\n{warning}{every}\n\n</details>"


def _drift(drift: Drift) -> str:
    checks = [*drift.features, *drift.others]
    furthest = sorted(checks, key=lambda check: -1e9 if check.fired else -check.effect / check.threshold)[:CHECKS]
    rows = [
        [
            code(check.title),
            code(check.week),
            number(check.effect),
            number(check.threshold),
            "yes" if check.fired else "no",
            number(check.importance),
        ]
        for check in furthest
    ]
    names = ["check", "week", "effect", "threshold", "fired", "importance to the model"]
    left = f" {len(checks) - len(rows)} checks that went less far are left out." if len(checks) > len(rows) else ""
    return f"{table(names, rows)}\n\nEffect: 0 is the same, 1 wholly different.{left}" if rows else ""


def _weeks(weeks: list[Week]) -> str:
    rows = [
        [code(week.week), f"{week.labelled:,} of {week.rows:,}", *(_held(week, name) for name in METRICS)]
        for week in reversed(weeks[-WEEKS:])
    ]
    return table(["week", "labelled", *(f"{name}: promised, came true" for name in METRICS)], rows) if rows else ""


def _held(week: Week, name: str) -> str:
    value, *band = week.estimated.get(name, (None, None, None))
    places, true = METRICS[name], week.realised.get(name) if week.labelled else None
    return f"{number(value, places)} ({interval(band, places) or 'no band'}), {number(true, places)}"


def _try(one: Proposal, base: str) -> str:
    return (
        f"```\ngit fetch origin {one.branch} && git switch --detach FETCH_HEAD\nmake pull\n"
        f"make gate BASE=origin/{base}\nmake serve\n```"
    )


def _back(one: Proposal, base: str) -> str:
    if MODEL not in one.before.pins:
        return "There was no model before this one: after `git revert` of the merge there is none to serve."
    return (
        "After the merge: `git revert -m 1` with the merge commit (without `-m 1` where it was squashed), and push. "
        f"Then {base} pins model {code(one.before.pins[MODEL])} again, and what is deployed follows it; "
        "`dvc checkout` brings it into a working copy."
    )
