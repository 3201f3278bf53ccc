"""Draw the reports of the graph into one page that opens offline: metrics, five plots and drift."""

from html import escape
from pathlib import Path
from typing import Any

from fraud.errors import run
from fraud.loop.pages.figures import FIGURES
from fraud.loop.pages.page import NONE, number, page, sentence, verdict, write
from fraud.loop.pages.reports import Reports, read

WORDS = {  # What a metric is called, what it says, and what stands behind the number.
    "precision": ("Precision", "alerts that are fraud", "%"),
    "recall": ("Recall", "frauds that get an alert", "%"),
    "alerts_per_1000": ("Alerts", "of 1,000 payments", ""),
    "saved_per_1000": ("Saved", "{currency} per 1,000 payments, against no model", ""),
    "alerts_per_day": ("Alerts a day", "at the threshold in use", ""),
    "recall_within_capacity": ("Recall within capacity", "frauds among the likeliest that can be reviewed a day", "%"),
    "precision_at_capacity": ("Precision at capacity", "of the likeliest that can be reviewed a day, fraud", "%"),
    "recall_at_1pct": ("Recall at 1 % false alarms", "frauds caught if 1 % of legitimate payments got an alert", "%"),
    "average_precision": ("Average precision", "over all thresholds; by chance it is the rate of fraud", ""),
    "roc_auc": ("Area under ROC", "chance that a fraud scores above a legitimate payment", ""),
    "brier": ("Brier score", "mean squared error of the probability; 0 is perfect", ""),
    "brier_uncalibrated": ("Brier score before", "of the scores that calibration turns into probabilities", ""),
    "brier_skill": ("Brier skill", "how far from the base rate (0) to perfect (1)", ""),
    "calibration_slope": ("Calibration slope", "1 is right; below, probabilities are too bold, above, too timid", ""),
    "predicted_to_observed": ("Predicted to observed", "mean probability to share of fraud; 1 is right", ""),
    "calibration_error": ("Calibration error", "mean distance of probability and observed share", ""),
}
SLICED = (
    ("average_precision", "Average precision", ""),
    ("recall", "Recall", "%"),
    ("precision", "Precision", "%"),
    ("saved_per_1000", "Saved, {currency} per 1,000", ""),
)
STYLE = """.slices small { display: block; margin: 0; } .slices td:first-of-type { font-weight: 400; }
.before { fill: none; stroke: var(--orange); stroke-width: 1.8; }
.bin { fill: var(--blue); fill-opacity: .75; stroke: var(--card); }
"""


def table(metrics: dict[str, Any], currency: str) -> str:
    """Return each metric in words with its interval; one that has no words yet keeps its name."""
    measured = {name for name in metrics if f"{name}_interval" in metrics}
    rows = ""
    for name in [*(name for name in WORDS if name in measured), *sorted(measured - set(WORDS))]:
        title, means, unit = WORDS.get(name, (name, "", ""))
        rows += f"<tr><th scope=row>{escape(title)}<small>{escape(means.format(currency=currency))}</small></th>"
        rows += f"<td>{number(metrics[name], unit)}</td><td>{_interval(metrics, name, unit)}</td></tr>\n"
    head = "<tr><th scope=col>Metric</th><th scope=col>Value</th><th scope=col>95 % interval</th></tr>"
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


def _interval(metrics: dict[str, Any], name: str, unit: str) -> str:
    low, high = (number(bound, unit) for bound in metrics[f"{name}_interval"])
    return NONE if NONE in (low, high) else f"{low} to\N{NO-BREAK SPACE}{high}"


def slices(report: dict[str, Any]) -> str:
    """Return which slice is worst, and each slice in a row; one with few frauds says so."""
    rows = "".join(map(_slice, report["slices"]))
    names = ["Slice", "Payments", "Frauds", *(title.format(currency=report["currency"]) for _, title, _ in SLICED)]
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in names)
    return (
        f"<section>\n<h2>How well it does on each part of the payments</h2>\n"
        f"<p>{sentence(report['sentence'])}</p>\n"
        f"<table class=slices>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</section>\n"
    )


def _slice(one: dict[str, Any]) -> str:
    if one["average_precision"] is None:
        cells = f"<td colspan={len(SLICED)}>{escape(one['reason'])}</td>"
    else:
        cells = "".join(
            f"<td>{number(one[key], unit)}<small>{_interval(one, key, unit)}</small></td>" for key, _, unit in SLICED
        )
    name = escape(f"{one['by']} {one['slice']}")
    return f"<tr><th scope=row>{name}</th><td>{one['rows']:,}</td><td>{one['frauds']:,}</td>{cells}</tr>\n"


def _part(part: dict[str, Any]) -> str:
    batches = part["batches"]
    weeks = batches[0] if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"
    return f"{weeks} ({part['rows']:,} payments, {part['frauds']:,} of them fraud)"


def drawn(reports: Reports) -> str:
    """Return the whole page."""
    train, test = (_part(reports.split[name]) for name in ("train", "test"))
    figures = "".join(draw(reports) for draw in FIGURES)
    body = f"""<header>
<h1>How well the model finds fraud</h1>
<p>Data set {escape(reports.split["dataset"])}. Trained on {escape(train)}; tested on {escape(test)}.</p>
{verdict(reports.drift["drift"], reports.drift["sentences"][0])}
</header>
<main>
<section>
{table(reports.metrics, reports.slices["currency"])}</section>
{figures}{slices(reports.slices)}</main>
"""
    return page(f"Fraud model, {reports.split['dataset']}, tested on {test}", STYLE, body)


def main(folder: str) -> None:
    """Write plots.html into the folder of the reports, and say where it is."""
    write(Path(folder) / "plots.html", drawn(read(Path(folder))))


if __name__ == "__main__":
    run(main)
