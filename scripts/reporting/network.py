"""The section on whole networks: cycles of every layer against prediction, floor and SCALE-Sim, and where they went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.errors import LockstepError
from model.numeric.formats import signed_bits_for
from scripts.reporting.dataflows import dataflows
from scripts.reporting.markup import NOTHING, badge, chart, charts, code, figure, note, percent, table, text
from scripts.reporting.results import Fields, Source
from scripts.reporting.section import Section
from scripts.reporting.svg import Bar, Part, bars, ranges, short

LOST = (
    ("padding", "pixels above the floor"),
    ("waiting", "waiting for weights or parameters"),
    ("filling", "filling and draining"),
)
HEAD = (
    "layer",
    "MACs",
    "cycles",
    "predicted",
    "floor",
    "SCALE-Sim",
    "use",
    "SCALE-Sim's use",
    "above the floor",
    "waiting",
    "fill, drain",
)


@dataclass(frozen=True)
class LayerRun:
    """A layer of a result; counters are None where the layer was not finished.

    Parameters
    ----------
    name : str
    macs, predicted, floor, scale_sim : int
    cycles, pixels, waiting, filling : int or None
    low, high : int
        Range that its psums can have.
    """

    name: str
    macs: int
    predicted: int
    floor: int
    scale_sim: int
    cycles: int | None
    pixels: int | None
    waiting: int | None
    filling: int | None
    low: int
    high: int

    @classmethod
    def of(cls, fields: Fields) -> LayerRun:
        """From its entry in the result.

        Raises
        ------
        LockstepError
            When an entry is not what it must be, or the counters do not add up to the cycles.
        """

        def counter(name: str) -> int | None:
            return fields.whole(name) if name in fields else None

        ends = fields.array("psum_range")
        if len(ends) != 2 or not all(type(end) is int for end in ends) or ends[0] > ends[1]:
            raise fields.wrong("psum_range", "two whole numbers, the lower one first")
        counters = [counter(name) for name in ("cycles", "pixels", "waiting", "filling")]
        known = [value for value in counters if value is not None]
        if len(known) == 4 and known[0] != sum(known[1:]):
            raise fields.wrong("cycles", f"pixels + waiting + filling, {sum(known[1:])}")
        macs, *numbers = (fields.whole(name) for name in ("macs", "predicted_cycles", "floor", "scale_sim"))
        if min(macs, *numbers, *known) < 0 or 0 in numbers:
            raise LockstepError(f"{fields.where}: a count of cycles is not positive; expected one that is")
        return cls(fields.text("name"), macs, *numbers, *counters, *ends)

    def lost(self) -> dict[str, int]:
        """Cycles beyond the floor by cause; empty where the layer was not measured."""
        if self.cycles is None or self.pixels is None or self.waiting is None or self.filling is None:
            return {}
        return {"padding": self.pixels - self.floor, "waiting": self.waiting, "filling": self.filling}


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section."""
    made = Section("network", "The whole network on the array")
    for source in found["network"]:
        if not source.missing:
            made.add(f"<h3>{text(source.network)}</h3>")
        made.show_source(source, lambda fields, source=source: _render(source, fields))  # type: ignore[misc]
    return made


