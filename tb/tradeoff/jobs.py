"""What `make tradeoff` measures of a network's array: area of a PE, clock, toggles of a run on its gates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from model.graph.graph import IntegerGraph
from model.program.compiled import Program
from tb.common.jobs import Job
from tb.common.runner import SimulationError
from tb.common.tools import Tool, ToolError
from tb.network.whole import run_key
from tb.synth.flows import AREA_FLOWS, synthesize
from tb.synth.gates import array_parameters, pe_parameters
from tb.synth.jobs import ARRAY, depends_on, sources_of
from tb.synth.place import TARGETS, place
from tb.tradeoff.gates import run
from tb.waves import toggles, vcd

Array = np.ndarray[Any, Any]
PE = "mac_tile"
# products in LUTs: a multiplier-free PE gains nothing from a device's multipliers
CLOCK = next(target for target in TARGETS if target.flow == "ecp5")
# What counts the toggles, beside all that decides the run itself.
COUNTING = (*sorted(Path(__file__).parent.glob("*.py")), Path(toggles.__file__), Path(vcd.__file__))


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
        By name; `blocks` as `tb.common.sources.read_rtl` gives them.
    rtl, out : Path
        Sources; folder for the results.
    gates : bool
        Whether to run the network on the gates at all.
    """
    yosys, nextpnr = tools["yosys"], tools["nextpnr-ecp5"]
    array = array_parameters(program.shape.parameters)
    pe = pe_parameters(array)
    work = []

    def told(parameters: Mapping[str, int], block: str, used: Sequence[Tool]) -> str:
        return depends_on(block, blocks, used) + repr(parameters)

    for flow in AREA_FLOWS:
        folder = out / "pe" / flow

        def area(flow: str = flow, folder: Path = folder) -> Mapping[str, Any]:
            return synthesize(yosys, flow, sources_of(PE, blocks), PE, folder, pe)

        work.append(Job(f"{name}/pe/{flow}", "area", PE, flow, folder, told(pe, PE, [yosys]), area))
    target = replace(CLOCK, rows=program.shape.rows, cols=program.shape.cols)
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
        depends += "".join(path.read_text() for path in COUNTING)
        work.append(Job(f"{name}/gates", "gates", ARRAY, "icarus", folder, depends, on_gates))
    return work
