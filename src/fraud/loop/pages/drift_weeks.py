"""Draw what changes from week to week: the effects of checks, and estimates beside what came true."""

import math
from collections.abc import Callable, Sequence

from fraud.loop.pages.drift_reports import METRIC, Check, DriftReports, Week
from fraud.loop.pages.page import number
from fraud.loop.pages.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Frame,
    Points,
    bar,
    dot,
    even_ticks,
    figure,
    short,
    text,
)

WEEKS, NAMED = 20, 4  # The newest weeks that are drawn, and how many weeks or lines get a name.
LETTERS, LETTER, LINE = 34, 8, 16  # Of a name at a line, the width of one, and from one such name to the next.
TALL = 4  # Times the threshold, from which on the axis is a square root, so that what is near 1 stays legible.


def over_weeks(reports: DriftReports, checks: Sequence[Check], title: str, caption: str) -> str:
    """Return each check's effect over its threshold by week; the first of the checks are named."""
    weeks = reports.split.current.batches[-WEEKS:]
    lines = [_line(reports, check, weeks) for check in checks]
    high = max([1.0, *(ratio for line in lines for _, ratio in line)])
    share = Axis("effect, as a share of the threshold", even_ticks(1.1 * high), "{:,g}".format, _bend(high))
    frame = Frame(_axis(weeks), share)
    drawing = frame.axes() + frame.line([(0, 1), (len(weeks), 1)], "limit")
    for check, line in reversed(list(zip(checks, lines, strict=True))):
        drawing += _drawn(frame, check, line)
    return figure(title, caption, drawing + _names(frame, dict(zip([one.title for one in checks], lines, strict=True))))


def _bend(high: float) -> Callable[[float], float]:
    return math.sqrt if high > TALL else float


def _axis(weeks: Sequence[str]) -> Axis:
    """Return an axis with a place for each week, of which a few are named, the newest among them."""
    step = math.ceil(len(weeks) / NAMED)
    named = {place + 0.5: week for place, week in enumerate(weeks) if (len(weeks) - 1 - place) % step == 0}
    return Axis("week", [0, *named, len(weeks)], lambda tick: short(named.get(tick, ""), 9))


def _line(reports: DriftReports, check: Check, weeks: Sequence[str]) -> Points:
    places = {week: place + 0.5 for place, week in enumerate(weeks)}
    return [(places[one.week], one.ratio) for one in reports.effects if one.title == check.title and one.week in places]


def _drawn(frame: Frame, check: Check, line: Points) -> str:
    kind = "fired" if check.fired else "now"
    drawing = frame.line(line, f"{kind} thin") if len(line) > 1 else ""
    return drawing + "".join(
        dot(frame.at(*point), 3, "alarming" if point[1] > 1 else "calmly", f"{check.title}: {number(point[1])}")
        for point in line
    )


def _names(frame: Frame, lines: dict[str, Points]) -> str:
    """Return the names of the first lines at their highest points, each below the one before."""
    tops = [(frame.at(*max(line, key=lambda point: point[1])), name) for name, line in lines.items() if line][:NAMED]
    drawing, last = "", TOP - LINE + 10.0
    for (x, y), title in sorted(tops, key=lambda top: top[0][1]):
        last = min(max(y - 7, last + LINE), BOTTOM - 4)
        name = short(title, LETTERS)
        drawing += text((min(x + 8, WIDTH - LETTER * len(name)), last), name, "strong")
    return drawing


def estimates(weeks: Sequence[Week]) -> str:
    """Return what the scores promise of each week with its band, and what came true where labels are known."""
    newest = weeks[-WEEKS:]
    high = max([0.1, *(value for one in newest for value in _values(one) if value is not None)])
    axis = Axis("average precision", even_ticks(high), "{:g}".format)
    frame = Frame(_axis([one.week for one in newest]), axis)
    drawing = frame.axes() + "".join(_promise(frame, place + 0.5, one) for place, one in enumerate(newest))
    caption = (
        "Bars: the 95 % band of what the probabilities promise, without a label of the week; the stroke in it is "
        "the expected value. Dots: what the labels say, ringed within the band, filled outside it."
    )
    return figure("What the scores promise, and what came true", caption, drawing)


def _values(week: Week) -> list[float | None]:
    return [*week.estimated[METRIC], week.realised[METRIC]]


def _promise(frame: Frame, x: float, week: Week) -> str:
    """Return a week's band, expected value and realised one; what is not known is left out."""
    value, low, high, truth = _values(week)
    wide, drawing = min(16.0, 0.5 * (RIGHT - LEFT) / frame.x.ticks[-1]), ""
    if value is not None and low is not None and high is not None:
        (place, top), (_, bottom), (_, middle) = (frame.at(x, y) for y in (high, low, value))
        drawing += bar((place - wide / 2, top), (wide, bottom - top), "calmly", 0.35)
        drawing += f'<path class="now" d="M{place - wide / 2:.1f} {middle:.1f}h{wide:.1f}"/>'
    if truth is not None:
        kind = "ring" if week.standing(METRIC) == "within" else "chosen"
        drawing += dot(frame.at(x, truth), 4.5, kind, f"{week.week}: {number(truth)}, {week.standing(METRIC)}")
    return drawing
