"""Draw drift into one page that opens offline: the verdict, what moved, and how well the model still does."""

from html import escape
from pathlib import Path

from fraud.errors import run
from fraud.loop.pages.drift_figures import distribution
from fraud.loop.pages.drift_reports import Check, DriftReports, Part, read
from fraud.loop.pages.drift_tables import checks, estimated
from fraud.loop.pages.drift_weeks import estimates, over_weeks
from fraud.loop.pages.page import page, sentence, verdict, write

FEATURES = 8  # Drawn at most; those that fired always.
LEGEND = (
    ("reference", "training weeks, the reference"),
    ("past", "past weeks, as ordinary weeks are"),
    ("now", "current weeks"),
    ("fired", "current weeks beyond the threshold"),
)
STYLE = """
header .promise { margin: -6px 0 18px; font-size: .9rem; }
.reference { fill: var(--soft); fill-opacity: .28; stroke: none; } .past { stroke: var(--soft); stroke-opacity: .55; }
.now { stroke: var(--blue); stroke-width: 1.8; } .fired { stroke: var(--orange); stroke-width: 1.8; }
.thin { stroke-width: 1.1; stroke-opacity: .7; } .ring { fill: var(--card); stroke: var(--ink); stroke-width: 2; }
.legend span { display: inline-block; margin-right: 18px; } .legend svg { display: inline; width: 26px; height: 12px; }
td small { display: block; margin: 0; } .outside { color: var(--orange); } .week th { color: var(--soft); }
tbody th small { display: block; margin: 2px 0 0; }
.checks th { overflow-wrap: anywhere; }
.checks td, .checks thead th + th { width: 7.5em; white-space: nowrap; }
@media (max-width: 600px) {
  .checks tr { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); border-top: 1px solid var(--grid); }
  .legend span { display: block; margin: 0; }
  .checks tr > * { border: 0; padding: 4px 0; width: auto; text-align: left; overflow-wrap: anywhere; }
  .checks td { font-size: .875rem; white-space: normal; }
  .checks th:first-child { grid-column: 1 / -1; }
  .estimates th, .estimates td { padding-left: 8px; font-size: .875rem; } .estimates th:first-child { padding-left: 0; }
}
"""


def drawn_features(reports: DriftReports) -> list[Check]:
    """Return the features that are drawn: those that fired, and of the others the first as long as there is room."""
    features = reports.drift.features
    room = max(0, FEATURES - sum(one.fired for one in features))
    calm = [one.name for one in features if not one.fired][:room]
    return [one for one in features if one.fired or one.name in calm]


def features(reports: DriftReports) -> str:
    """Return what the pictures of features show and how to read them, and the pictures."""
    shown, total = drawn_features(reports), len(reports.drift.features)
    if not shown:
        return ""
    legend = "".join(f"<span>{_sample(kind)} {words}</span>" for kind, words in LEGEND)
    words = f"{len(shown)} of {total} features, in the order of effect times importance to the model"
    rest = "" if len(shown) == total else f" The other {total - len(shown)} stayed within their thresholds."
    return (
        f"<section>\n<h2>Which features moved</h2>\n<p>{words}; those that went beyond their threshold always.{rest} "
        "Areas are shares of payments; the axis names the values below which 5 %, half and 95 % of the reference lie, "
        "and the tails beyond the outer two are drawn in.</p>\n"
        f'<p class="legend">{legend}</p>\n</section>\n{"".join(distribution(reports, one) for one in shown)}'
    )


def _sample(kind: str) -> str:
    shape = '<rect class="reference" width="26" height="12"/>'
    return (
        f'<svg viewBox="0 0 26 12">{shape if kind == "reference" else f"""<path class="{kind}" d="M0 6h26"/>"""}</svg>'
    )


def weekly(reports: DriftReports) -> str:
    """Return the pictures of what changes from week to week."""
    everything = [*reports.drift.features, *reports.drift.others]
    nearest = sorted(everything, key=lambda one: (-one.fired, -one.effect / one.threshold, one.title))
    scores = [one for one in reports.drift.others if one.kind == "score"]
    every = "Every check in every current week: its effect over its threshold. Above the line at 1 is drift."
    score = "The probabilities of all payments and of the known frauds, against those of the test weeks, likewise."
    pictures = [estimates(reports.estimates)] if reports.estimates else []
    if scores:
        pictures.insert(0, over_weeks(reports, scores, "Whether the model's scores moved", score))
    if nearest:
        pictures.insert(0, over_weeks(reports, nearest, "How far each check went, week by week", every))
    return "".join(pictures)


def drawn(reports: DriftReports) -> str:
    """Return the whole page."""
    split, (first, *promise) = reports.split, reports.drift.sentences
    trained, current = (_weeks(part) for part in (split.train, split.current))
    body = f"""<header>
<h1>Whether payments still look like those the model learnt from</h1>
<p>Data set {escape(split.dataset)}. Training weeks: {escape(trained)}. Current weeks: {escape(current)}.</p>
{verdict(reports.drift.drift, first)}
{"".join(f'<p class="promise">{sentence(words)}</p>' for words in promise)}
</header>
<main>
{features(reports)}{checks(reports)}{weekly(reports)}{estimated(reports)}</main>
"""
    return page(f"Drift, {split.dataset}, current weeks {current}", STYLE, body)


def _weeks(part: Part) -> str:
    names = part.batches
    if not names:
        return "none yet"
    return f"{names[0] if len(names) == 1 else f'{names[0]} to {names[-1]}'}, {part.rows:,} payments"


def main(folder: str, profiles: str, schemas: str) -> None:
    """Write drift.html into the folder of the reports, and say where it is."""
    write(Path(folder) / "drift.html", drawn(read(Path(folder), Path(profiles), Path(schemas))))


if __name__ == "__main__":
    run(main)
