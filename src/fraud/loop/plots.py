"""Draw the reports of the graph into one page that opens offline: metrics, five plots and drift."""

from html import escape
from pathlib import Path
from typing import Any

from fraud.errors import run
from fraud.loop.figures import FIGURES, NONE, number
from fraud.loop.reports import Reports, read
from fraud.outputs import whole

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
STYLE = """
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --ink: #1b2130; --soft: #5a6375; --grid: #e2e5eb;
  --blue: #1f5fbf; --orange: #b4450f; --green: #1c7349; }
@media (prefers-color-scheme: dark) { :root { --page: #11141a; --card: #1a1f28; --ink: #e7eaf0; --soft: #a0a9b8;
  --grid: #2d3440; --blue: #74acff; --orange: #ff9d66; --green: #62cf9b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 16px; max-width: 1240px; background: var(--page); color: var(--ink);
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; } h2 { margin: 0; font-size: 1rem; line-height: 1.3; }
header p { margin: 6px 0 0; color: var(--soft); }
header .verdict { margin: 16px 0; padding: 10px 14px; border-left: 4px solid var(--tone); border-radius: 4px;
  background: var(--card); color: var(--ink); overflow-wrap: break-word; }
.calm { --tone: var(--green); } .alarm { --tone: var(--orange); }
main { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 350px), 1fr)); }
section, figure { margin: 0; padding: 16px; border-radius: 8px; background: var(--card); min-width: 0; }
section { grid-column: 1 / -1; } figure { display: grid; grid-row: span 3; grid-template-rows: subgrid; gap: 10px; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 0 7px 16px; border-top: 1px solid var(--grid); text-align: right; vertical-align: top; }
thead th { border: 0; color: var(--soft); font-weight: 400; font-size: .85rem; }
th:first-child { padding-left: 0; text-align: left; } tbody th { font-weight: 600; }
small { display: block; color: var(--soft); font-weight: 400; } td:first-of-type { font-weight: 600; }
@media (min-width: 760px) { small { display: inline; margin-left: 10px; } }
svg { display: block; width: 100%; height: auto; font-size: 13px; } svg svg { overflow: hidden; }
figcaption { color: var(--soft); font-size: .875rem; }
text { fill: var(--ink); paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
.tick, .axis, .note { fill: var(--soft); } .middle { text-anchor: middle; } .end { text-anchor: end; }
.strong { font-weight: 600; } .large { font-size: 24px; font-weight: 600; } .plain { stroke: none; }
path { fill: none; } .grid { stroke: var(--grid); } .curve { stroke: var(--blue); stroke-width: 2.2; }
.guide { stroke: var(--soft); stroke-width: 1.3; stroke-dasharray: 5 4; }
.limit { stroke: var(--ink); stroke-width: 2; }
.calmly { fill: var(--blue); } .alarming { fill: var(--orange); } .track { fill: var(--grid); }
.chosen { fill: var(--orange); stroke: var(--card); stroke-width: 2; }
section p { margin: 6px 0 12px; color: var(--soft); } section { overflow-x: auto; }
.slices small { display: block; margin: 0; } .slices td:first-of-type { font-weight: 400; }
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
    sentence, rows = report["sentence"], "".join(map(_slice, report["slices"]))
    names = ["Slice", "Payments", "Frauds", *(title.format(currency=report["currency"]) for _, title, _ in SLICED)]
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in names)
    return (
        f"<section>\n<h2>How well it does on each part of the payments</h2>\n"
        f"<p>{escape(sentence[:1].upper() + sentence[1:])}.</p>\n"
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


def page(reports: Reports) -> str:
    """Return the whole page; it forbids the browser to load anything from elsewhere."""
    train, test = (_part(reports.split[name]) for name in ("train", "test"))
    tone, sentence = "alarm" if reports.drift["drift"] else "calm", "; ".join(reports.drift["sentences"])
    figures = "".join(draw(reports) for draw in FIGURES)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fraud model, {escape(reports.split["dataset"])}, tested on {escape(test)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>How well the model finds fraud</h1>
<p>Data set {escape(reports.split["dataset"])}. Trained on {escape(train)}; tested on {escape(test)}.</p>
<p class="verdict {tone}">{escape(sentence[:1].upper() + sentence[1:])}.</p>
</header>
<main>
<section>
{table(reports.metrics, reports.slices["currency"])}</section>
{figures}{slices(reports.slices)}</main>
</body>
</html>
"""


def main(folder: str) -> None:
    """Write plots.html into the folder of the reports, and say where it is."""
    target = Path(folder) / "plots.html"
    content = page(read(Path(folder)))
    with whole(target) as draft:
        draft.write_text(content, encoding="utf-8")
    print(target.resolve())


if __name__ == "__main__":
    run(main)
