"""Fill the model card from the reports of this very graph, so that no retraining leaves an old one behind."""

import csv
import json
from pathlib import Path
from string import Template
from typing import Any

from fraud import params
from fraud.errors import Problem, run
from fraud.markdown import code, interval, number, table
from fraud.outputs import md5_of, whole
from fraud.schema import Schema, load
from fraud.sources import Given, of_window
from fraud.yamlfile import read_yaml

WRITTEN = "Written by stage card of dvc.yaml (`make model-card`): change the template, not this page."
REPORTS = ("ingest", "split", "metrics", "slices", "estimate", "drift")
TOP = 10  # Features that are named.
RECENT = ("average_precision", "recall")
SIMULATED = "The payments are simulated: nothing here says how it would do on yours."
OWN = "The test rows are of one place and one time: elsewhere and later it may do worse."
Report = dict[str, Any]


def card(template: str, facts: dict[str, str], reports: dict[str, Report], points: dict[str, list[Report]]) -> str:
    """Return the template with all that it asks for; `points` are those of the plots by name."""
    metrics, slices = reports["metrics"], reports["slices"]
    importance = sorted(points["importance"], key=lambda one: -float(one["importance"]))[:TOP]
    filled = facts | {
        "written": WRITTEN,
        "data": _parts(reports["split"]),
        "sources": _sources(of_window(reports["ingest"], reports["split"])),
        "currency": slices["currency"],
        "metrics": _metrics(metrics),
        "weeks": _weeks(reports["estimate"]["weeks"]),
        "worst": _sentence(slices["sentence"]),
        "slices": _slices(slices["slices"]),
        "ratio": interval(metrics.get("predicted_to_observed_interval")) or "unknown",
        "reliability": _points(["predicted", "observed", "rows"], points["reliability"]),
        "drift": "\n".join(f"- {_sentence(one)}" for one in reports["drift"]["sentences"]),
        "importance": table(
            ["feature", "lost"], [[code(one["feature"]), _read(one["importance"])] for one in importance]
        ),
        "frauds": number(metrics["frauds"]),
    }
    try:
        return Template(template).substitute(filled)
    except (KeyError, ValueError) as error:
        raise Problem(
            f"the template of the model card asks for {error}; known are {', '.join(sorted(filled))}"
        ) from None


def facts(schema: Schema, title: str, model: str, settings: dict[str, Any]) -> dict[str, str]:
    """Return what the settings say: what the model is, what an error costs, where the rows are from."""
    train, cost, split = (settings[name] for name in ("train", "cost", "split"))
    simulated = settings["batches"].startswith("data/simulate")
    rows = {
        "model": f"`{model}`, the md5 that `dvc.lock` pins",
        "kind": f"{train['model']}, sampler {train['sampler']}, calibrated on rows that were never resampled",
        "data set": f"{code(schema.name)}: {'simulated after ' if simulated else ''}{title or 'no title'}",
        "features": str(len(schema.features)),
        "window": f"{split['weeks']} batches up to {code(split['until'] or 'the newest')}",
        "threshold": train["threshold"] if isinstance(train["threshold"], str) else number(train["threshold"]),
    }
    currency = cost["currency"]
    return {
        "facts": "\n".join(f"| {name} | {value} |" for name, value in rows.items()),
        "costs": f"an alert is {cost['alert']:g} {currency}, a missed fraud {cost['missed_share']:.0%} of its amount",
        "origin": SIMULATED if simulated else OWN,
    }


def _parts(split: Report) -> str:
    rows = [
        [
            name,
            " to ".join(dict.fromkeys(code(batch) for batch in (*part["batches"][:1], *part["batches"][-1:]))) or "-",
            number(part["rows"]),
            number(part["frauds"]),
        ]
        for name in ("train", "test", "current")
        for part in [split[name]]
    ]
    return table(["part", "batches", "rows", "known frauds"], rows)


def _sources(given: Given) -> str:
    rows = [
        [code(name), number(count), given.share(name), number(given.frauds[name])]
        for name, count in given.labels.most_common()
    ]
    return table(["source", "labels", "share", "frauds"], rows)


def _metrics(metrics: Report) -> str:
    names = [name for name in metrics if not name.endswith("_interval")]
    rows = [[code(name), number(metrics[name]), interval(metrics.get(f"{name}_interval"))] for name in names]
    return table(["metric", "value", "95 % interval"], rows)


def _weeks(weeks: list[Report]) -> str:
    rows = [
        [
            code(week["week"]),
            f"{number(week['labelled'])} of {number(week['rows'])}",
            *(_held(week, name) for name in RECENT),
        ]
        for week in weeks
    ]
    return table(["week", "labelled", *(f"{name}: promised, came true" for name in RECENT)], rows)


def _held(week: Report, name: str) -> str:
    value, *band = week["estimated"][name]
    return f"{number(value)} ({interval(band) or 'no band'}), {number(week['realised'][name])}"


def _slices(slices: list[Report]) -> str:
    rows = [
        [
            code(f"{one['by']} {one['slice']}"),
            number(one["rows"]),
            number(one["frauds"]),
            _with(one, "average_precision"),
            _with(one, "recall"),
        ]
        for one in slices
    ]
    return table(["slice", "rows", "frauds", "average precision", "recall"], rows)


def _with(one: Report, name: str) -> str:
    return f"{number(one[name])} ({interval(one[f'{name}_interval'])})" if one.get(name) is not None else "not measured"


def _points(names: list[str], points: list[Report]) -> str:
    return table(names, [[_read(point[name]) for name in names] for point in points])


def _read(text: str) -> str:
    return number(int(text) if text.isdigit() else float(text)) if text else "-"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def main(schema_path: str, template: str, model: str, folder: str, target: str) -> None:
    """Write the card of the model file with the reports in `folder`."""
    schema = load(schema_path)
    known = facts(schema, read_yaml(schema_path).get("title", ""), md5_of(model), read_yaml(params.FILE))
    reports = {name: json.loads(Path(folder, f"{name}.json").read_text(encoding="utf-8")) for name in REPORTS}
    points = {
        name: list(csv.DictReader(Path(folder, "plots", f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        for name in ("importance", "reliability")
    }
    content = card(Path(template).read_text(encoding="utf-8"), known, reports, points)
    with whole(target) as draft:
        draft.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    run(main)
