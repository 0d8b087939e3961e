"""Charts as SVG: 360 units wide, so that a phone shows them at their size; colours come from the page's style sheet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from scripts.reporting.markup import text

WIDTH = 360
LABEL, NOTE = 82, 62  # columns left and right of the bars
ROW, BAR, AXIS = 20, 12, 22
LABEL_CHARS = 13
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Part:
    """A piece of a bar: its length, its class in the style sheet, and what a pointer is told."""

    value: float
    kind: str
    told: str


@dataclass(frozen=True)
class Bar:
    """A row of a chart.

    Parameters
    ----------
    label, note : str
        Left and right of it.
    parts : list of Part
        End to end, from zero or from `begin`.
    marks : list of Part
        Diamonds at their values.
    begin : float
        Where the first part begins.
    """

    label: str
    note: str = ""
    parts: Sequence[Part] = ()
    marks: Sequence[Part] = ()
    begin: float = 0.0
    strong: bool = field(default=False, kw_only=True)


def at(value: float) -> str:
    """A coordinate, two decimals at most.

    >>> at(3.0), at(1 / 3)
    ('3', '0.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def short(value: float) -> str:
    """A number for an axis.

    >>> short(1500), short(2e6), short(0), short(-250000)
    ('1.5k', '2M', '0', '-250k')
    """
    for size, letter in PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def ticks(high: float, wanted: int = 4) -> list[float]:
    """Round numbers from 0 to `high`, about `wanted` steps; the last is not beyond `high`.

    >>> ticks(98340), ticks(1.0)
    ([0.0, 25000.0, 50000.0, 75000.0], [0.0, 0.25, 0.5, 0.75, 1.0])
    """
    if not high > 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(high / wanted))
    step = next(power * size for size in (1, 2, 2.5, 5, 10) if power * size * wanted >= high * 0.999)
    return [step * index for index in range(math.floor(high / step * 1.000001) + 1)]


