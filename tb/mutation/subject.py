"""What is mutated: a module in the parameters that a simulation elaborates it with, and the simulations that do.

Yosys elaborates the top of every stage of `tb.mutants.stages` and says with which parameters each module is in it. A
module's subjects are its elaborations in its own tests or, where it has none, in the first block of the stages that
contains it. The stages of a subject are all those, of whatever block, that hold the module so elaborated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.errors import LockstepError
from tb.common.tools import Tool
from tb.mutants.stage import Stage

HEADER = re.compile(r"^module\s+(?P<name>\w+)\s*(?:#\s*\((?P<parameters>.*?)^\)\s*)?\((?P<ports>.*?)^\);", re.M | re.S)
PARAMETER = re.compile(r"^\s*parameter\s+(?:integer\s+)?(?:\[[^\]]*\]\s*)?(?P<name>\w+)\s*=", re.M)
PORT = re.compile(r"^\s*(?:input|output)\b[^,;/]*?(?P<name>\w+)\s*,?\s*(?://.*)?$", re.M)
# A module of RTLIL: its name in the source, then its own lines up to the first wire or cell.
ELABORATED = re.compile(
    r'^attribute \\hdlname "(?P<name>\w+)"\n(?:attribute .*\n)*module .*\n(?P<lines>(?:  \w.*\n)*)', re.M
)
VALUE = re.compile(r"^  parameter \\(?P<name>\w+) (?:(?P<number>-?\d+)|\d+'(?P<bits>[01]+))$", re.M)


@dataclass(frozen=True)
class Header:
    """The interface of a module: `text` up to the closing bracket of its ports, names of its parameters and ports.

    `before_ports` is the text up to where the ports begin.
    """

    text: str
    before_ports: str
    parameters: tuple[str, ...]
    ports: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """A module elaborated with `parameters`, and the stages that hold it so.

    Parameters
    ----------
    module : str
    parameters : tuple of (str, int)
        All of them, in order.
    stages : tuple of Stage
    alone : bool
        Whether none of them holds the module with other parameters as well.
    """

    module: str
    parameters: tuple[tuple[str, int], ...]
    stages: tuple[Stage, ...]
    alone: bool = True

    @property
    def name(self) -> str:
        """The module and the values of its parameters: ``fifo_5_3``."""
        return "_".join([self.module, *(str(value) for _, value in self.parameters)])


def read_header(module: str, source: str) -> Header:
    r"""The interface of `module` as its source has it.

    Raises
    ------
    LockstepError
        When it is not found.

    >>> source = "module m #(\n  parameter integer A = 1\n) (\n  input wire [A:0] x_i\n);\nendmodule"
    >>> read_header("m", source).parameters, read_header("m", source).ports
    (('A',), ('x_i',))
    """
    found = HEADER.search(source)
    if found is None or found["name"] != module:
        raise LockstepError(
            f"rtl/{module}.v has no header `module {module} #( ... ) ( ... );`, brackets closed at a line's begin"
        )
    names = tuple(each["name"] for each in PARAMETER.finditer(found["parameters"] or ""))
    before = found[0][: found.start("ports") - found.start() - 1].rstrip()
    return Header(found[0], before, names, tuple(each["name"] for each in PORT.finditer(found["ports"])))


def read_elaborated(text: str) -> dict[str, set[tuple[tuple[str, int], ...]]]:
    """The modules in a design and the parameters that each has there, of RTLIL `text`."""
    found: dict[str, set[tuple[tuple[str, int], ...]]] = {}
    for each in ELABORATED.finditer(text):
        values = (
            (v["name"], int(v["number"]) if v["number"] else int(v["bits"], 2)) for v in VALUE.finditer(each["lines"])
        )
        found.setdefault(each["name"], set()).add(tuple(values))
    return found


def elaborate(stages: Sequence[Stage], rtl: Mapping[str, str], yosys: Tool, folder: Path) -> None:
    """Write what Yosys elaborates for each stage into `folder`: ``<index>.il``.

    Raises
    ------
    ToolError
        When Yosys refuses.
    """
    (folder / "rtl").mkdir(parents=True, exist_ok=True)
    for module, source in rtl.items():
        (folder / "rtl" / f"{module}.v").write_text(source)
    lines = [f"read_verilog -DSYNTHESIS rtl/{module}.v" for module in rtl] + ["read_verilog tops.v"]
    tops = []
    for index, stage in enumerate(stages):
        values = ", ".join(f".{name}({value})" for name, value in stage.parameters.items())
        tops.append(f"module stage_{index}; {stage.top} #({values}) u_top (); endmodule\n")
        lines += ["design -push-copy", f"hierarchy -check -top stage_{index}", f"write_rtlil {index}.il", "design -pop"]
    (folder / "tops.v").write_text("".join(tops))
    (folder / "elaborate.ys").write_text("\n".join(lines) + "\n")
    yosys.run(["-Q", "-T", "-s", "elaborate.ys"], folder, "yosys.log")


def subjects(stages: Sequence[Stage], rtl: Mapping[str, str], folder: Path) -> list[Subject]:
    """Every module's subjects, by module, from the files that `elaborate` left in `folder`.

    Raises
    ------
    LockstepError
        When a module is in no stage.
    """
    held = [read_elaborated((folder / f"{index}.il").read_text()) for index in range(len(stages))]
    found = []
    for module in rtl:
        tops = [stage.top for stage, each in zip(stages, held, strict=True) if module in each]
        if not tops:
            raise LockstepError(f"no block under test contains rtl/{module}.v")
        home = module if module in tops else tops[0]
        values: dict[tuple[tuple[str, int], ...], None] = {}  # in order
        for stage, each in zip(stages, held, strict=True):
            if stage.top == home and not stage.corner:
                values |= dict.fromkeys(sorted(each.get(module, ())))
        for parameters in values:
            places = [at for at, each in enumerate(held) if parameters in each.get(module, ())]
            alone = all(len(held[at][module]) == 1 for at in places)
            found.append(Subject(module, parameters, tuple(stages[at] for at in places), alone))
    return found
