"""Write Markdown for GitHub from words that came with the data, so that none of them is more than a word."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

LONGEST = 60  # Characters of a word that came with the data.
LINE = 400  # Characters of a line of our own.
SMALL, WIDE = 0.1, 1e15  # Below, decimals would hide a number; one beyond has no place in a cell.
MOST = 40  # Rows of a table.
# No link, mention, reference or markup: a dot before digits or at an end, a colon before a space, a single slash.
HARMLESS = re.compile(r"[\w\s,;()%+'…|-]|\.(?!\w*[^\W\d])|:(?=[\s|]|$)|(?<!/)/(?!/)")


def code(value: object, longest: int = LONGEST) -> str:
    """Return a word as code, in which GitHub follows no markup, HTML, link, mention or reference."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    text = text.replace("`", "'").replace("|", "\N{BROKEN BAR}").strip() or "(empty)"
    return f"`{text if len(text) <= longest else text[: longest - 1] + '…'}`"


def plain(value: object, longest: int = 24) -> str:
    """Return a word for a title, which ends as a commit message: letters and digits of it, and dashes."""
    text = re.sub(r"[^\w-]+", "_", str(value))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def ours(text: str) -> str:
    """Return text that the loop wrote, as it is; should there be more in it than words and numbers, as code."""
    lines = [
        line if len(line) <= LINE and not HARMLESS.sub("", line) else code(line, LINE) for line in text.splitlines()
    ]
    return "\n".join(lines[: MOST + 2])


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; its cells are markdown. What is beyond the longest table is counted and left out."""
    if not (all_rows := list(rows)):
        return "None."
    lines = [names, ["---"] * len(names), *all_rows[:MOST]]
    text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    more = len(all_rows) - MOST
    return text + (f"\n\n… and {more} more." if more > 0 else "")


def number(value: Any, places: int = 3, sign: str = "") -> str:
    """Return a number, a small one with three digits, or a dash where there is none to be shown."""
    if not is_number(value):
        return "-"
    if isinstance(value, int):
        return f"{value:{sign},}"
    return f"{value:{sign}.3g}" if 0 < abs(value) < SMALL else f"{value:{sign},.{places}f}"


def is_number(value: Any) -> bool:
    """Return whether a value is a number that fits a cell of a table."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < WIDE


def interval(bounds: Any, places: int = 3) -> str:
    """Return the two ends of an interval, or nothing where there is none."""
    if not (isinstance(bounds, list | tuple) and len(bounds) == 2 and all(map(is_number, bounds))):
        return ""
    return f"{number(bounds[0], places)} to {number(bounds[1], places)}"
