"""What `make tradeoff` measures of a network's array: area of a PE, clock, toggles of a run on its gates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.graph.graph import IntegerGraph
from model.program.compile import Program
from tb.common.runner import SimulationError
from tb.network.whole import run_key
from tb.synth.flows import AREA_FLOWS, synthesize
from tb.synth.gates import array_parameters
from tb.synth.jobs import ARRAY, Job, sources_of
from tb.synth.place import Target, place
from tb.synth.tools import Tool, ToolError
from tb.tradeoff.gates import run

Array = np.ndarray[Any, Any]
PE = "mac_tile"
CLOCK = ("ecp5", "85k", "CABGA756")  # products in LUTs: a multiplier-free PE gains nothing from a device's multipliers
ARRAY_ALONE = ("Rows", "Cols")


def jobs_of(
    name: str,
    graph: IntegerGraph,
    program: Program,
    pixels: Array,
    tools: Mapping[str, Tool],
    blocks: Mapping[str, str],
    rtl: Path,
    out: Path,
    gates: bool,
) -> list[Job]:
    """The pieces of work for one network on one kind of array.

    Parameters
    ----------
    name : str
        Of both; the jobs' names begin with it.
    graph : IntegerGraph
    program : Program
        `graph` compiled for its engine.
    pixels : unsigned array (channels, height, width)
        The image of the run on the gates.
    tools, blocks : mappings
        By name; `blocks` as `tb.synth.jobs.read_blocks` gives them.
    rtl, out : Path
        Sources; folder for the results.
    gates : bool
        Whether to run the network on the gates at all.
    """
    yosys, nextpnr = tools["yosys"], tools["nextpnr-ecp5"]
    array = array_parameters(program.shape.parameters)
    pe = {name: value for name, value in array.items() if name not in ARRAY_ALONE}
    work = []

    def told(parameters: Mapping[str, int], block: str, used: Sequence[Tool]) -> str:
        ours = [path.read_text() for path in sorted((Path(__file__).parents[1] / "synth").glob("*.[pv]*"))]
        parts = [blocks[path.stem] for path in sources_of(block, blocks)]
        return "\0".join([*parts, *ours, *(f"{tool.source} {tool.version}" for tool in used), repr(parameters)])

    for flow in AREA_FLOWS:
        folder = out / "pe" / flow

        def area(flow: str = flow, folder: Path = folder) -> Mapping[str, Any]:
            return synthesize(yosys, flow, sources_of(PE, blocks), PE, folder, pe)

        work.append(Job(f"{name}/pe/{flow}", "area", PE, flow, folder, told(pe, PE, [yosys]), area))
    target = Target(*CLOCK, program.shape.rows, program.shape.cols)
    folder = out / "clock"

    def clock(folder: Path = folder) -> Mapping[str, Any]:
        return place(yosys, nextpnr, target, rtl, folder, array)

    work.append(Job(f"{name}/clock", "clock", ARRAY, target.flow, folder, told(array, ARRAY, [yosys, nextpnr]), clock))
    if gates:
        folder = out / "gates"

        def on_gates(folder: Path = folder) -> Mapping[str, Any]:
            try:
                done = run(program, graph, pixels, rtl, yosys, folder)
            except SimulationError as error:
                raise ToolError(str(error).splitlines()[0]) from error
            wrong = done.report.mismatches or len(done.report.errors)
            if wrong:
                raise ToolError(f"{wrong} lines or jobs differ from the golden model's; see {folder / 'run'}")
            return {
                "values": done.values,
                "toggles": done.toggles,
                "nets": done.nets,
                "gates": done.gates,
                "flip_flops": done.flip_flops,
                "cycles": done.report.cycles,
            }

        image = hashlib.sha256(pixels.tobytes()).hexdigest()
        depends = run_key("icarus", (graph.sha256, image, program.shape)) + told(array, ARRAY, [yosys])
        work.append(Job(f"{name}/gates", "gates", ARRAY, "icarus", folder, depends, on_gates))
    return work
