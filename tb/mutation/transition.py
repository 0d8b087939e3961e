"""A netlist as its next-state function: registers and the modules below become inputs and outputs.

Memories are made registers; then, in Yosys' JSON, each register gives an input (what it holds) and an output (what it
takes at the next edge), and each module below an input for each of its outputs and an output for each of its inputs.
What is left has no state: two copies of it can be compared whatever the modules below do.

Products may be made free as well: that two multipliers with the same factors give the same is more than a solver finds
out in good time, and two copies that are the same for any product are so for the right one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tb.common.tools import Tool, ToolError
from tb.mutation.netlist import SELECTOR, run_yosys

STATE = ("$dff", "$sdff", "$adff", "$mem", "$dlatch", "$sr", "$aldff", "$ff", "$_")
Json = dict[str, Any]
Bit = tuple[str, int]  # of a named net


@dataclass(frozen=True)
class Transition:
    """The ports of a next-state function, each with its width.

    Parameters
    ----------
    top : str
        The module.
    inputs, outputs : mapping of str to int
        Those of the module itself and, turned round, of the modules below; the clock and the selector are not among
        them.
    registers : mapping of str to int
        ``<name>_q`` is an input, ``<name>_d`` an output.
    selector : int
        Width of the selector; 0 without one.
    places : mapping of str to tuple of (str, int)
        Of a register, the net and the bit that each of its bits is called, lowest first; only where all are named.
    nets : mapping of str to (str, int)
        The outputs that show named nets, and their widths, by net.
    owed : tuple of str
        Assumptions: outputs ``<name>_en``, whether it speaks, and ``<name>_a``, what has to hold then.
    clocked : bool
        Whether it has the port ``clk_i``.
    products : tuple of int
        Widths of the products that were made inputs, in the order of the source.
    """

    top: str
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    registers: Mapping[str, int]
    selector: int
    places: Mapping[str, tuple[Bit, ...]]
    nets: Mapping[str, tuple[str, int]]
    owed: tuple[str, ...]
    clocked: bool
    products: tuple[int, ...]


def write_transition(
    yosys: Tool,
    design: Sequence[str],
    folder: Path,
    name: str,
    nets: Collection[str] = (),
    *,
    free_products: bool = False,
) -> Transition:
    """Write ``<name>.v`` into `folder`, a next-state function.

    Parameters
    ----------
    yosys : Tool
    design : sequence of str
        Yosys commands that give the netlist; all modules but one are black boxes.
    folder : Path
        Where they run.
    name : str
    nets : collection of str
        Named nets to be shown at outputs, those that there are.
    free_products : bool
        Make what multipliers give inputs, and their factors outputs.

    Raises
    ------
    ToolError
        When Yosys fails, or a cell keeps state that is no register.
    """
    steps = [
        *design,
        "memory_map",
        "dffunmap",
        "setundef -undriven -zero",
        "opt_clean",
        f"write_json {name}_state.json",
    ]
    run_yosys(yosys, folder, f"{name}_state", steps)
    modules = json.loads((folder / f"{name}_state.json").read_text())["modules"]
    ((top, module),) = ((top, each) for top, each in modules.items() if "blackbox" not in each["attributes"])
    found = _evert(top, module, nets, free_products)
    (folder / f"{name}.json").write_text(json.dumps({"modules": {top: module}}))
    steps = [f"read_json {name}.json", "opt_clean", "check -assert", f"write_verilog -noattr {name}.v"]
    run_yosys(yosys, folder, name, steps)
    return found


def _evert(top: str, module: Json, nets: Collection[str], free_products: bool) -> Transition:
    """Turn the cells that are not logic into ports, in place."""
    ports, cells = module["ports"], module["cells"]
    selector = len(ports[SELECTOR]["bits"]) if SELECTOR in ports else 0
    told = {name: port for name, port in ports.items() if name not in ("clk_i", SELECTOR)}
    inputs = {name: len(port["bits"]) for name, port in told.items() if port["direction"] == "input"}
    outputs = {name: len(port["bits"]) for name, port in told.items() if port["direction"] == "output"}
    named = {
        bit: (name, at)
        for name, net in module["netnames"].items()
        if not net["hide_name"]
        for at, bit in enumerate(net["bits"])
    }
    registers: dict[str, int] = {}
    places: dict[str, tuple[Bit, ...]] = {}
    owed = []
    products = sorted((name for name in cells if cells[name]["type"] == "$mul"), key=_made) if free_products else []
    widths = tuple(len(cells[name]["connections"]["Y"]) for name in products)
    for number, (name, cell) in enumerate(sorted(cells.items())):
        kind, joined = cell["type"], cell["connections"]
        if kind == "$dff":
            if int(cell["parameters"]["CLK_POLARITY"], 2) != 1:
                raise ToolError(f"{top}: register {name} takes the falling edge")
            register = f"r{number}"
            registers[register] = len(joined["Q"])
            if all(bit in named for bit in joined["Q"]):
                places[register] = tuple(named[bit] for bit in joined["Q"])
            ports[f"{register}_q"] = {"direction": "input", "bits": joined["Q"]}
            ports[f"{register}_d"] = {"direction": "output", "bits": joined["D"]}
        elif kind == "$check":
            owed.append(f"o{number}")
            for end in ("A", "EN"):
                ports[f"o{number}_{end.lower()}"] = {"direction": "output", "bits": joined[end]}
        elif name in products:
            at = products.index(name)
            inputs[f"p{at}_y"] = widths[at]
            ports[f"p{at}_y"] = {"direction": "input", "bits": joined["Y"]}
            for pin in ("A", "B"):
                outputs[f"p{at}_{pin.lower()}"] = len(joined[pin])
                ports[f"p{at}_{pin.lower()}"] = {"direction": "output", "bits": joined[pin]}
        elif not kind.startswith("$"):
            for pin, direction in cell["port_directions"].items():
                if pin == "clk_i" or not joined[pin]:
                    continue
                port = f"c_{re.sub(r'[^A-Za-z0-9]', '_', name)}_{pin}"
                side, turned = (outputs, "output") if direction == "input" else (inputs, "input")
                side[port] = len(joined[pin])
                ports[port] = {"direction": turned, "bits": joined[pin]}
        elif kind.startswith(STATE):
            raise ToolError(f"{top}: cell {name} of type {kind} keeps state and is no plain register")
        else:
            continue
        del cells[name]
    shown = {}
    for at, net in enumerate(sorted(nets)):
        if net in module["netnames"]:
            bits = module["netnames"][net]["bits"]
            shown[net] = (f"n{at}", len(bits))
            ports[f"n{at}"] = {"direction": "output", "bits": bits}
    clocked = "clk_i" in ports
    return Transition(top, inputs, outputs, registers, selector, places, shown, tuple(owed), clocked, widths)


def _made(name: str) -> tuple[int, str]:
    """When Yosys made the cell, which is in the order of the source and of a loop's rounds; then its path."""
    path, _, number = name.rpartition("$")
    return int(number), path
