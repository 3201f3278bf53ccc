"""Say which model main pinned at a time, and which ones answered around it, so that the lag of a deployment shows."""

import json
from datetime import UTC, datetime
from typing import Any

from fraud.errors import Problem, run
from fraud.loop.command_line import Parser
from fraud.loop.files import LOCK
from fraud.loop.lockfile import model_at
from fraud.loop.trace import commit, span
from fraud.loop.tracing import trace_text
from fraud.loop.tracing.answers import Answer, around, first_by, opened
from fraud.loop.tracing.lock_history import History, Span, pins, read, standing
from fraud.loop.weeks import written

FORM = "make which-model AT=2026-11-03T12:00 [JSON=1]"


def moment(text: str) -> datetime:
    """Return a time; one without an offset is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(f"AT={text}: expected a time like 2026-11-03T12:00, or 2026-11-03T13:00+01:00; {FORM}") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def which(time: datetime) -> dict[str, Any]:
    """Return what main pinned at a time and since when, and which answers surround it."""
    history = read()
    stood = standing(history, time)
    if stood is None:
        raise Problem(_too_early(history, time))
    md5 = model_at(stood.revision)
    during = _during(history, md5, stood.revision) if md5 else None
    report: dict[str, Any] = {
        "at": time.isoformat().replace("+00:00", "Z"),
        "branch": history.trunk,
        "commit": commit(stood),
        "model": md5,
        "span": span(during) if during else None,
        "before": None,
        "after": None,
        "first_by_it": None,
        "problems": [],
    }
    try:
        return report | _answers(time, md5, during)
    except Problem as problem:
        return report | {"problems": [str(problem)]}


def _too_early(history: History, time: datetime) -> str:
    first = history.main[0]
    remedy = "this clone is shallow: `git fetch --unshallow`" if history.shallow else "ask for a later time"
    return f"AT={time:%Y-%m-%dT%H:%M}Z: {history.trunk} begins {first.committed:%Y-%m-%dT%H:%M}Z here; {remedy}"


def _during(history: History, md5: str, revision: str) -> Span | None:
    """Return the span in which main stood at a commit."""
    places = {one.revision: place for place, one in enumerate(history.main)}
    begun = [one for one in pins(history, md5).spans if places[one.first.revision] <= places[revision]]
    return begun[-1] if begun else None


def _answers(time: datetime, md5: str | None, during: Span | None) -> dict[str, Any]:
    with opened() as log:
        before, after = around(log, written(time))
        first = first_by(log, md5, written(during.first.committed)) if md5 and during else None
    return {"before": _told(before), "after": _told(after), "first_by_it": _told(first)}


def _told(answer: Answer | None) -> dict[str, Any] | None:
    return answer and {"id": answer.id, "time": f"{answer.ts.replace(' ', 'T')}Z", "model": answer.model}


def told(report: dict[str, Any]) -> str:
    """Return it in words."""
    pinned = report["model"]
    lines = [f"{report['branch']} at {trace_text.time(report['at'])}: {pinned or f'{LOCK} pinned no model'}"]
    if report["span"]:
        until = report["span"]["until"]
        lines.append(f"  since {trace_text.commit(report['span']['from'])}")
        lines.append(f"  until {trace_text.commit(until) if until else _so_far(report['at'])}")
    if not report["problems"]:
        lines += [f"{name}: {_in_words(report[key], pinned)}" for key, name in NAMES.items()]
        lines += [_lag(report)] if report["span"] else []
    return "\n".join(lines)


def _so_far(at: str) -> str:
    ahead = datetime.fromisoformat(at) > datetime.now(UTC)
    return "now; the time that was asked for is still to come" if ahead else "now"


NAMES = {"before": "last answer up to then", "after": "first answer after it"}


def _in_words(answer: dict[str, Any] | None, pinned: str | None) -> str:
    if answer is None:
        return "none in the log"
    other = "" if answer["model"] == pinned else ", another model"
    return f"{answer['model']} at {trace_text.time(answer['time'])}{other}"


def _lag(report: dict[str, Any]) -> str:
    if report["first_by_it"] is None:
        return "the log has no answer by that model since then"
    start, first = (
        datetime.fromisoformat(text) for text in (report["span"]["from"]["committed"], report["first_by_it"]["time"])
    )
    return f"it answered first {(first - start).total_seconds():.0f} s after it was pinned"


def main(*arguments: str) -> None:
    """Print it; a log that is away does not hide what git knows."""
    parser = Parser("make which-model", FORM)
    parser.add_argument("at")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    report = which(moment(given.at))
    print(json.dumps(report, indent=2, ensure_ascii=False) if given.json else told(report), flush=True)
    if report["problems"]:
        raise Problem(report["problems"][0])


if __name__ == "__main__":
    run(main)
