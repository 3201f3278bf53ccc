"""Print the metrics with their 95 % intervals, beside those of HEAD; DVC's own tables leave intervals out."""

import json
from pathlib import Path
from typing import Any

from fraud.errors import Problem, run
from fraud.loop.files import METRICS, SLICES
from fraud.loop.git import shown


def table(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Return a line a metric: its value, its interval, and its value at HEAD."""
    lines = [f"{'metric':24} {'value':>11}  {'95 % interval':24} {'HEAD':>11}"]
    for name, value in ours.items():
        if not name.endswith("_interval"):
            bounds = ours.get(f"{name}_interval")
            between = f"{_written(bounds[0])} to {_written(bounds[1])}" if bounds else ""
            lines.append(f"{name:24} {_written(value):>11}  {between:24} {_written(theirs.get(name)):>11}")
    return "\n".join(lines)


def sentence(slices: dict[str, Any]) -> str:
    """Return which slice is worst, and what money is in."""
    return f"{slices['sentence']}\nmoney is in {slices['currency']}; each slice: {SLICES}"


def _written(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def main() -> None:
    """Print the report of the working copy beside that of HEAD, and which slice is worst."""
    for path in (METRICS, SLICES):
        if not Path(path).exists():
            raise Problem(f"{path} is missing; run `make repro`, which writes it")
    ours, slices = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (METRICS, SLICES))
    print(table(ours, json.loads(shown("HEAD", METRICS) or "{}")))
    print(f"\n{sentence(slices)}")


if __name__ == "__main__":
    run(main)
