"""The array at gate level: Yosys writes mac_array as gates and flip-flops, and the array's own tests run on that.

Modules and registers keep their names, so the very tests of the RTL apply, those that compare every register of every
PE at every clock edge included. Only the names of instances inside loops change: `gen_row[3].u_row` becomes
`gen_row_3_u_row`, for a netlist has no loops.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from model.errors import LockstepError
from model.files import write_atomic
from tb.common.runner import ROOT, Outcome, simulate
from tb.common.tools import Tool
from tb.synth.flows import synthesize

TOP = "mac_array"
PARTS = (TOP, "mac_row", "mac_tile", "shift_add", "os_drain")
TESTS = "tb.mac_array.mac_array_tests"
SHAPE = {"ActWidth": 4, "WgtWidth": 4, "PsumWidth": 16, "WgtLanes": 2}
PARAMETER = re.compile(r"^  parameter integer (\w+)", re.MULTILINE)
LOOPED = re.compile(r"\\(gen_\w+)\[(\d+)\]\.(u_\w+) ")
GATE = re.compile(r"^  assign (\S+(?: ?\[\d+\])?) = ([^?;\n]*[&|^][^?;\n]*);$", re.MULTILINE)


def shape(rows: int, cols: int) -> dict[str, int]:
    """Parameters of an array of rows x cols, by their Verilog names.

    >>> shape(4, 4)["GroupWidth"], shape(8, 8)["GroupWidth"]
    (1, 2)
    """
    return array_parameters({"Rows": rows, "Cols": cols, **SHAPE})


def array_parameters(engine: Mapping[str, int]) -> dict[str, int]:
    """Those of an engine's parameters that its array has, and what the engine derives for it."""
    groups = -(-engine["Cols"] // engine["WgtLanes"])
    declared = PARAMETER.findall((ROOT / "rtl" / f"{TOP}.v").read_text())
    own = {name: engine[name] for name in declared if name in engine}
    return {**own, "GroupWidth": max(1, (groups - 1).bit_length()) + own.get("Simd", 0)}


def pe_parameters(array: Mapping[str, int]) -> dict[str, int]:
    """Those of an array's parameters that its PEs have."""
    return {name: value for name, value in array.items() if name not in ("Rows", "Cols")}


def write_netlist(yosys: Tool, rtl: Path, parameters: Mapping[str, int], folder: Path) -> dict[str, int]:
    """Write ``netlist/mac_array.v`` in `folder`: nothing but gates, flip-flops and instances.

    Returns
    -------
    dict
        Gates and flip-flops.

    Raises
    ------
    ToolError
        When Yosys refuses.
    """
    sources = [rtl / f"{name}.v" for name in PARTS]
    counted = synthesize(yosys, "generic", sources, TOP, folder, parameters, "write_verilog -noattr yosys.v")
    text = LOOPED.sub(r"\1_\2_\3 ", (folder / "yosys.v").read_text())
    write_atomic(folder / "netlist" / f"{TOP}.v", text)
    return counted


def run_tests(folder: Path, parameters: Mapping[str, int], simulator: str | None = None) -> Outcome:
    """The tests of mac_array on the netlist in `folder`.

    Raises
    ------
    SimulationError
        When one fails.
    """
    # The netlist has no parameters any more; the tests still need to know them.
    return simulate(
        TOP,
        TESTS,
        {},
        simulator=simulator,
        environment={"LOCKSTEP_PARAMETERS": json.dumps(dict(parameters))},
        checks=False,
        rtl=folder / "netlist",
        build_root=folder / "build",
        announce=False,
    )


def invert(netlist: str, number: int) -> tuple[str, str]:
    """A netlist with one gate's output inverted.

    Parameters
    ----------
    netlist : str
        Verilog, as `write_netlist` makes it.
    number : int
        Which gate, counted from 0 in the order of the text; any number, taken modulo the number of gates.

    Returns
    -------
    (str, str)
        The netlist, and the gate that was changed.

    Raises
    ------
    LockstepError
        When there is no gate in it.
    """
    gates = list(GATE.finditer(netlist))
    if not gates:
        raise LockstepError("the netlist has no gates; expected what Yosys writes")
    gate = gates[number % len(gates)]
    changed = f"  assign {gate[1]} = ~({gate[2]});"
    return netlist[: gate.start()] + changed + netlist[gate.end() :], gate[0].strip()
