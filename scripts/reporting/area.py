"""The section on area and clock: every block after synthesis, the array placed in devices, its gates under test."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.reporting.markup import NOTHING, badge, chart, charts, code, figure, note, table, text
from scripts.reporting.results import Fields, Source
from scripts.reporting.section import Section
from scripts.reporting.svg import Bar, Part, bars

FLOWS = (
    ("generic", (("gates", "gates"), ("flip_flops", "flip-flops"), ("memory_bits", "memory bits"))),
    ("ice40", (("luts", "LUTs, iCE40"), ("flip_flops", "FF, iCE40"), ("brams", "BRAM, iCE40"))),
    ("ecp5", (("luts", "LUTs, ECP5"), ("flip_flops", "FF, ECP5"), ("brams", "BRAM, ECP5"))),
)


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section."""
    made = Section("area", "Area and clock")
    (source,) = found["synth"]
    made.show_source(source, lambda fields: _render(source, fields))
    return made


def _render(source: Source, fields: Fields) -> str:
    blocks = fields.object("blocks")
    rows, gates, listed = [], [], ""
    for block in blocks:
        flows = blocks.object(block)
        cells = [text(block)]
        for flow, parts in FLOWS:
            told = flows.object(flow) if flow in flows else Fields({}, flows.where)
            if "error" in told:
                cells += [badge(False, "error"), *[NOTHING] * (len(parts) - 1)]
            else:
                cells += [figure(told.maybe(name)) for name, _ in parts]
            if flow == "generic" and (count := told.maybe("gates")) is not None:
                gates.append(Bar(block, f"{count:,}", [Part(count, "useful", f"{block}: {count:,} gates")]))
        rows.append(cells)
    head = ["block", *(title for _, parts in FLOWS for _, title in parts)]
    part = "" if fields.value.get("complete") is True else "; not every block was run"
    pictures = []
    if gates:
        most = max(bar.parts[0].value for bar in gates)
        caption = (
            "Generic two-input gates, flip-flops not counted; each block with those below it, by default parameters."
        )
        pictures.append(chart("Gates of each block", bars("Gates of each block", gates, most), caption))
    if "fmax" in fields:
        picture, listed = _clock(fields.objects("fmax"))
        pictures.append(picture)
    per_pe = _per_pe(fields.object("per_pe")) if "per_pe" in fields else ""
    return (
        f"<p>{badge(source.verdict)} {figure(len(rows))} blocks synthesized{part}. {_gates(fields)}</p>"
        + table("Area of every block", head, rows)
        + charts(*pictures, per_pe)
        + listed
        + note(f"{code(source.command)} · {text(_tools(fields))}")
    )


def _clock(targets: list[Fields]) -> tuple[str, str]:
    """A picture of the clocks, and a table."""
    shown = []
    for target in targets:
        name = f"{target.whole('rows')}x{target.whole('cols')} {target.text('device')}"
        products = "multipliers" if target.text("flow").endswith("dsp") else "LUTs"
        mhz = None if "error" in target else target.maybe("mhz")
        told = f"{name}, products in {products}: "
        told += "error" if mhz is None else f"{mhz} MHz, {target.maybe('used')} of {target.maybe('available')} cells"
        label = f"{name}{' mul' if products == 'multipliers' else ''}"
        bar = [] if mhz is None else [Part(mhz, "useful", told)]
        shown.append((Bar(label, "error" if mhz is None else f"{mhz:g} MHz", bar), target, mhz, products))
    most = max([mhz or 0 for _, _, mhz, _ in shown] + [1])
    rows = [
        [
            text(f"{target.whole('rows')}x{target.whole('cols')}, {short_device(target)}"),
            badge(False, "error") if mhz is None else figure(mhz),
            figure(target.maybe("used")),
            figure(target.maybe("available")),
            products,
        ]
        for bar, target, mhz, products in shown
    ]
    inner = table("Clock of the array", ("array, device", "MHz", "cells used", "of", "products in"), rows)
    picture = bars("Clock of the array by device", [bar for bar, _, _, _ in shown], most)
    return chart("Clock of the array, placed and routed", picture), inner


def _per_pe(flows: Fields) -> str:
    names = ("gates", "luts", "carries", "flip_flops")
    rows = []
    for flow in flows:
        parts = flows.object(flow)
        rows.append([text(flow), *(figure(parts.maybe(name)) for name in names)])
    inner = table("A PE of the array", ("flow", "gates", "LUTs", "carries", "flip-flops"), rows)
    return f'<figure class="chart"><h4>One PE of the array</h4>{inner}</figure>'


def _gates(fields: Fields) -> str:
    if "gate_level" not in fields:
        return "The array's tests on its gates were not run."
    gates = fields.object("gate_level")
    size = f"{gates.maybe('rows')}x{gates.maybe('cols')}"
    return f"{badge(gates.flag('passed'))} {figure(gates.whole('tests'))} tests of mac_array on its gates, {size}."


def _tools(fields: Fields) -> str:
    tools = fields.object("tools") if "tools" in fields else Fields({}, fields.where)
    return ", ".join(f"{name}: {tools.object(name).maybe_text('version') or NOTHING}" for name in tools)


def best_clock(fields: Fields) -> tuple[float, str] | None:
    """The fastest clock of a target, and its name; None where none was placed."""
    placed = [item for item in (fields.objects("fmax") if "fmax" in fields else []) if "mhz" in item]
    if not placed:
        return None
    best = max(placed, key=lambda item: item.number("mhz"))
    return best.number("mhz"), f"{best.whole('rows')}x{best.whole('cols')} in {short_device(best)}"


def short_device(target: Fields) -> str:
    """``ecp5 85k``."""
    return f"{target.text('flow').partition('_')[0]} {target.text('device')}"
