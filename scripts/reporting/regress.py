"""The section on the regression: what was compared, by mode and by layer, and each failing job with its make line."""

from __future__ import annotations

from collections.abc import Mapping

from model.errors import LockstepError
from scripts.reporting.markup import badge, code, figure, note, table, text
from scripts.reporting.results import Fields, Source
from scripts.reporting.section import Section

COUNTS = ("jobs", "failed", "values", "cycles", "seconds")
HEAD = ("jobs", "failed", "values equal to golden", "cycles", "seconds simulated")
SHOWN = 20  # failing jobs


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section."""
    made = Section("regression", "The regression: images, layers, modes, draws")
    for source in found["regress"]:
        made.show_source(source, _render)
    return made


def _render(fields: Fields) -> str:
    failed = fields.objects("failed")
    whole = [fields.whole("jobs"), len(failed), *(fields.number(name) for name in COUNTS[2:])]
    modes, layers = fields.objects("by_mode"), fields.objects("by_layer")
    for name, parts in (("by_mode", modes), ("by_layer", layers)):
        told = [sum(part.whole(count) for part in parts) for count in COUNTS[:2]]
        if told != whole[:2]:
            raise LockstepError(
                f"{fields.where}: {name} has {told[0]} jobs, {told[1]} of them failed; expected the {whole[0]} and "
                f"{whole[1]} of the whole"
            )
    foot = ["all", *map(figure, whole)]
    by_mode = table("The regression by mode", ("mode", *HEAD), [_row(part, "mode") for part in modes], foot)
    rows = [[text(part.text("layer")), *_row(part, "mode")] for part in layers]
    by_layer = table("The regression by layer", ("layer", "mode", *HEAD), rows, [foot[0], "", *foot[1:]], left=2)
    left_out = {f"{part.text('layer')} in {part.text('mode')}": part.text("why") for part in fields.objects("left_out")}
    notes = "".join(f"<li>{text(what)}: {text(why)}</li>" for what, why in left_out.items())
    return (
        _failures(failed)
        + by_mode
        + f"<details><summary>By layer</summary>{by_layer}</details>"
        + (f"<details><summary>Layers that do not run in a mode</summary><ul>{notes}</ul></details>" if notes else "")
        + note(
            f"{figure(fields.whole('workers'))} workers on {text(fields.text('on'))}; {figure(fields.whole('kept'))} "
            f"results kept from an earlier run, {figure(fields.whole('retried'))} jobs begun again after a lost worker."
        )
    )


def _row(part: Fields, name: str) -> list[str]:
    return [text(part.text(name)), *(figure(part.number(count)) for count in COUNTS)]


def _failures(failed: list[Fields]) -> str:
    """The failing jobs: what differs, and the make line that runs each alone."""
    items = "".join(
        f"<li>{text(each.text('job'))}: {text(each.text('what').splitlines()[0])}<br>{code(each.text('again'))}</li>"
        for each in failed[:SHOWN]
    )
    more = f"<p>and {len(failed) - SHOWN} more</p>" if len(failed) > SHOWN else ""
    return (
        f'<div class="box broken"><p>{badge(False)} these jobs fail:</p><ul>{items}</ul>{more}</div>' if items else ""
    )