def _render(source: Source, fields: Fields) -> str:
    engine = fields.object("engine")
    rows, cols, width = (engine.whole(name) for name in ("Rows", "Cols", "PsumWidth"))
    layers = [LayerRun.of(item) for item in fields.objects("layers")]
    if not layers or min(rows, cols, width) < 1:
        raise LockstepError(f"{fields.where}: no layers, or an engine without PEs; expected at least one of each")
    cells = rows * cols
    first, last = (str(name) for name in (*fields.array("layers_run"), "", "")[:2])
    part = "the whole network" if fields.flag("whole") else f"only the layers {first} to {last}"
    use, cycles = fields.maybe("utilization"), fields.maybe("cycles")
    stall = fields.maybe("stall") or 0
    equal = sum(layer.cycles == layer.predicted for layer in layers)
    against = f"measured cycles equal the prediction in {figure(equal)} of {figure(len(layers))} layers"
    if stall:
        against = (
            f"{figure(stall)} of 256 stream words were held back on purpose, which the prediction knows nothing of"
        )
    parts = [
        f"<p>{badge(source.verdict)} {text(part)}, image {text(fields.text('image'))}, on {rows}x{cols} PEs: "
        f"{figure(fields.whole('checked_activations'))} activations and logits compared with the golden model, "
        f"{figure(fields.whole('mismatches'))} mismatches; class {text(fields.value.get('class') or NOTHING)}. "
        f"{figure(cycles)} cycles, {percent(use)} of the PEs busy; {against}.</p>",
        _cycles_table(layers, cells, stall > 0),
        _pictures(layers, cells, width),
        _psum_table(layers, width),
        dataflows(fields),
        note(
            f"{code(source.command)} · {_rate(fields.maybe('cycles_per_second'))} cycles a second under "
            f"{text(fields.text('simulator'))} · graph {code(fields.text('graph_sha256')[:12])} · "
            "floor: MACs over PEs; SCALE-Sim: its weight-stationary model, which hides nothing. Both count a "
            "multiplication by an 8-bit pixel as one, where an array of 4-bit activations takes two passes: these are "
            "cycles above the floor."
        ),
    ]
    return "".join(parts)


def _rate(value: float | None) -> str:
    return figure(value, "" if value is None else f"{value:,.0f}")


def _use(macs: int, cycles: float | None, cells: int) -> float | None:
    return macs / (cycles * cells) if cycles else None


def _cycles_table(layers: Sequence[LayerRun], cells: int, stalled: bool) -> str:
    """Cycles unlike the prediction are wrong, unless the stream was held back: `stalled`."""

    def against(layer: LayerRun) -> str:
        if layer.cycles is None:
            return figure(layer.predicted)
        more = layer.cycles - layer.predicted
        return f"{'= ' if not more else badge(None if stalled else False, f'{more:+,}') + ' '}{figure(layer.predicted)}"

    rows = []
    for layer in layers:
        lost = layer.lost()
        rows.append(
            [
                text(layer.name),
                figure(layer.macs),
                figure(layer.cycles),
                against(layer),
                figure(layer.floor),
                figure(layer.scale_sim),
                percent(_use(layer.macs, layer.cycles, cells)),
                percent(_use(layer.macs, layer.scale_sim, cells)),
                *(figure(lost.get(cause)) for cause, _ in LOST),
            ]
        )
    measured = [layer for layer in layers if layer.cycles is not None]
    total = sum(layer.cycles or 0 for layer in measured)
    foot = [
        "measured" if len(measured) == len(layers) else f"{len(measured)} measured",
        *(figure(sum(values)) for values in ([layer.macs for layer in measured], [total])),
        *(figure(sum(getattr(layer, name) for layer in measured)) for name in ("predicted", "floor", "scale_sim")),
        percent(_use(sum(layer.macs for layer in measured), total, cells)),
        percent(_use(sum(layer.macs for layer in measured), sum(layer.scale_sim for layer in measured), cells)),
        *(figure(sum(layer.lost().get(cause, 0) for layer in measured)) for cause, _ in LOST),
    ]
    return table("Cycles of every layer", HEAD, rows, foot)


