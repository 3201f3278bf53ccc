"""Print the metrics with their 95 % intervals, beside those of HEAD; DVC's own tables leave intervals out."""

import json
import subprocess
from pathlib import Path
from typing import Any

from fraud.errors import Problem, run

REPORT, SLICES = Path("reports/metrics.json"), Path("reports/slices.json")


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
    for path in (REPORT, SLICES):
        if not path.exists():
            raise Problem(f"{path} is missing; run `make repro`, which writes it")
    head = subprocess.run(["git", "show", f"HEAD:{REPORT}"], capture_output=True, text=True, check=False)
    print(table(json.loads(REPORT.read_text(encoding="utf-8")), json.loads(head.stdout or "{}")))
    print(f"\n{sentence(json.loads(SLICES.read_text(encoding='utf-8')))}")


if __name__ == "__main__":
    run(main)
