"""Compare the workspace, HEAD and the experiments of `dvc exp run` in a table that fits 120 columns."""

import json
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fraud.errors import Problem, run
from fraud.loop.files import DRIFT, METRICS, PARAMS
from fraud.loop.git import shown

WIDTHS = {
    "experiment": 18,
    "changed": 34,
    "average precision": 22,
    "recall": 6,
    "precision": 9,
    "saved/1000": 10,
    "drift": 5,
}


class Run(NamedTuple):
    """One revision: its name, its commit ("workspace" for the working copy) and what DVC says of it."""

    name: str
    revision: str
    data: dict[str, Any] | None


def runs(shown: list[dict[str, Any]]) -> Iterator[Run]:
    """Yield what `dvc exp show --json` holds, each commit before its experiments."""
    for commit in shown:
        yield Run(commit["name"] or commit["rev"][:9], commit["rev"], commit["data"])
        for experiment in commit["experiments"] or []:
            newest = experiment["revs"][0]
            yield Run(experiment["name"] or newest["rev"][:7], newest["rev"], newest["data"])


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values under names like `train.model`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def changed(data: dict[str, Any], base: dict[str, Any]) -> str:
    """Return the parameters that differ from `base`, or a word when none does."""
    ours, theirs = (flat(one["params"].get(PARAMS, {}).get("data", {})) for one in (data, base))
    differing = [f"{name}={value}" for name, value in ours.items() if theirs.get(name) != value]
    return " ".join(differing) or "-"


def cells(one: Run, base: dict[str, Any], interval: list[float] | None) -> list[str]:
    """Return a run's cells in the order of the columns."""
    if not one.data or not one.data.get("metrics"):
        return [one.name, "no metrics: it failed, waits or runs", "", "", "", "", ""]
    metrics, drift = (one.data["metrics"].get(path, {}).get("data", {}) for path in (METRICS, DRIFT))
    precision = _number(metrics.get("average_precision"), 3)
    bounds = " ({} to {})".format(*(_number(bound, 3) for bound in interval)) if interval else ""
    decisions = [_number(metrics.get(name), 3) for name in ("recall", "precision")]
    fired = {True: "yes", False: "no"}.get(drift.get("drift"), "?")
    saved = _number(metrics.get("saved_per_1000"), 0)
    return [one.name, changed(one.data, base), precision + bounds, *decisions, saved, fired]


def table(rows: list[list[str]]) -> str:
    """Return the rows under the column names; what is too long goes on in the next line."""
    widths = list(WIDTHS.values())
    lines = [[name.ljust(width) for name, width in WIDTHS.items()], ["-" * width for width in widths]]
    for row in rows:
        wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
        for place in range(max(map(len, wrapped))):
            parts = zip(wrapped, widths, strict=True)
            lines.append([(part[place] if place < len(part) else "").ljust(width) for part, width in parts])
    return "\n".join("  ".join(line).rstrip() for line in lines)


def interval(revision: str) -> list[float] | None:
    """Return the interval of the average precision in a commit's report, which DVC's tables leave out."""
    if revision == "workspace":
        text = Path(METRICS).read_text(encoding="utf-8") if Path(METRICS).exists() else "{}"
    else:
        text = shown(revision, METRICS) or "{}"
    found = json.loads(text).get("average_precision_interval")
    return found if found and None not in found else None


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _output(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Problem(f"{' '.join(command)}: {done.stderr.strip() or 'no answer'}")
    return done.stdout


def main() -> None:
    """Print the table."""
    found = list(runs(json.loads(_output("dvc", "exp", "show", "--json"))))
    base: dict[str, Any] = next((one.data for one in found[1:] if one.data), {"params": {}})
    print(table([cells(one, base, interval(one.revision)) for one in found]))


if __name__ == "__main__":
    run(main)