def _pictures(layers: Sequence[LayerRun], cells: int, width: int) -> str:
    macs = [Bar(x.name, short(x.macs), [Part(x.macs, "useful", f"{x.name}: {x.macs:,} MACs")]) for x in layers]
    cycles = [
        Bar(
            x.name,
            NOTHING if x.cycles is None else f"{x.cycles:,}",
            [] if x.cycles is None else [Part(x.cycles, "useful", f"{x.name}: {x.cycles:,} cycles measured")],
            [
                Part(x.scale_sim, "scale", f"{x.name}: SCALE-Sim {x.scale_sim:,}"),
                Part(x.floor, "floor", f"{x.name}: floor {x.floor:,}"),
            ],
        )
        for x in layers
    ]
    uses = []
    for x in layers:
        use, other = _use(x.macs, x.cycles, cells), _use(x.macs, x.scale_sim, cells) or 0
        part = [] if use is None else [Part(use, "useful", f"{x.name}: {use:.2%} of the PEs busy")]
        mark = [Part(other, "scale", f"{x.name}: SCALE-Sim {other:.2%}")]
        uses.append(Bar(x.name, NOTHING if use is None else f"{use:.2%}", part, mark))
    highest = max(max(x.cycles or 0, x.scale_sim, x.predicted) for x in layers)
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    bits = [(x.name, x.low, x.high, f"{signed_bits_for(x.low, x.high)} bits") for x in layers]
    scale = ("scale", "SCALE-Sim, weight-stationary")
    return charts(
        chart("MACs", bars("MACs of each layer", macs, max(x.macs for x in layers))),
        chart(
            "Cycles",
            bars("Cycles of each layer", cycles, highest),
            legend=(("useful", "measured"), ("floor", "floor"), scale),
        ),
        chart(
            "Utilization: busy PEs, of all in all cycles",
            bars("Utilization in each layer", uses, 1, percent=True),
            "The floor is 100%.",
            (("useful", "measured"), scale),
        ),
        _shares(layers),
        _lost(layers),
        chart(
            f"Range of the psums, PsumWidth {width}",
            ranges("Range of the psums of each layer", bits, low, high),
            "What the weights allow for any input, whole or partial sums; bits needed on the right.",
            (("useful", "range"), ("limit", f"ends of {width} bits")),
        ),
    )


def _shares(layers: Sequence[LayerRun]) -> str:
    """Where the cycles of each layer went, as shares of it."""
    rows = []
    for x in layers:
        lost = x.lost()
        parts = []
        if x.cycles and lost:
            shown = {"useful": ("at the floor", x.floor)} | {cause: (told, lost[cause]) for cause, told in LOST}
            parts = [
                Part(max(value, 0) / x.cycles, kind, f"{x.name}: {value:,} cycles {told}")
                for kind, (told, value) in shown.items()
            ]
        away = sum(lost.values())
        rows.append(Bar(x.name, f"{away / x.cycles:.2%}" if x.cycles and lost else NOTHING, parts))
    return chart(
        "Where each layer's cycles went",
        bars("Where the cycles of each layer went", rows, 1, percent=True),
        "On the right: what is lost, of the layer's cycles.",
        legend=(("useful", "the floor"), *LOST),
    )


def _lost(layers: Sequence[LayerRun]) -> str:
    """Cycles beyond the floor, over all layers."""
    total = {cause: sum(layer.lost().get(cause, 0) for layer in layers) for cause, _ in LOST}
    names = {"padding": "above floor", "waiting": "waiting", "filling": "fill, drain"}
    rows = [
        Bar(names[cause], f"{total[cause]:,}", [Part(max(total[cause], 0), cause, f"{told}: {total[cause]:,} cycles")])
        for cause, told in LOST
    ]
    worst = max(layers, key=lambda layer: sum(layer.lost().values()), default=None)
    caption = ""
    if worst is not None and sum(total.values()) > 0:
        share = sum(worst.lost().values()) / sum(total.values())
        caption = f"{figure(sum(total.values()))} in all, {percent(share, 1)} of them in {text(worst.name)}."
    return chart(
        "Cycles lost in all layers",
        bars("Cycles lost, by cause", rows, max([*total.values(), 1])),
        f"{caption} Pixels above the floor: rows or columns of an edge tile stand idle, "
        "or an 8-bit input takes its second pass.",
        LOST,
    )


def _psum_table(layers: Sequence[LayerRun], width: int) -> str:
    rows = []
    for layer in layers:
        bits = signed_bits_for(layer.low, layer.high)
        verdict = "" if bits <= width else f" {badge(False, 'too wide')}"
        rows.append([text(layer.name), figure(layer.low), figure(layer.high), figure(bits) + verdict, figure(width)])
    inner = table("Psums", ("layer", "lowest psum", "highest psum", "bits needed", "PsumWidth"), rows)
    return f"<details><summary>Psum ranges as numbers</summary>{inner}</details>"
