"""Draw axes, lines and marks as inline SVG; the colours are classes that the page's style fills in."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 400, 330
LEFT, RIGHT, TOP, BOTTOM = 50, 380, 34, 280  # Where the axes end.
SMALLEST = 1e-5  # Where a logarithmic axis starts at the latest: a probability may be 0.

Points = Sequence[tuple[float, ...]]


class Axis(NamedTuple):
    """A direction of a plot, from the first to the last of its ticks."""

    label: str
    ticks: Sequence[float]
    text: Callable[[float], str]
    bend: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """Return where on the axis `value` lies, between 0 and 1 if it is between the ends."""
        low, high = self.bend(self.ticks[0]), self.bend(self.ticks[-1])
        return (self.bend(value) - low) / (high - low)


class Frame(NamedTuple):
    """Two axes; what is drawn is given in their units."""

    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place in the drawing."""
        return LEFT + (RIGHT - LEFT) * self.x.share(x), BOTTOM - (BOTTOM - TOP) * self.y.share(y)

    def axes(self) -> str:
        """Return grid, ticks and labels."""
        across = [(self.at(tick, self.y.ticks[0])[0], self.x.text(tick)) for tick in self.x.ticks]
        up = [(self.at(self.x.ticks[0], tick)[1], self.y.text(tick)) for tick in self.y.ticks]
        grid = [f"M{place:.1f} {TOP}V{BOTTOM}" for place, _ in across] + [f"M{LEFT} {y:.1f}H{RIGHT}" for y, _ in up]
        return "".join(
            [f'<path class="grid" d="{"".join(grid)}"/>']
            + [text((place, BOTTOM + 18), words, "tick middle") for place, words in across]
            + [text((LEFT - 7, place + 4), words, "tick end") for place, words in up]
            + [text((LEFT - 42, 16), f"\N{UPWARDS ARROW} {self.y.label}", "axis")]
            + [text((RIGHT, BOTTOM + 40), f"{self.x.label} \N{RIGHTWARDS ARROW}", "axis end")]
        )

    def line(self, points: Points, kind: str) -> str:
        """Return straight lines from point to point; what is outside the axes is cut off."""
        path = "L".join("{:.1f} {:.1f}".format(*self.at(*point)) for point in points)
        return _inside(f'<path class="{kind}" d="M{path}"/>')

    def steps(self, points: Points) -> str:
        """Return a curve on which each point's height holds back to the point before it."""
        (x, y), *rest = [self.at(*point) for point in points]
        path = "".join(f"V{height:.1f}H{place:.1f}" for place, height in rest)
        return _inside(f'<path class="curve" d="M{x:.1f} {y:.1f}{path}"/>')

    def mark(self, x: float, y: float, words: str) -> str:
        """Return a dot with its name below it, on the side where there is room."""
        place, height = self.at(x, y)
        side, anchor = (9, "") if self.x.share(x) < 0.5 else (-9, " end")
        name = text((place + side, min(height + 21, BOTTOM - 8)), words, f"strong{anchor}")
        return dot((place, height), 5.5, "chosen", words) + name


def dot(place: tuple[float, float], radius: float, kind: str, words: str) -> str:
    """Return a dot that says `words` when pointed at."""
    circle = f'cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius:.1f}"'
    return f'<circle class="{kind}" {circle}><title>{escape(words)}</title></circle>'


def text(place: tuple[float, float], words: str, kind: str) -> str:
    """Return escaped words that start at `place`, or end there or have their middle there if `kind` says so."""
    return f'<text class="{kind}" x="{place[0]:.1f}" y="{place[1]:.1f}">{escape(words)}</text>'


def short(name: str, letters: int) -> str:
    """Return a name, or its start and three dots where it has more letters."""
    return name if len(name) <= letters else name[: letters - 1] + "\N{HORIZONTAL ELLIPSIS}"


def bar(corner: tuple[float, float], size: tuple[float, float], kind: str, opacity: float = 1) -> str:
    """Return a rectangle from its upper left corner."""
    area = f'x="{corner[0]:.1f}" y="{corner[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
    return f'<rect class="{kind}" {area} rx="3" fill-opacity="{opacity:.3f}"/>'


def figure(title: str, caption: str, drawing: str, height: float = HEIGHT) -> str:
    """Return a drawing with its title, which is also its name for a screen reader, and how to read it."""
    name = escape(title)
    picture = (
        f'<svg role="img" aria-label="{name}" viewBox="0 0 {WIDTH} {height:g}"><title>{name}</title>{drawing}</svg>'
    )
    return f"<figure>\n<h2>{name}</h2>\n{picture}\n<figcaption>{escape(caption)}</figcaption>\n</figure>\n"


def even_ticks(high: float) -> list[float]:
    """Return round numbers from 0 to `high` or a little above, six at most."""
    power = 10.0 ** math.floor(math.log10(high / 5))
    step = next(size * power for size in (1, 2, 2.5, 5, 10, 20) if 5 * size * power >= high)
    return [round(step * place, 9) for place in range(math.ceil(high / step) + 1)]


def logarithm(value: float) -> float:
    """Return the decimal logarithm, of `SMALLEST` where `value` is smaller."""
    return math.log10(max(value, SMALLEST))


def _inside(drawing: str) -> str:
    box = (LEFT - 2, TOP - 2, RIGHT - LEFT + 4, BOTTOM - TOP + 4)  # 2 more, for half a line's width
    place = 'x="{}" y="{}" width="{}" height="{}" viewBox="{} {} {} {}"'.format(*box, *box)
    return f"<svg {place}>{drawing}</svg>"
