"""A whole network on the engine with its array as gates: every activation checked, every toggle of the array counted.

The engine of `tb.network` runs as it is, except that Yosys has made gates and flip-flops of mac_array. So the stimulus
is the network's own, image, weights, stalls and idle cycles included, and the gates are proven on it on the way.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.files import write_atomic
from model.graph.graph import IntegerGraph
from model.program.compiled import Program
from tb.common.tools import Tool
from tb.network.bench import Report, build, simulate, write_jobs
from tb.network.whole import Maps, job_of
from tb.synth.gates import PARTS, TOP, array_parameters, write_netlist
from tb.waves import toggles

Array = np.ndarray[Any, Any]
SCOPE = "network_tb.dut.u_core.u_array"
DUMP = "toggles.vcd"
CLOCK = re.compile(r"(^|\.)clk_i$")


@dataclass(frozen=True)
class Run:
    """What a run on the gates says.

    Parameters
    ----------
    report : Report
        Of the comparison, as the run on the RTL gives it.
    toggles : int
        Changes between 0 and 1 of all nets of the array, its clock left out.
    nets : int
        Nets counted.
    values : int
        Activations and logits compared.
    gates, flip_flops : int
        Of the array.
    """

    report: Report
    values: int
    toggles: int
    nets: int
    gates: int
    flip_flops: int


def run(program: Program, graph: IntegerGraph, pixels: Array, rtl: Path, yosys: Tool, folder: Path) -> Run:
    """Run `graph` on the image `pixels`, unsigned (channels, height, width), under Icarus.

    Parameters
    ----------
    program : Program
        `graph` compiled for the engine that is to run it.
    graph, pixels, rtl, yosys :
        The network, the image, the folder of the RTL, the tool.
    folder : Path
        For netlist, build and log.

    Raises
    ------
    ToolError
        When Yosys refuses.
    SimulationError
        When the simulation does not build or breaks off.
    """
    shape = program.shape
    parameters = array_parameters(shape.parameters)
    counted = write_netlist(yosys, rtl, parameters, folder)
    sources = _sources(rtl, (folder / "netlist" / f"{TOP}.v").read_text(), parameters, folder)
    maps = Maps.of(graph, pixels)
    sizes = write_jobs(folder / "run", shape, [job_of(program, maps, 0, len(graph.layers) - 1)])
    command = build(folder / "run", shape, sizes, "icarus", checks=True, rtl=sources)
    found, report = _count(folder / "run", [*command, "+toggles"])
    values = sum(int(output.size) for output in maps.outputs)
    return Run(report, values, sum(found.values()), len(found), counted["gates"], counted["flip_flops"])


def with_dump(netlist: str, parameters: Mapping[str, int]) -> str:
    """The netlist with parameters, which the engine sets (to what the gates were made for), and a dump on demand.

    Raises
    ------
    LockstepError
        When it is not what `write_netlist` makes.
    """
    head, tail = f"module {TOP}(", "endmodule"
    text = netlist.rstrip()
    if text.count(head) != 1 or not text.endswith(tail):
        raise LockstepError(f"the netlist has no module {TOP} at its end; expected what Yosys writes")
    given = ", ".join(f"parameter integer {name} = {value}" for name, value in parameters.items())
    dump = f'  initial if ($test$plusargs("toggles")) begin $dumpfile("{DUMP}"); $dumpvars(0, {SCOPE}); end\n'
    return text.replace(head, f"module {TOP} #({given}) (").removesuffix(tail) + dump + tail + "\n"


def _sources(rtl: Path, netlist: str, parameters: Mapping[str, int], folder: Path) -> Path:
    """A folder with the RTL in which the array is gates."""
    sources = folder / "rtl"
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir(parents=True)
    for path in sorted(rtl.glob("*.v")):
        if path.stem not in PARTS:
            shutil.copyfile(path, sources / path.name)
    text = with_dump(netlist, parameters)
    write_atomic(sources / f"{TOP}.v", text)
    return sources


def _count(folder: Path, command: list[str]) -> tuple[dict[str, int], Report]:
    """Simulate, counting what the dump says as it is written: it would fill a disk."""
    pipe = folder / DUMP
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    outcome: list[Report | BaseException] = []

    def simulation() -> None:
        try:
            outcome.append(simulate(folder, command))
        except BaseException as error:  # told by the thread that waits
            outcome.append(error)
        finally:
            # a simulator that never opened the pipe leaves the reader waiting; ENXIO: nobody waits
            with suppress(OSError):
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))

    thread = threading.Thread(target=simulation)
    thread.start()
    try:
        found = toggles.count(pipe, wanted=lambda name: not CLOCK.search(name), live=True)
    except LockstepError:
        found = {}
    finally:
        thread.join()
        pipe.unlink(missing_ok=True)
    (result,) = outcome
    if isinstance(result, BaseException):
        raise result
    if not found:
        raise LockstepError(f"the run in {folder} left no dump of {SCOPE}; see {folder / 'sim.log'}")
    return found, result
