"""The section on C for microcontrollers: flash, RAM and instructions of each network, and that it is equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scripts.reporting.markup import NOTHING, badge, code, figure, table, text
from scripts.reporting.results import Fields, Source
from scripts.reporting.section import Section

HEAD = (
    "network",
    "verdict",
    "target",
    "weights",
    "instructions",
    "flash",
    "RAM",
    "stack",
    "inputs",
    "differing logits",
)


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section."""
    made = Section("c", "C for microcontrollers")
    rows: list[list[str]] = []
    for source in found["c"]:
        made.show_source(source, _row(rows, source))
    if rows:
        made.add(table("C of the networks", (*HEAD, "command"), rows, left=2))
    return made


def _row(rows: list[list[str]], source: Source) -> Callable[[Fields], str]:
    """What adds the row of a result, and gives its error, where it has one, in a box."""

    def render(fields: Fields) -> str:
        counts = fields.object("instructions") if "instructions" in fields else None
        rows.append(
            [
                text(source.network),
                badge(source.verdict),
                text(fields.text("target")),
                text(fields.text("weights")),
                NOTHING if counts is None else figure(counts.whole("mean")),
                *(figure(fields.maybe(f"{what}_bytes")) for what in ("flash", "ram", "stack")),
                figure(fields.whole("images")),
                figure(fields.maybe("differing_logits")),
                code(source.command),
            ]
        )
        error = fields.maybe_text("error")
        return "" if error is None else f'<div class="box broken"><p>{badge(False)} {text(error)}</p></div>'

    return render
