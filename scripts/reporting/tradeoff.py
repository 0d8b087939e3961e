"""The section on number formats: accuracy against area, clock, cycles and toggles of the same network in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scripts.reporting.markup import NOTHING, badge, chart, charts, code, figure, note, percent, table, text
from scripts.reporting.results import Fields, Source
from scripts.reporting.section import Section
from scripts.reporting.svg import Bar, Part, Point, bars, scatter

# By the mode that an array has beside the plain product: class in the style sheet, and words.
MODES = {"": ("useful", "plain PEs"), "pairs": ("padding", "pairs"), "os": ("filling", "both dataflows")}
AREA = (("pe_generic", "gates"), ("pe_generic", "flip_flops"), ("pe_ice40", "luts"), ("pe_ecp5", "luts"))


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section."""
    made = Section("tradeoff", "Number formats: what they cost and give")
    for source in found["tradeoff"]:
        if not source.missing:
            made.add(f"<h3>{text(source.network)}</h3>")
        made.show_source(source, _render(source))
    return made


def _render(source: Source) -> Callable[[Fields], str]:
    def render(fields: Fields) -> str:
        entries = fields.objects("networks")
        formats = {entry.text("name").partition(" ")[0] for entry in entries}
        rows: list[list[str]] = []
        points: list[Point] = []
        names: list[str] = []
        for entry in entries:
            area = [entry.object(flow).maybe(part) if flow in entry else None for flow, part in AREA]
            accuracy, mhz = entry.maybe("accuracy"), entry.object("clock").maybe("mhz")
            network, _, mode = entry.text("name").partition(" ")
            name = _named(network, mode, fields.text("net"), entry.array("weights"))
            names.append(name)
            rows.append(
                [
                    text(name),
                    NOTHING if accuracy is None else percent(accuracy),
                    text(", ".join(map(str, entry.array("weights")))),
                    *(figure(entry.maybe(bits)) for bits in ("act_bits", "psum_bits")),
                    *(figure(value) for value in area),
                    figure(mhz),
                    figure(entry.whole("cycles")),
                    figure(entry.maybe("microseconds")),
                    figure(entry.maybe("toggles_per_mac")),
                ]
            )
            if accuracy is not None and area[0] is not None:
                told = f"{name}: {accuracy:.2%} with {area[0]:,} gates a PE"
                points.append(Point(name, area[0], accuracy, told, MODES[mode][0] if mode in MODES else "other"))
        head = [
            *("format", "accuracy", "weights", "activation bits", "psum bits", "gates of a PE", "flip-flops"),
            *("LUTs, iCE40", "LUTs, ECP5", "MHz, ECP5", "cycles", "µs an image", "toggles a MAC"),
        ]
        pictures = []
        if points:
            pictures.append(
                chart(
                    "Accuracy over area",
                    scatter("Accuracy over gates of a PE", points, "gates of a PE", percent=True),
                    "Integers only, whole test set; two-input gates of one PE, its psum as wide as the network needs.",
                    [legend for legend in MODES.values() if any(point.kind == legend[0] for point in points)],
                )
            )
        pictures += _bars(
            "Time of an image", names, entries, "microseconds", "µs, cycles over the clock of the placed array."
        )
        pictures += _bars(
            "Toggles of a multiplication",
            names,
            entries,
            "toggles_per_mac",
            "Changes of all nets of the array's gates per multiplication of the network, in a run of a whole image.",
        )
        errors = "".join(note(text(line)) for line in fields.array("errors"))
        return (
            f"<p>{badge(source.verdict)} {figure(len(formats))} formats of {text(fields.text('net'))} on "
            f"{figure(len(entries))} arrays.</p>{errors}"
            + charts(*pictures)
            + table("Formats side by side", head, rows)
            + note(code(source.command))
        )

    return render


def _named(network: str, mode: str, net: str, weights: list[object]) -> str:
    """A network beside others of `net`: ``pot4 os`` of ``tiny_pot4 os``; `net` itself by its weights."""
    own = network.removeprefix(net).lstrip("_") or "/".join(map(str, weights))
    return f"{own} {mode}".strip()


def _bars(title: str, names: list[str], entries: list[Fields], figure_name: str, caption: str) -> list[str]:
    """A chart of one figure, where any network has it."""
    found = zip(names, (entry.maybe(figure_name) for entry in entries), strict=True)
    values = {name: value for name, value in found if value is not None}
    if not values:
        return []
    shown = [
        Bar(label, f"{value:,.1f}", [Part(value, "useful", f"{label}: {value}")]) for label, value in values.items()
    ]
    return [chart(title, bars(title, shown, max(values.values())), caption)]
