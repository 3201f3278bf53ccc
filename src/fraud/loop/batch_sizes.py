"""Which batches are far smaller or larger than those beside them: a torn file, or one with all its rows twice."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from fraud.loop.files import INGEST, SPLIT
from fraud.markdown import number, plain

FAR = 1.75  # Below 2, as a week that came twice would be overlooked wherever it was a small one.


class Size(NamedTuple):
    """How many rows a batch came with, and how many of them are in quarantine, and have a label."""

    name: str
    rows: int
    quarantined: int
    labelled: int


def in_use(ingested: dict[str, Any], split: dict[str, Any]) -> list[Size]:
    """Return the batches of the window and those since, by the reports of ingest and split."""
    names = dict.fromkeys(name for part in ("train", "test", "current") for name in split[part]["batches"])
    counts = {name: ingested["batches"][name] for name in names if name in ingested["batches"]}
    return [
        Size(name, int(one["rows"]), int(one["quarantined"]), one["kept"] - one["unlabelled"])
        for name, one in counts.items()
    ]


def uneven(sizes: Sequence[Size], named: Callable[[str], str] = plain) -> list[str]:
    """Return a sentence for each batch that is far from the median of the others; `named` writes its name."""
    found = []
    for index, one in enumerate(sizes):
        others = [other.rows for other in (*sizes[:index], *sizes[index + 1 :])]
        if others and not (usual := median(others)) / FAR <= one.rows <= usual * FAR:
            apart = f" ({number(one.quarantined)} of them in quarantine)" if one.quarantined else ""
            found.append(
                f"{named(one.name)}: {number(one.rows)} rows{apart}, and {number(round(usual))} is the median of the "
                "other weeks; see whether it came whole, and once"
            )
    return found


def tell() -> None:
    """Print what is uneven in the reports here."""
    ingested, split = (json.loads(Path(name).read_text(encoding="utf-8")) for name in (INGEST, SPLIT))
    for sentence in uneven(in_use(ingested, split)):
        print(sentence)
