"""The section on coverage: how much of each module the testbenches meet, by kind, and the holes."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.reporting.markup import code, figure, note, percent, table, text
from scripts.reporting.results import Fields, Source
from scripts.reporting.section import Section

KINDS = ("line", "branch", "toggle")
SHOWN = 40  # holes


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section."""
    made = Section("coverage", "Coverage: what the testbenches meet")
    (source,) = found["coverage"]
    made.show_source(source, _render)
    return made


def _render(fields: Fields) -> str:
    modules = fields.object("modules")
    rows = [[text(name), *_figures(modules.object(name))] for name in modules]
    foot = ["all", *_figures(fields.object("totals"))]
    head = ["module", *(f"{kind}{what}" for kind in KINDS for what in ("s", " met", " waived"))]
    parts = [table("Coverage of every module", [name.replace("branchs", "branches") for name in head], rows, foot)]
    points = fields.object("points")
    missed = [str(point) for point in fields.array("missed_points")]
    met = len(list(points)) - len(missed)
    parts.append(note(f"{met} of {len(list(points))} points of the test plan met."))
    if missed:
        parts.append(table("Points never met", ("point",), [[text(point)] for point in missed]))
    holes = fields.objects("holes")
    if holes:
        shown = [
            [
                text(f"rtl/{hole.text('module')}.v:{hole.whole('line')}"),
                text(hole.text("kind")),
                text(", ".join(map(str, hole.array("what")[:4]))),
                code(hole.text("source")),
            ]
            for hole in holes[:SHOWN]
        ]
        parts.append(
            table(f"Not met: {len(holes)} places, the first", ("place", "kind", "what", "source"), shown, left=4)
        )
    waivers = fields.objects("waivers")
    if waivers:
        told = [
            [text(each.text("waiver")), figure(each.whole("places")), text(each.text("reason"))] for each in waivers
        ]
        parts.append(table("Waived", ("what", "places", "why"), told))
    return "".join(parts)


def _figures(kinds: Fields) -> list[str]:
    """Of each kind: places, share that is met of what is not waived, waived."""
    cells = []
    for kind in KINDS:
        told = kinds.object(kind)
        places, met, waived = (told.whole(name) for name in ("places", "met", "waived"))
        wanted = places - waived
        cells += [figure(places), percent(met / wanted if wanted else 1.0), figure(waived)]
    return cells
