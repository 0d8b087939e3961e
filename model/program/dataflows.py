"""Which layer of a network prefers which dataflow, and by how much: both closed forms, side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.errors import LockstepError
from model.golden.os_cycles import OsWork, os_layer_cycles
from model.graph.graph import IntegerGraph
from model.program.array import EngineShape
from model.program.compile import compile_graph
from model.program.compiled import LayerProgram, Program
from model.program.fit import fitting_shape
from model.program.os_compile import os_descriptor, os_work, turned_map


def dataflow_table(graph: IntegerGraph, rows: int, cols: int, mode: str = "fold") -> list[dict[str, Any]]:
    """Cycles of every layer in both dataflows, on the engine that fits the network.

    The layer loaded from outside has its lines turned by the host. A layer between two others has them as the
    write-back left them, `rows` channels of one pixel a line: an array that turned them itself would read `rows` lines
    for `rows` terms, so its terms are counted in whole channel tiles. That is what ``os`` says of it, and
    ``os_runs`` is False: it is a bound, no engine here does so.

    Returns
    -------
    list of dict
        Of each layer ``name``, ``ws`` and ``os`` (cycles; None where a dataflow cannot be), ``os_runs``, ``better``
        (``ws`` of equals) and ``saved``: cycles that the better one saves beside the other.
    """
    program = compile_graph(graph, fitting_shape(graph, rows, cols, mode=mode), mode)
    table = []
    for index, each in enumerate(program.layers):
        ws = each.cycles.total
        os = _bound(each, program.shape) if index else _first(each, program.shape)
        better = "os" if os is not None and os < ws else "ws"
        saved = abs(ws - os) if os is not None else None
        entry = {"name": each.layer.name, "ws": ws, "os": os, "os_runs": not index and os is not None}
        table.append(entry | {"better": better, "saved": saved})
    return table


def _first(each: LayerProgram, shape: EngineShape) -> int | None:
    """Cycles of the layer loaded from outside, output stationary; None where it cannot be."""
    try:
        both = replace(shape, output_stationary=1, psum_depth=max(shape.psum_depth, shape.rows))
        source = turned_map(each.layer, *each.taken.given, both)
        return os_layer_cycles(os_work(os_descriptor(each.layer, source, both, 0), both)).total
    except LockstepError:
        return None


def _bound(each: LayerProgram, shape: EngineShape) -> int | None:
    """What a layer between two others would take at least, its lines turned by the array itself."""
    if each.layer.groups > 1 or each.layer.inputs:
        return None
    layer, work = each.layer, each.work
    tiles = -(-layer.in_channels // shape.rows)
    return os_layer_cycles(
        OsWork(
            rows=work.rows,
            cols=work.cols,
            param_words=work.param_words,
            terms=tiles * shape.rows * layer.kernel[0] * layer.kernel[1],
            planes=1,
            groups=-(-work.pass_size // shape.rows),
            out_tiles=work.out_tiles,
            out_map=work.out_map,
        )
    ).total


def table_lines(table: list[dict[str, Any]], program: Program) -> list[str]:
    """The table as text, with the dataflow that each layer of `program` has."""
    lines = [f"{'layer':<12} {'ws cycles':>10} {'os cycles':>10}  prefers {'by':>8}  taken"]
    for entry, layer in zip(table, program.layers, strict=True):
        os = "-" if entry["os"] is None else f"{entry['os']:,}" + ("" if entry["os_runs"] else "*")
        by = "-" if entry["saved"] is None else f"{entry['saved']:,}"
        line = f"{entry['name']:<12} {entry['ws']:>10,} {os:>10}  {entry['better']:<7} {by:>8}  {layer.dataflow}"
        lines.append(line)
    if any(entry["os"] is not None and not entry["os_runs"] for entry in table):
        lines.append("* at least: this layer's lines would have to be turned on the chip, which no engine here does")
    return lines
