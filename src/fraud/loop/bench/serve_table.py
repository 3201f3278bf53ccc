"""Tell what `make bench-serve` measured: a Markdown table, and a line for each goal."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from fraud.loop.bench.wrk import Load

CONNECTIONS = (1, 16, 64)
OURS, FULL = "this server", "this server, LOG_SYNC=full"


class Visit(NamedTuple):
    """What one server did in one round: loads by connections, and MB of its largest worker after them."""

    round: int
    name: str
    loads: dict[int, Load]
    memory: float


class Goal(NamedTuple):
    """What was promised, and what was measured."""

    words: str
    found: float
    limit: float
    least: bool  # Whether the limit is the least that is wanted, or the most.

    def __str__(self) -> str:
        """Return one line."""
        kept = self.found >= self.limit if self.least else self.found <= self.limit
        sign = "≥" if self.least else "≤"
        return f"{'reached' if kept else 'FELL SHORT'}: {self.words}: {self.found:,.4g} (goal {sign} {self.limit:,g})"


def rate(visits: Sequence[Visit], name: str, connections: int, turn: int | None = None) -> float:
    """Return the median of a server's answers a second, of one round or of all."""
    return median(
        one.loads[connections].rate for one in visits if one.name == name and (turn is None or one.round == turn)
    )


def ratio(visits: Sequence[Visit], name: str, other: str, connections: int = 16) -> float:
    """Return how many times as many answers one server gives as another: the median of the rounds."""
    rounds = sorted({one.round for one in visits if one.name == other})
    return median(rate(visits, name, connections, turn) / rate(visits, other, connections, turn) for turn in rounds)


def table(visits: Sequence[Visit], skipped: dict[str, str], names: Sequence[str]) -> str:
    """Return the Markdown table for docs/measurements.md."""
    head = [
        "| one payment a request | requests/s at 1, 16, 64 connections | p50, p99 at 1 | p99 at 16 "
        "| this server / it | a worker |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(_line(visits, skipped, name) for name in names)])


def _line(visits: Sequence[Visit], skipped: dict[str, str], name: str) -> str:
    of = [one for one in visits if one.name == name]
    if not of:
        return f"| {name} | skipped: {skipped[name]} | | | | |"
    rates = ", ".join(f"{rate(visits, name, connections):,.0f}" for connections in CONNECTIONS)
    p50, p99, p99_16 = (
        1e3 * median(getattr(one.loads[connections], which) for one in of)
        for connections, which in ((1, "p50"), (1, "p99"), (16, "p99"))
    )
    memory = median(one.memory for one in of)
    times = f"{p50:.1f}, {p99:.1f} ms | {p99_16:.0f} ms"
    return f"| {name} | {rates} | {times} | {ratio(visits, OURS, name):.2g} | {memory:.0f} MB |"


def goals(visits: Sequence[Visit], demo: str, still: str, others: Sequence[str]) -> list[Goal]:
    """Return what can be said from the visits."""
    seen = {one.name for one in visits}
    found = []
    if demo in seen:
        found += [
            Goal("times the demos' way at 16 connections", ratio(visits, OURS, demo), 20, True),
            Goal("the same with LOG_SYNC=full", ratio(visits, FULL, demo), 12, True),
        ]
    ahead = [ratio(visits, OURS, name, connections) for name in others if name in seen for connections in CONNECTIONS]
    if ahead:
        found.append(
            Goal("times the fastest peer, at the number of connections that suits it best", min(ahead), 1, True)
        )
    alone = [1e3 * one.loads[1].p99 for one in visits if one.name == OURS]
    memory = [one.memory for one in visits if one.name in (OURS, FULL)]
    return [
        *found,
        Goal("of the constant answer at 16 connections", ratio(visits, OURS, still), 0.7, True),
        Goal("ms p99 at 1 connection", median(alone), 3, False),
        Goal("MB resident in the largest worker", max(memory), 200, False),
    ]