def words(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text."""
    css = f' class="{kind}"' if kind else ""
    return f'<text x="{at(x)}" y="{at(y)}" text-anchor="{anchor}"{css}>{text(content)}</text>'


def picture(title: str, height: float, body: str, width: float = WIDTH) -> str:
    """The SVG element; `title` is read out where pictures cannot be seen."""
    return (
        f'<svg viewBox="0 0 {at(width)} {at(height)}" role="img" aria-label="{text(title)}">'
        f"<title>{text(title)}</title>{body}</svg>"
    )


def diamond(x: float, y: float, part: Part) -> str:
    """A mark at a value."""
    told = f"<title>{text(part.told)}</title>"
    return f'<path d="M{at(x)} {at(y - 5)}l4 5l-4 5l-4-5z" class="mark {part.kind}">{told}</path>'


def bars(title: str, rows: Sequence[Bar], high: float, low: float = 0.0, percent: bool = False) -> str:
    """Horizontal bars on one axis from `low` to `high`.

    Parameters
    ----------
    title : str
        For readers that do not see the picture.
    rows : list of Bar
    high, low : float
        Ends of the axis, low <= 0 < high.
    percent : bool
        Whether values are fractions.
    """
    room, bottom = WIDTH - LABEL - NOTE, ROW * len(rows) + 4
    high = high if high > low else low + 1.0

    def x(value: float) -> float:
        return LABEL + room * (min(max(value, low), high) - low) / (high - low)

    ends = ticks(high, 4 if low == 0 else 2)
    out = []
    for value in [*(-end for end in reversed(ends[1:]) if -end >= low), *ends]:
        told = f"{value:.0%}" if percent else short(value)
        out.append(f'<path d="M{at(x(value))} 0V{bottom}" class="grid"/>')
        out.append(words(x(value), bottom + 13, told, "tick", "middle"))
    for index, row in enumerate(rows):
        top = ROW * index + 4
        label = row.label if len(row.label) <= LABEL_CHARS else row.label[: LABEL_CHARS - 1] + "…"
        out.append(words(LABEL - 6, top + 10, label, "label strong" if row.strong else "label", "end"))
        value = row.begin
        for part in row.parts:
            left, value = x(value), value + part.value
            size = f'x="{at(left)}" y="{top}" width="{at(max(x(value) - left, 0))}" height="{BAR}"'
            out.append(f'<rect {size} class="{part.kind}"><title>{text(part.told)}</title></rect>')
        out += [diamond(x(mark.value), top + BAR / 2, mark) for mark in row.marks]
        out.append(words(WIDTH, top + 10, row.note, "figure", "end"))
    return picture(title, bottom + AXIS, "".join(out))


def ranges(title: str, rows: Sequence[tuple[str, int, int, str]], low: int, high: int) -> str:
    """(label, lowest, highest, note) of each row as a bar around zero; lines at `low` and `high`, which hold."""
    reach = max([-low, high, *(max(-first, last) for _, first, last, _ in rows)]) * 1.04
    shown = []
    for label, first, last, told in rows:
        fits = low <= first and last <= high
        part = Part(last - first, "useful" if fits else "bad", f"{label}: {first:,} to {last:,}, {told}")
        shown.append(Bar(label, told, [part], begin=first))
    chart = bars(title, shown, reach, -reach)
    room, bottom = WIDTH - LABEL - NOTE, ROW * len(rows) + 4
    ends = [LABEL + room * (end + reach) / (2 * reach) for end in (low, high)]
    lines = "".join(f'<path d="M{at(x)} 0V{bottom}" class="limit"/>' for x in ends)
    return chart.removesuffix("</svg>") + lines + "</svg>"


def steps(title: str, values: Sequence[int], high: int, across: str) -> str:
    """Values over their index as an area of steps; `across` says what the index is."""
    left, top, room, tall = 30, 8, WIDTH - 30 - 10, 120
    wide = room / max(len(values), 1)
    path, y = [f"M{left} {top + tall}"], None
    for index, value in enumerate(values):
        level = top + tall * (1 - min(value, high) / high)
        if level != y:
            path.append(f"H{at(left + wide * index)}V{at(level)}")
            y = level
    path.append(f"H{at(left + room)}V{top + tall}z")
    out = [f'<path d="{"".join(path)}" class="useful"/>']
    for value in (0, high // 2, high):
        y_tick = top + tall * (1 - value / high)
        out.append(f'<path d="M{left} {at(y_tick)}H{left + room}" class="grid"/>')
        out.append(words(left - 4, y_tick + 4, str(value), "tick", "end"))
    out += [
        words(left + wide * value, top + tall + 14, f"{value:,.0f}", "tick", "middle") for value in ticks(len(values))
    ]
    out.append(words(left + room / 2, top + tall + 28, across, "tick", "middle"))
    return picture(title, top + tall + 34, "".join(out))


def cells(title: str, numbers: Sequence[int], columns: int, kinds: int, side: int = 10) -> str:
    """A grid of squares, row by row: class ``p<n modulo kinds>``, or ``idle`` for a negative number."""
    groups: dict[str, list[str]] = {}
    for index, number in enumerate(numbers):
        x, y = index % columns * side, index // columns * side
        kind = "idle" if number < 0 else f"p{number % kinds}"
        groups.setdefault(kind, []).append(f"M{x + 0.5} {y + 0.5}h{side - 1}v{side - 1}h{1 - side}z")
    body = "".join(f'<path d="{"".join(path)}" class="{kind}"/>' for kind, path in sorted(groups.items()))
    return picture(title, len(numbers) // columns * side, body, columns * side)


@dataclass(frozen=True)
class Point:
    """A point of a scatter plot: its name, its place, what a pointer is told, and its class in the style sheet."""

    label: str
    x: float
    y: float
    told: str
    kind: str = "useful"


def scatter(title: str, points: Sequence[Point], across: str, percent: bool = False) -> str:
    """Named points; `across` says what the x axis is, which begins at 0. The y axis covers the points alone.

    Parameters
    ----------
    title : str
        For readers that do not see the picture.
    points : sequence of Point
        One or more.
    across : str
    percent : bool
        Whether the y values are fractions.
    """
    left, top, room, tall = 44, 10, WIDTH - 44 - 14, max(170, 14 * len(points))
    high_x = max(point.x for point in points) * 1.05 or 1.0
    low, high = min(point.y for point in points), max(point.y for point in points)
    margin = (high - low) * 0.12 or max(abs(high), 1e-9) * 0.01
    low, high = low - margin, min(high + margin, 1.0) if percent else high + margin

    def place(point: Point) -> tuple[float, float]:
        return left + room * point.x / high_x, top + tall * (1 - (point.y - low) / (high - low))

    out = []
    for index in range(5):
        value = low + (high - low) * index / 4
        y = top + tall * (1 - index / 4)
        out.append(f'<path d="M{left} {at(y)}H{left + room}" class="grid"/>')
        out.append(words(left - 4, y + 4, f"{value:.1%}" if percent else short(value), "tick", "end"))
    for value in ticks(high_x):
        x = left + room * value / high_x
        out.append(f'<path d="M{at(x)} {top}V{top + tall}" class="grid"/>')
        out.append(words(x, top + tall + 14, short(value), "tick", "middle"))
    out.append(words(left + room / 2, top + tall + 28, across, "tick", "middle"))
    marks = [(point, *place(point)) for point in sorted(points, key=lambda item: -item.y)]
    taken = [(x - 5, x + 5, y + 4) for _, x, y in marks]  # of names and points: left end, right end, baseline
    for point, x, y in marks:
        told = f"<title>{text(point.told)}</title>"
        out.append(f'<circle cx="{at(x)}" cy="{at(y)}" r="4" class="{point.kind}">{told}</circle>')
        spot = _free(x, y, 6.2 * len(point.label), (left, left + room), taken)
        taken.append(spot)
        out.append(words(spot[0], spot[2], point.label))
    return picture(title, max(top + tall + 34, max(line for _, _, line in taken) + 8), "".join(out))


def _free(
    x: float, y: float, wide: float, ends: tuple[float, float], taken: Sequence[tuple[float, float, float]]
) -> tuple[float, float, float]:
    """The nearest place of a name beside its point where it lies on nothing; below everything there is always one."""

    def free(begin: float, line: float) -> bool:
        if begin < ends[0] or begin + wide > ends[1] or line <= 8:
            return False
        return all(begin >= end or begin + wide <= start or abs(line - other) >= 11 for start, end, other in taken)

    lines = (y + 4 + way * step for step in itertools.count(0, 6) for way in (-1, 1))
    places = ((begin, line) for line in lines for begin in (x + 7, x - 7 - wide))
    return next((begin, begin + wide, line) for begin, line in places if free(begin, line))
