"""Which bits of its inputs a module reads at all, with given parameters: a change of another cannot be told.

A PE that is built without output-stationary layers does not look at the weight that passes above it, a walker takes the
low bits of an index; that its neighbour drives those with something else is no fault. The module is flattened, what
nothing reads is removed cell by cell, and the bits that are left are those that a cell or an output takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from tb.mutants.stages import contained
from tb.mutation.netlist import UNUSED, run_yosys
from tb.synth.tools import Tool


def bits_read(
    yosys: Tool, rtl: Mapping[str, str], module: str, parameters: Mapping[str, int], folder: Path
) -> dict[str, frozenset[int]]:
    """Of each input of `module` the bits that it reads.

    Parameters
    ----------
    yosys : Tool
    rtl : mapping
        Sources by module.
    module : str
    parameters : mapping of str to int
    folder : Path
        For the sources and the logs.

    Raises
    ------
    ToolError
        When Yosys fails.
    """
    names = sorted(contained(module, rtl))
    (folder / "src").mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / "src" / f"{name}.v").write_text(rtl[name])
    values = " ".join(f"-chparam {name} {value}" for name, value in parameters.items())
    steps = [
        *(f"read_verilog -DSYNTHESIS src/{name}.v" for name in names),
        f"hierarchy -check -top {module} {values}",
        *("proc", UNUSED, "flatten", "opt", "wreduce", "memory_collect", "simplemap", "opt -purge"),
        "write_json reads.json",
    ]
    run_yosys(yosys, folder, "reads", steps)
    modules = json.loads((folder / "reads.json").read_text())["modules"]
    ((_, netlist),) = modules.items()
    taken = set()
    for cell in netlist["cells"].values():
        for pin, direction in cell["port_directions"].items():
            taken |= set(cell["connections"][pin]) if direction == "input" else set()
    for port in netlist["ports"].values():
        taken |= set(port["bits"]) if port["direction"] == "output" else set()
    return {
        name: frozenset(at for at, bit in enumerate(port["bits"]) if bit in taken)
        for name, port in netlist["ports"].items()
        if port["direction"] == "input"
    }


def reader(
    yosys: Tool, rtl: Mapping[str, str], folder: Path
) -> Callable[[str, Mapping[str, int]], Mapping[str, frozenset[int]]]:
    """`bits_read` of modules by name and parameters, each asked for once; logs in numbered folders in `folder`."""

    @cache
    def asked(module: str, parameters: tuple[tuple[str, int], ...]) -> Mapping[str, frozenset[int]]:
        at = asked.cache_info().currsize
        return bits_read(yosys, rtl, module, dict(parameters), folder / f"{module}_{at}")

    return lambda module, parameters: asked(module, tuple(sorted(parameters.items())))
