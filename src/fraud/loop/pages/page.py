"""What every page shares: one file that opens offline, its style, and numbers in words."""

import math
from html import escape
from pathlib import Path

from fraud.outputs import whole

NONE = "not defined"
STYLE = """
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --ink: #1b2130; --soft: #5a6375; --grid: #e2e5eb;
  --blue: #1f5fbf; --orange: #b4450f; --green: #1c7349; }
@media (prefers-color-scheme: dark) { :root { --page: #11141a; --card: #1a1f28; --ink: #e7eaf0; --soft: #a0a9b8;
  --grid: #2d3440; --blue: #74acff; --orange: #ff9d66; --green: #62cf9b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 16px; max-width: 1240px; background: var(--page); color: var(--ink);
  overflow-wrap: break-word;
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; } h2 { margin: 0; font-size: 1rem; line-height: 1.3; }
header p { margin: 6px 0 0; color: var(--soft); }
header .verdict { margin: 16px 0; padding: 10px 14px; border-left: 4px solid var(--tone); border-radius: 4px;
  background: var(--card); color: var(--ink); }
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
.chosen { fill: var(--orange); stroke: var(--card); stroke-width: 2; }
.calmly { fill: var(--blue); } .alarming { fill: var(--orange); } .track { fill: var(--grid); }
section p { margin: 6px 0 12px; color: var(--soft); } section { overflow-x: auto; }
"""


def page(title: str, style: str, body: str) -> str:
    """Return a whole page; it forbids the browser to load anything from elsewhere. `style` comes after `STYLE`."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
{body}</body>
</html>
"""


def verdict(drift: bool, words: str) -> str:
    """Return the verdict of drift in the colour of calm or of alarm."""
    return f'<p class="verdict {"alarm" if drift else "calm"}">{sentence(words)}</p>'


def sentence(words: str) -> str:
    """Return escaped words with a capital letter and a full stop."""
    return f"{escape(words[:1].upper() + words[1:])}."


def number(value: float | None, unit: str = "") -> str:
    """Return three digits, or that there is no number; `value` is a share where the unit is %."""
    if value is None:
        return NONE
    shown = (100 * value if unit else value) + 0.0  # -0.0 becomes 0.
    digits = max(0, 2 - math.floor(math.log10(abs(shown)))) if shown else 0
    return f"{shown:,.{digits}f}".replace("-", "\N{MINUS SIGN}") + (unit and f"\N{NO-BREAK SPACE}{unit}")


def percent(share: float | None) -> str:
    """Return a share in per cent."""
    return number(share, "%")


def chance(value: float) -> str:
    """Return a chance in per cent, or that it is too small to tell from others."""
    return percent(value) if value >= 1e-4 else "under 0.01\N{NO-BREAK SPACE}%"


def write(target: Path, content: str) -> None:
    """Write a page, and say where it is."""
    with whole(target) as draft:
        draft.write_text(content, encoding="utf-8")
    print(target.resolve())
