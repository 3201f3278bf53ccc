"""Tables of drift: the checks that look at no feature's values, and estimates beside what came true."""

from html import escape

from fraud.loop.pages.drift_reports import Check, DriftReports, Week
from fraud.loop.pages.page import NONE, chance, number
from fraud.loop.plots import WORDS

MEANS = {  # What the checks that are no features look at, by kind and name, and then by kind.
    ("score", "all payments"): "The probabilities that the model gives; they move when what the model relies on moves.",
    (
        "score",
        "known frauds",
    ): "The probabilities of the payments that turned out to be fraud; new kinds of fraud show here.",
    ("classifier", "all features together"): (
        "Whether a simple model can tell a week's payments from the training ones; it sees what no feature shows alone."
    ),
    ("fraud rate", "labels"): "The share of fraud among the payments whose labels are known.",
    ("missing", None): "The share of payments without a value of {name}.",
}


def checks(reports: DriftReports) -> str:
    """Return the checks that look at no feature's values, each with what it is."""
    rows = ""
    for one in reports.drift.others:
        means = MEANS.get((one.kind, one.name), MEANS.get((one.kind, None), "")).replace("{name}", one.name)
        cells = [number(one.effect), number(one.threshold), escape(chance(one.chance)), escape(one.week)]
        rows += f"<tr><th scope=row>{escape(one.title)}{_beyond(one)}<small>{escape(means)}</small></th>"
        rows += "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"
    if not rows:
        return ""
    head = "".join(f"<th scope=col>{name}</th>" for name in ("Check", "Effect", "Threshold", "Chance", "Week"))
    return (
        "<section>\n<h2>What else is checked</h2>\n<p>Each in the week in which it came nearest to its threshold or "
        "went furthest beyond. Effect: 0 is the same, 1 wholly different. Chance: how often an ordinary week goes so "
        "far.</p>\n"
        f'<table class="checks">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</section>\n'
    )


def _beyond(check: Check) -> str:
    return ' <span class="outside">beyond its threshold</span>' if check.fired else ""


def estimated(reports: DriftReports) -> str:
    """Return what the scores promise of each week beside what came true, newest week first."""
    if not reports.estimates:
        return ""
    weeks = "".join(_week(one, reports.currency) for one in reversed(reports.estimates))
    head = "".join(f"<th scope=col>{name}</th>" for name in ("Metric", "Promised, 95 % band", "Came true", "The band"))
    return (
        "<section>\n<h2>How well the model does, before labels and after</h2>\n"
        "<p>Promised by the model's probabilities without a label of the week, newest first; those of current weeks "
        "are first held against the labelled test weeks. A value outside the band says that the probabilities do not "
        "hold for that week; by chance alone it is one value in twenty.</p>\n"
        f'<table class="estimates">\n<thead><tr>{head}</tr></thead>\n{weeks}</table>\n</section>\n'
    )


def _week(week: Week, currency: str) -> str:
    known = "no label yet" if not week.labelled else f"{week.labelled:,} labelled, {week.frauds:,} of them fraud"
    title = (
        f"{week.week} ({week.part}): {week.rows:,} payments, {number(week.expected_frauds)} frauds promised; {known}"
    )
    rows = f'<tr class="week"><th colspan=4 scope=rowgroup>{escape(title)}</th></tr>\n'
    for name in [*(name for name in WORDS if name in week.estimated), *sorted(set(week.estimated) - set(WORDS))]:
        value, low, high = week.estimated[name]
        words, means, unit = WORDS.get(name, (name, "", ""))
        band = NONE if low is None or high is None else f"{number(low, unit)} to\N{NO-BREAK SPACE}{number(high, unit)}"
        truth = number(week.realised[name], unit) if week.labelled else "\N{EN DASH}"
        where = week.standing(name)
        tone = ' class="outside"' if where in ("below", "above") else ""
        rows += (
            f"<tr><th scope=row>{escape(words)}<small>{escape(means.format(currency=currency))}</small></th>"
            f"<td>{number(value, unit)}<small>{band}</small></td><td>{truth}</td><td{tone}>{where}</td></tr>\n"
        )
    return f"<tbody>\n{rows}</tbody>\n"
