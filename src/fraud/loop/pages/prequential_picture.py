"""Draw average precision by week, a line a policy, and when each policy retrained; readable on light and dark pages."""

from collections.abc import Sequence
from html import escape
from itertools import groupby

from fraud.loop.pages.svg import Axis, dot, even_ticks, text
from fraud.loop.rolling.policies import Step

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 820, 150, 790, 72, 292
ROW = 26  # Between the policies' lines of dots.
METRIC = "average_precision"
STYLE = """
svg { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
svg { --card: #fff; --ink: #1b2130; --soft: #5a6375; --grid: #e2e5eb; }
svg { --p0: #8b94a5; --p1: #1f5fbf; --p2: #b4450f; --p3: #1c7349; }
@media (prefers-color-scheme: dark) {
  svg { --card: #1a1f28; --ink: #e7eaf0; --soft: #a0a9b8; --grid: #2d3440; }
  svg { --p0: #8b94a5; --p1: #74acff; --p2: #ff9d66; --p3: #62cf9b; }
}
text { fill: var(--ink); } .soft { fill: var(--soft); font-size: 13px; } .title { font-size: 16px; font-weight: 600; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
path { fill: none; stroke-width: 2.2; stroke-linejoin: round; } .grid { stroke: var(--grid); stroke-width: 1; }
.card { fill: var(--card); } circle { stroke-width: 2; }
.p0 { --tone: var(--p0); } .p1 { --tone: var(--p1); } .p2 { --tone: var(--p2); } .p3 { --tone: var(--p3); }
path[class^=p] { stroke: var(--tone); } .new { fill: var(--tone); stroke: var(--tone); }
.fired { fill: var(--card); stroke: var(--tone); }
path.p0 { stroke-width: 7; stroke-opacity: .5; } path.p3 { stroke-dasharray: 8 5; }
"""


def picture(steps: dict[str, list[Step]], title: str) -> str:
    """Return an SVG file; a week in which the metric is not defined is a gap in the lines."""
    walked = list(steps.values())
    weeks = [one.week for one in walked[0]]
    high = max([one.measured[METRIC] or 0 for line in walked for one in line]) or 1
    up = Axis("average precision", even_ticks(high), "{:g}".format)
    bottom = BOTTOM + 50 + ROW * len(steps)
    drawing = _axes(up, weeks)
    for place, line in enumerate(walked):
        drawing += _line(up, line, f"p{place}")
    for place, (policy, line) in enumerate(steps.items()):
        drawing += _strip(BOTTOM + 50 + ROW * place, policy, line, f"p{place}")
    name, height = escape(title), bottom + 26
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {height}">\n<title>{name}</title>\n'
        f'<style>{STYLE}</style>\n<rect class="card" width="{WIDTH}" height="{height}" rx="8"/>\n'
        f"{text((20, 30), title, 'title')}\n{drawing}\n{_key(bottom + 4)}\n</svg>\n"
    )


def _across(place: int, weeks: int) -> float:
    return LEFT + (RIGHT - LEFT) * (place + 0.5) / weeks


def _axes(up: Axis, weeks: Sequence[str]) -> str:
    drawing = text((20, TOP - 14), up.label, "soft")
    for tick in up.ticks:
        height = BOTTOM - (BOTTOM - TOP) * up.share(tick)
        drawing += f'<path class="grid" d="M{LEFT} {height:.1f}H{RIGHT}"/>'
        drawing += text((LEFT - 8, height + 4), up.text(tick), "soft end")
    short = len(set(map(len, weeks))) == 1 and len({week[:5] for week in weeks}) == 1
    for place, week in enumerate(weeks):
        drawing += text((_across(place, len(weeks)), BOTTOM + 20), week[5:] if short else week, "soft middle")
    return drawing


def _line(up: Axis, line: Sequence[Step], kind: str) -> str:
    places = [(_across(place, len(line)), one.measured[METRIC]) for place, one in enumerate(line)]
    parts = [list(part) for known, part in groupby(places, lambda one: one[1] is not None) if known]
    path = ""
    for part in parts:
        path += "M" + "L".join(f"{x:.1f} {BOTTOM - (BOTTOM - TOP) * up.share(value):.1f}" for x, value in part)
    return f'<path class="{kind}" d="{path}"/>'


def _strip(height: int, policy: str, line: Sequence[Step], kind: str) -> str:
    """Return a policy's name and dots: filled where a new model was live, hollow where drift was seen."""
    drawing = f'<path class="{kind}" d="M20 {height - 5}h22"/>' + text((50, height), policy.replace("_", " "), "")
    for place, one in enumerate(line):
        where = _across(place, len(line)), height - 5
        if one.fired:
            drawing += dot(where, 8, f"fired {kind}", f"{one.week}: drift")
        if one.retrained:
            drawing += dot(where, 4, f"new {kind}", f"{one.week}: a new model, trained up to {one.until}")
    return drawing


def _key(height: int) -> str:
    return (
        dot((LEFT + 8, height + 3), 4, "new p0", "retrained")
        + text((LEFT + 20, height + 8), "a new model is live", "soft")
        + dot((LEFT + 168, height + 3), 8, "fired p0", "drift")
        + text((LEFT + 184, height + 8), "drift is seen at the end of this week", "soft")
    )
