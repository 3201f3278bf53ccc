"""Draw the reports: five plots of the model, and drift."""

import math
from collections import Counter
from html import escape
from typing import Any

from fraud.loop.pages.page import NONE, number, percent
from fraud.loop.pages.reports import Reports
from fraud.loop.pages.svg import LEFT, RIGHT, TOP, Axis, Frame, bar, dot, even_ticks, figure, logarithm, short, text

CHECKS, LETTERS = 12, 30  # How many checks of drift are drawn, and how much of their names.
WORDS = {"bin": "probability", "before": "score before calibration"}
CLASSES = ("legitimate", "fraud")  # ... as reports/plots/confusion.csv calls them.


def _tick(value: float) -> str:
    return f"{100 * value:g} %"


def precision_recall(reports: Reports) -> str:
    """Return precision over recall with the rate of fraud, which alerts at random reach."""
    metrics, points = reports.metrics, reports.points["precision_recall"]
    shares, rate = [0, 0.25, 0.5, 0.75, 1], metrics["frauds"] / metrics["rows"]
    frame = Frame(Axis("recall: frauds that get an alert", shares, _tick), Axis("alerts that are fraud", shares, _tick))
    drawing = frame.axes() + frame.line([(0, rate), (1, rate)], "guide") + frame.steps([(0, points[0][1]), *points])
    drawing += text((LEFT + 6, frame.at(0, rate)[1] - 6), f"rate of fraud {percent(rate)}", "note")
    if None not in (metrics["precision"], metrics["recall"]):
        drawing += frame.mark(metrics["recall"], metrics["precision"], f"threshold {number(metrics['threshold'])}")
    caption = (
        f"At the threshold in use: precision {percent(metrics['precision'])}, recall {percent(metrics['recall'])}. "
        "Precision is the share of alerts that are fraud; alerts at random reach the dashed line."
    )
    return figure("The more frauds are caught, the more alerts are false", caption, drawing)


def roc(reports: Reports) -> str:
    """Return the share of frauds over the share of legitimate payments that get an alert."""
    shares, counts = [0, 0.25, 0.5, 0.75, 1], reports.decisions
    false, caught = (_row_share(counts, actual, "fraud") for actual in ("legitimate", "fraud"))
    frame = Frame(Axis("legitimate payments with an alert", shares, _tick), Axis("frauds with an alert", shares, _tick))
    drawing = frame.axes() + frame.line([(0, 0), (1, 1)], "guide") + frame.line(reports.points["roc"], "curve")
    drawing += text(frame.at(0.63, 0.52), "by chance", "note")
    if false is not None and caught is not None:
        drawing += frame.mark(false, caught, f"threshold {number(reports.metrics['threshold'])}")
    caption = (
        f"ROC. Alerts at the threshold in use: frauds {percent(caught)}, legitimate payments {percent(false)}. "
        "The nearer the curve to the upper left corner, the better."
    )
    return figure("How many legitimate payments are disturbed to catch the frauds", caption, drawing)


def reliability(reports: Reports) -> str:
    """Return observed over predicted shares of fraud; both axes are square roots, as most probabilities are small."""
    shares = [0, 0.01, 0.1, 0.25, 0.5, 0.75, 1]
    across = Axis("probability that the model gives", shares, _tick, math.sqrt)
    frame = Frame(across, across._replace(label="share that is fraud"))
    drawing, names, last = frame.axes() + frame.line([(0, 0), (1, 1)], "guide"), "", (0.0, 0.0, 0)
    drawing += "".join(_bin(frame, point, "before") for point in reports.points["reliability_before"])
    for point in reports.points["reliability"]:
        (x, y), radius, name = frame.at(*point[:2]), _radius(point[2]), _short(point[2])
        drawing += _bin(frame, point, "bin")
        away, line = (radius + 13, 12) if point[1] > 0.5 else (-radius - 4, -12)
        touches = x - last[0] < 4 * (len(name) + last[2]) + 4 and abs(y + away - last[1]) < 12
        last = (x, last[1] + line if touches else y + away, len(name))  # A number keeps clear of the one before.
        names += text(last[:2], name, "tick middle")
    for row, (kind, words) in enumerate((("bin", "after calibration"), ("before", "scores before it"))):
        names += dot((LEFT + 16, TOP + 16 + 20 * row), 5.5, kind, words)
        names += text((LEFT + 28, TOP + 20 + 20 * row), words, "note")
    caption = (
        "Reliability: on the dashed line, as many payments are fraud as the probability says. The number at a dot "
        "counts its payments (k: thousands); of few, the share strays by chance. Both axes are stretched near 0."
    )
    return figure("Whether a probability of 10 % means fraud in one of ten payments", caption, drawing + names)


def _bin(frame: Frame, point: tuple[float, ...], kind: str) -> str:
    predicted, observed, rows = point
    words = f"{rows:,.0f} payments: {WORDS[kind]} {percent(predicted)}, fraud {percent(observed)}"
    return dot(frame.at(predicted, observed), _radius(rows), kind, words)


