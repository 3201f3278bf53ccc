"""Draw the values of a feature in the reference and in each week, laid over each other."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from fraud.loop.pages import drift_bins as bins
from fraud.loop.pages.drift_reports import Check, DriftReports
from fraud.loop.pages.page import chance, number, percent
from fraud.loop.pages.svg import WIDTH, figure, short, text
from fraud.profiles import Profile

TALL, SIDE = 170, 10  # The height of a distribution, and the margin at its sides.
LETTERS, ROWS, ROW = 15, 10, 27  # Of a category's name; categories that are drawn; the height of one.
MEDIANS = 4  # A bin that is higher than so many of the middle one runs out of the picture.


class Layer(NamedTuple):
    """A week in a picture: past, now, or fired."""

    week: str
    kind: str
    profile: Profile


def layers(reports: DriftReports, check: Check) -> list[Layer]:
    """Return the weeks that have values of a feature, in the order in which they are drawn over each other."""
    fired = reports.fired(check)
    kinds = dict.fromkeys(reports.drift.past_weeks, "past")
    kinds |= {week: "fired" if week in fired else "now" for week in reports.split.current.batches}
    found = [Layer(week, kind, reports.profiles[week][check.name]) for week, kind in kinds.items()]
    order = ["past", "now", "fired"]
    return sorted((one for one in found if sum(one.profile.counts)), key=lambda one: order.index(one.kind))


def distribution(reports: DriftReports, check: Check) -> str:
    """Return a feature's values in the reference and in each week, laid over each other."""
    reference, drawn = reports.profiles["reference"][check.name], layers(reports, check)
    categories = reports.categories.get(check.name, ())
    if not sum(reference.counts):
        drawing, height = text((WIDTH / 2, 40), "the reference has no value of it", "note middle"), 80.0
    elif len(reference.counts) < bins.FEWEST or not reference.edges:
        drawing, height = _bars(reference, drawn, categories)
    else:
        drawing, height = _curves(reference, drawn), TALL
    title = f"{check.title}: beyond its threshold" if check.fired else check.title
    return figure(title, " ".join(_words(reports, check)), drawing, height)


def _curves(reference: Profile, drawn: Sequence[Layer]) -> str:
    """Return densities over the bins of the reference as steps."""
    ends, ticks = (scale := bins.scale(reference)).ends, scale.ticks
    known = bins.densities(reference, ends)
    heights = [bins.densities(one.profile, ends) for one in drawn]
    high = min(max(map(max, [known, *heights])), MEDIANS * sorted(known)[len(known) // 2])
    base, wide = TALL - 28, (WIDTH - 2 * SIDE) / (ends[-1] - ends[0])
    places = [SIDE + wide * (end - ends[0]) for end in ends]

    def steps(densities: Sequence[float]) -> str:
        tops = [max(-9.0, base - (base - 12) * density / high) for density in densities]
        path = "".join(f"V{top:.1f}H{place:.1f}" for top, place in zip(tops, places[1:], strict=True))
        return f"M{places[0]:.1f} {base}{path}V{base}"

    drawing = f'<path class="reference" d="{steps(known)}"/>'
    for one, densities in zip(drawn, heights, strict=True):
        drawing += f'<path class="{one.kind}" d="{steps(densities)}"><title>{escape(one.week)}</title></path>'
    drawing += f'<path class="grid" d="M{SIDE} {base}H{WIDTH - SIDE}"/>' + _beyond(drawn, heights, places, high)
    for place, words in ticks:
        x = SIDE + wide * (place - ends[0])
        drawing += f'<path class="grid" d="M{x:.1f} {base}v5"/>' + text((x, base + 19), words, "tick middle")
    return drawing


def _beyond(drawn: Sequence[Layer], heights: Sequence[Sequence[float]], places: Sequence[float], high: float) -> str:
    """Return the largest share that runs out of the picture, where it does so."""
    tops = [(max(found), found.index(max(found)), one) for one, found in zip(drawn, heights, strict=True)]
    top, place, one = max(tops, key=lambda found: found[0])
    if top <= high:
        return ""
    share = f"\N{UPWARDS ARROW} {percent(bins.joined(one.profile)[place])}"
    middle = (places[place] + places[place + 1]) / 2
    return text((min(max(middle, SIDE + 30), WIDTH - SIDE - 30), 14), share, "strong middle")


def _bars(reference: Profile, drawn: Sequence[Layer], categories: Sequence[str]) -> tuple[str, float]:
    """Return a bar a category with a stroke for each week, and the height; of many, those that differ most."""
    known, names = bins.shares(reference), bins.names(reference, categories)
    weeks = [bins.shares(one.profile) for one in drawn]
    moved = [max([abs(week[place] - share) for week in weeks], default=share) for place, share in enumerate(known)]
    filled = [place for place in range(len(known)) if any(week[place] for week in [known, *weeks])]
    shown = sorted(sorted(filled, key=lambda place: -moved[place])[:ROWS])
    left, longest = 130, max(max(week[place] for place in shown) for week in [known, *weeks])
    wide, drawing = (WIDTH - SIDE - left) / (longest or 1), ""
    for row, place in enumerate(shown):
        y = 6 + ROW * row
        drawing += f"<g><title>{escape(names[place])}: {percent(known[place])}</title>"
        drawing += text((SIDE, y + 15), short(names[place], LETTERS), "")
        drawing += f'<path class="grid" d="M{left} {y}v20"/>'
        drawing += f'<rect class="reference" x="{left}" y="{y + 3}" width="{wide * known[place]:.1f}" height="14"/>'
        for one, week in zip(drawn, weeks, strict=True):
            drawing += f'<path class="{one.kind}" d="M{left + wide * week[place]:.1f} {y}v20"/>'
        drawing += "</g>"
    return drawing, 10 + ROW * len(shown)


def _words(reports: DriftReports, check: Check) -> list[str]:
    """Return in sentences how far a feature went, where, and how many values are missing."""
    reference, week = (reports.profiles[name][check.name] for name in ("reference", check.week))
    where = "beyond" if check.fired else "within"
    words = [
        f"{check.week}: effect {number(check.effect)}, {where} the threshold {number(check.threshold)}. "
        f"Chance in an ordinary week: {chance(check.chance)}."
    ]
    if sum(reference.counts) and sum(week.counts):
        one = bins.difference(reference, week, reports.categories.get(check.name, ()))
        words.append(f"Farthest apart: {one.values}, {percent(one.reference)} before and {percent(one.week)} then.")
    if check.importance is not None:
        words.append(f"Importance {number(check.importance)}.")
    now = [bins.missing(reports.profiles[name][check.name]) for name in reports.split.current.batches]
    return [*words, _gaps(bins.missing(reference), now)]


def _gaps(reference: float, now: Sequence[float]) -> str:
    """Return the shares of missing values in words."""
    if not any([reference, *now]):
        return "No value is missing."
    low, high = percent(min(now)), percent(max(now))
    return f"Missing: {percent(reference)} before, {low if low == high else f'{low} to {high}'} now."
