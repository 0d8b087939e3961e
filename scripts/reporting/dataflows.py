"""The table of both dataflows in the section on whole networks: which layer prefers which, and by how much."""

from __future__ import annotations

from scripts.reporting.markup import NOTHING, code, figure, note, table, text
from scripts.reporting.results import Fields

HEAD = ("layer", "weight stationary", "output stationary", "prefers", "cycles saved", "ran")
BOUND = (
    "* at least: between two layers the lines would have to be turned on the chip, which this engine does not do. "
    f"{NOTHING}: the layer cannot be output stationary."
)


def dataflows(fields: Fields) -> str:
    """The table; empty where the result has none.

    Raises
    ------
    LockstepError
        When an entry is not what it must be.
    """
    if "dataflows" not in fields:
        return ""
    ran = {layer.text("name"): layer.text("dataflow") for layer in fields.objects("layers")}
    rows = []
    for entry in fields.objects("dataflows"):
        os, name = entry.maybe("os"), entry.text("name")
        rows.append(
            [
                text(name),
                figure(entry.whole("ws")),
                NOTHING if os is None else figure(os) + ("" if entry.flag("os_runs") else "*"),
                text(entry.text("better")),
                figure(entry.maybe("saved")),
                text(ran.get(name, NOTHING)),
            ]
        )
    inner = table("Cycles of every layer in both dataflows, by the closed forms", HEAD, rows) + note(text(BOUND))
    return f"<details><summary>Both dataflows, layer by layer ({code('DATAFLOW=')})</summary>{inner}</details>"
