"""The section on number formats: accuracy against area, clock, cycles and toggles of the same network in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scripts.reporting.commands import command
from scripts.reporting.markup import NOTHING, badge, chart, charts, code, figure, note, percent, table, text
from scripts.reporting.results import Fields, Source
from scripts.reporting.section import Section
from scripts.reporting.svg import Bar, Part, Point, bars, scatter

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
        rows, points = [], []
        for entry in entries:
            area = [entry.object(flow).maybe(part) if flow in entry else None for flow, part in AREA]
            accuracy, mhz = entry.maybe("accuracy"), entry.object("clock").maybe("mhz")
            name = entry.text("name")
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
                points.append(Point(name, area[0], accuracy, told))
        head = [
            *("network", "accuracy", "weights", "activation bits", "psum bits", "gates of a PE", "flip-flops"),
            *("LUTs, iCE40", "LUTs, ECP5", "MHz, ECP5", "cycles", "µs an image", "toggles a MAC"),
        ]
        pictures = []
        if points:
            pictures.append(
                chart(
                    "Accuracy over area",
                    scatter("Accuracy over gates of a PE", points, "gates of a PE", percent=True),
                    "Integers only, whole test set; two-input gates of one PE, its psum as wide as the network needs.",
                )
            )
        pictures += _bars("Time of an image", entries, "microseconds", "µs, cycles over the clock of the placed array.")
        pictures += _bars(
            "Toggles of a multiplication",
            entries,
            "toggles_per_mac",
            "Changes of all nets of the array's gates per multiplication of the network, in a run of a whole image.",
        )
        errors = "".join(note(text(line)) for line in fields.array("errors"))
        return (
            f"<p>{badge(source.verdict)} {figure(len(entries))} formats of {text(fields.text('net'))}.</p>{errors}"
            + charts(*pictures)
            + table("Formats side by side", head, rows)
            + note(code(command(source)))
        )

    return render


def _bars(title: str, entries: list[Fields], name: str, caption: str) -> list[str]:
    """A chart of one figure, where any network has it."""
    values = {entry.text("name"): value for entry in entries if (value := entry.maybe(name)) is not None}
    if not values:
        return []
    shown = [
        Bar(label, f"{value:,.1f}", [Part(value, "useful", f"{label}: {value}")]) for label, value in values.items()
    ]
    return [chart(title, bars(title, shown, max(values.values())), caption)]
