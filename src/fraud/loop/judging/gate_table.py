"""Write what a comparison of two models found: a markdown table, and the verdict in one sentence."""

import math
from collections.abc import Mapping

from fraud.gate_rule import Finding, Limit

WORDS = {
    "better": "better",
    "worse": "worse",
    "no different": "no different within the tolerance",
    "cannot tell": "cannot tell with {frauds} frauds",
}


def table(found: Mapping[str, Finding], limits: Mapping[str, Limit], frauds: int) -> str:
    """Return a line a metric."""
    lines = ["| metric | champion | candidate | difference | 95 % interval | tolerance | verdict |"]
    lines.append("|---|---:|---:|---:|---|---:|---|")
    for name, one in found.items():
        limit, places = limits[name], _places(limits[name])
        values = [_written(value, f".{places}f") for value in (one.champion, one.candidate)]
        moved = [_written(value, f"+.{places}f") for value in (one.candidate - one.champion, one.low, one.high)]
        words = WORDS[one.verdict].format(frauds=frauds)
        cells = [name, *values, moved[0], f"{moved[1]} to {moved[2]}", f"{limit.tolerance:g}", words]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def overall(found: Mapping[str, Finding]) -> str:
    """Return the verdict over all metrics: the one that counts most of those that were found."""
    verdicts = {one.verdict for one in found.values()}
    most = next((one for one in ("worse", "better", "cannot tell") if one in verdicts), "no different")
    return "not worse" if most == "cannot tell" else most


def sentence(found: Mapping[str, Finding], name: str, frauds: int) -> str:
    """Return the verdict over all metrics against the model of commit `name`."""
    better, worse, unclear = (_all(found, verdict) for verdict in ("better", "worse", "cannot tell"))
    if worse:
        return f"Worse: the candidate is worse than the model of {name} in {' and '.join(worse)}."
    if better:
        return f"Better: the candidate is better than the model of {name} in {' and '.join(better)}, and worse in none."
    if unclear:
        return (
            f"Not worse, as far as {frauds} frauds can tell: they leave open how {' and '.join(unclear)} "
            f"differ from the model of {name}."
        )
    return f"No different: the candidate does as well as the model of {name}, within the tolerance of each metric."


def _all(found: Mapping[str, Finding], verdict: str) -> list[str]:
    return [metric for metric, one in found.items() if one.verdict == verdict]


def _places(limit: Limit) -> int:
    """Return how many decimals show a hundredth of the tolerance's leading digit."""
    return max(0, 2 - math.floor(math.log10(limit.tolerance))) if limit.tolerance else 6


def _written(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