def _radius(rows: float) -> float:
    return 3 + 1.8 * math.log10(rows)


def _short(rows: float) -> str:
    return f"{rows:.0f}" if rows < 1000 else f"{rows / 1000:,.{int(rows < 10_000)}f}k"


def _row_share(counts: Counter[tuple[str, str]], actual: str, predicted: str) -> float | None:
    total = sum(counts[actual, other] for other in CLASSES)
    return counts[actual, predicted] / total if total else None


def confusion(reports: Reports) -> str:
    """Return the payments by what they were and what they got, with each count's share of its row."""
    drawing = "".join(_cell(reports.decisions, row, column) for row in (0, 1) for column in (0, 1))
    for place, (actual, decision) in enumerate(zip(CLASSES, ("no alert", "alert"), strict=True)):
        drawing += text((84, 110 + 124 * place), actual, "axis end") + text(
            (165 + 146 * place, 32), decision, "axis middle"
        )
    caption = (
        f"Decisions at the threshold {number(reports.metrics['threshold'])}; a row is what payments turned out to be."
    )
    return figure("Which payments get an alert, and which frauds pass", caption, drawing)


def _cell(counts: Counter[tuple[str, str]], row: int, column: int) -> str:
    actual, predicted = CLASSES[row], CLASSES[column]
    share, kind = _row_share(counts, actual, predicted), "calmly" if row == column else "alarming"
    x, y, words = 165 + 146 * column, 106 + 124 * row, NONE if share is None else f"{percent(share)} of the row"
    count = text((x, y + 2), f"{counts[actual, predicted]:,}", "large plain middle")
    field = bar((x - 71, y - 60), (142, 120), kind, 0.06 + 0.3 * (share or 0))
    return field + count + text((x, y + 24), words, "plain middle")


def cost(reports: Reports) -> str:
    """Return cost over threshold; without a model it is what the threshold in use costs and what it saves."""
    threshold, saved = reports.metrics["threshold"], reports.metrics["saved_per_1000"]
    points = reports.points["cost"]
    here = next((height for place, height in points if place >= threshold), None)
    without = None if here is None or saved is None else here + saved
    high = max(height for _, height in points)
    if here is not None and without is not None:
        high = min(
            high, 1.5 * max(here, without)
        )  # An alert for every payment costs so much that it would hide the rest.
    lowest = next(place for place, height in points if height <= high)
    decades = [10.0**power for power in range(min(-1, math.floor(logarithm(lowest))), 1)]
    across = Axis("threshold (probability, log scale)", decades, _plain, logarithm)
    frame = Frame(across, Axis("cost per 1,000 payments", even_ticks(high or 1), "{:,g}".format))
    drawing = frame.axes() + frame.steps(points)
    if without is not None:
        drawing += frame.line([(decades[0], without), (1, without)], "guide")
        drawing += text((RIGHT - 4, frame.at(1, without)[1] - 6), f"no model: {number(without)}", "note end")
    if here is not None:
        drawing += frame.line([(threshold, 0), (threshold, frame.y.ticks[-1])], "guide")
        drawing += frame.mark(threshold, here, f"threshold {number(threshold)}")
    caption = (
        f"Missed frauds and alerts together, in {reports.slices['currency']}. The threshold in use saves "
        f"{number(saved)} per 1,000 payments. Left of the lowest point alerts cost too much, right of it frauds do."
    )
    return figure("Where the threshold costs least", caption, drawing)


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def drift(reports: Reports) -> str:
    """Return the checks that came nearest to their threshold or went furthest beyond, features and others together."""
    found = [*reports.drift["features"], *reports.drift["others"]]
    checks = sorted(found, key=lambda one: (-_nearness(one), one["title"]))
    longest = max([1.0, *map(_nearness, checks)])
    limit = f"{8 + (RIGHT - 8) / longest:.1f}"
    drawing = "" if checks else text(((LEFT + RIGHT) / 2, 150), "no rows to compare", "note middle")
    for place, one in enumerate(checks[:CHECKS]):
        y, length = 8 + 26.5 * place, (RIGHT - 8) * _nearness(one) / longest
        kind, name = "alarming" if one["fired"] else "calmly", one["title"]
        drawing += f"<g><title>{escape(name)}</title>" + text((8, y + 10), short(name, LETTERS), "")
        drawing += text((RIGHT, y + 10), f"{number(one['effect'])} of {number(one['threshold'])}", "tick end")
        drawing += bar((8, y + 14), (RIGHT - 8, 5), "track") + bar((8, y + 14), (length, 5), kind)
        drawing += f'<path class="limit" d="M{limit} {y + 12:.1f}v9"/></g>'
    caption = (
        "How far a current week lies from the training payments, as a share of the threshold, the upright line; "
        f"beyond it is drift. Of all checks the {CHECKS} nearest to theirs, each in its worst week."
    )
    return figure("What moved, and whether beyond its threshold", caption, drawing)


def _nearness(check: dict[str, Any]) -> float:
    return check["effect"] / check["threshold"]


FIGURES = (precision_recall, roc, reliability, confusion, cost, drift)
