"""All mutants of a subject in one netlist; the file ``mutant.hex`` beside the simulation chooses one, 0 is none.

Yosys makes a word-level netlist of the module as elaborated, the modules below it left as they are, lists mutations of
it and puts them all in, each behind one value of a selector. The netlist takes the module's place under its name and
with its parameters; where a stage has the module with other parameters too, those are the source itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tb.common.sources import contained
from tb.common.tools import Tool
from tb.mutation.forked import CHOSEN
from tb.mutation.subject import Header, Subject, read_header

SELECTOR = "mutant_select"
CLOCK = re.compile(r"clk_i|CLK|RD_CLK|WR_CLK")
OPTION = re.compile(r"-(?P<name>\w+) (?P<value>\S+)")
SOURCE = re.compile(r"\w+\.v:(?P<line>\d+)\.")
LOOPED = re.compile(r"\\(?P<name>[\w.\[\]]+) ")  # an instance in a loop: gen_row[0].u_row
MEMORY = "sram"
# These wires read what nothing else does, for the linters alone.
UNUSED = "delete w:unused w:unused_* w:*.unused w:*.unused_*"
# Mutations offered for one that is wanted: some touch a clock, and are left out.
OFFERED = 2


@dataclass(frozen=True)
class Mutation:
    """One change of the netlist, as Yosys tells it.

    Parameters
    ----------
    mode : str
        inv, const0, const1, cnot0 or cnot1: what becomes of the bit (the last two: inverted when another bit is 0, 1).
    cell, port : str
        Of the netlist.
    bit : int
    wire : str
        The signal of the source whose bit it is, with the bit; empty when it has no name.
    line : int
        Of ``rtl/<module>.v``.
    command : str
        The Yosys command, without the selector.
    """

    mode: str
    cell: str
    port: str
    bit: int
    wire: str
    line: int
    command: str


def read_mutation(line: str) -> Mutation:
    """A line of ``mutate -list``.

    >>> read_mutation("mutate -mode inv -module m -cell u -port Y -portbit 1 -wire a -wirebit 1 -src m.v:3.1-3.9").line
    3
    """
    told: dict[str, list[str]] = {}
    for option in OPTION.finditer(line):
        told.setdefault(option["name"], []).append(option["value"])
    wire = f"{told['wire'][0]}[{told['wirebit'][0]}]" if "wire" in told else ""
    # The last source tag is the cell's own; those before it, if any, are of the wire's declaration.
    lines = [int(found["line"]) for text in told.get("src", ()) if (found := SOURCE.search(text))]
    mode, cell, port, bit = (told[name][0] for name in ("mode", "cell", "port", "portbit"))
    return Mutation(mode, cell, port, int(bit), wire, lines[-1] if lines else 0, line)


def list_mutations(
    subject: Subject, rtl: Mapping[str, str], yosys: Tool, folder: Path, seed: int, wanted: int
) -> list[Mutation]:
    """Write ``base.il``, the netlist of `subject`, into `folder`; returns mutations of it.

    Parameters
    ----------
    subject : Subject
    rtl : mapping
        Sources by module.
    yosys : Tool
    folder : Path
    seed : int
    wanted : int
        Mutations, at most.

    Raises
    ------
    ToolError
        When Yosys fails.
    """
    inner = f"{subject.module}_mutants"
    steps = [
        *elaborated(subject, rtl, folder),
        f"rename -top {inner}",
        UNUSED,
        "opt -keepdc",
        "wreduce -keepdc",
        "memory_collect",
        "opt -keepdc",
        "setundef -undriven -zero",  # what the source leaves open, an address beside no write for one, is 0
        "check -assert",
        "write_rtlil base.il",
        f"mutate -list {OFFERED * wanted} -seed {seed} -module {inner} -o list.txt",
    ]
    run_yosys(yosys, folder, "list", steps)
    mutations = [read_mutation(line) for line in (folder / "list.txt").read_text().splitlines()]
    return [each for each in mutations if not CLOCK.fullmatch(each.port)][:wanted]


def insert(subject: Subject, rtl: Mapping[str, str], yosys: Tool, folder: Path, mutations: Sequence[Mutation]) -> None:
    """Put `mutations` into the ``base.il`` in `folder`, the first behind selector 1.

    Leaves ``mutated.il``, and ``rtl/``: all sources, with one that takes the module's place.

    Raises
    ------
    ToolError
        When Yosys fails.
    LockstepError
        When the source has no header that can be read.
    """
    source, width = rtl[subject.module], max(1, len(mutations).bit_length())
    header = read_header(subject.module, source)
    steps = [
        "read_rtlil base.il",
        *(
            each.command.replace("mutate ", f"mutate -ctrl {SELECTOR} {width} {number} ", 1)
            for number, each in enumerate(mutations, 1)
        ),
        "write_rtlil mutated.il",
        "write_verilog -noattr mutated.v",
    ]
    run_yosys(yosys, folder, "insert", steps)
    # As tb.common.drivers.looped finds them: gen_row_0_u_row.
    netlist = LOOPED.sub(
        lambda found: re.sub(r"[.\[\]]+", "_", found["name"]) + " ", (folder / "mutated.v").read_text()
    )
    place = _alone(header, netlist, width) if subject.alone else _beside(subject, header, source, netlist, width)
    (folder / "rtl").mkdir(exist_ok=True)
    for name, source in {**rtl, subject.module: place}.items():
        (folder / "rtl" / f"{name}.v").write_text(source)


def elaborated(subject: Subject, rtl: Mapping[str, str], folder: Path, options: str = "") -> list[str]:
    """Write the sources into `folder`; the commands that read the subject alone, what is below it as black boxes."""
    module = subject.module
    below = sorted(contained(module, rtl) - {module})
    (folder / "src").mkdir(parents=True, exist_ok=True)
    for name in [module, *below]:
        (folder / "src" / f"{name}.v").write_text(rtl[name])
    values = " ".join(f"-chparam {name} {value}" for name, value in subject.parameters)
    return [
        f"read_verilog -DSYNTHESIS {options} src/{module}.v",
        *(f"read_verilog -lib -DSYNTHESIS src/{name}.v" for name in below),
        f"hierarchy -check -top {module} {values}",
        "proc",
    ]


def flattened(module: str, top: str, rtl: Mapping[str, str]) -> list[str]:
    """The commands that put the modules below `module` into the netlist `top` made of it: all but the memories.

    Their sources stand in ``src`` (`elaborated`).
    """
    below = sorted(contained(module, rtl) - {module, MEMORY})
    if not below:
        return []
    names = " ".join(f"src/{name}.v" for name in below)
    read = f"read_verilog -overwrite -DSYNTHESIS {names}"
    named = f"rename -top {top}"  # again: hierarchy takes its parameters for a new module's
    return [read, "hierarchy", "proc", UNUSED, "flatten", named, "opt", "wreduce", "memory_collect"]


def run_yosys(yosys: Tool, folder: Path, name: str, steps: Sequence[str]) -> None:
    """Run commands in `folder`; they and what Yosys says stay there under `name`."""
    (folder / f"{name}.ys").write_text("\n".join(steps) + "\n")
    yosys.run(["-Q", "-T", "-s", f"{name}.ys"], folder, f"{name}.log")


def _selector(width: int) -> str:
    """Verilog that reads the mutant's number."""
    return (
        f"  reg [{width - 1}:0] {SELECTOR}_file [0:0];\n"
        f'  initial $readmemh("{CHOSEN}", {SELECTOR}_file);\n'
        f"  wire [{width - 1}:0] {SELECTOR} = {SELECTOR}_file[0];\n"
    )


def _alone(header: Header, netlist: str, width: int) -> str:
    """The netlist as the module itself: what looks into the module finds its signals."""
    head = f"{header.before_ports} ({', '.join(header.ports)});\n{_selector(width)}"
    text = re.sub(r"^module .*?\);\n", lambda found: head, netlist, count=1, flags=re.MULTILINE | re.DOTALL)
    return re.sub(rf"^  (input|wire) (\[\d+:0\] )?{SELECTOR};\n", "", text, flags=re.MULTILINE)


def _beside(subject: Subject, header: Header, source: str, netlist: str, width: int) -> str:
    """The netlist where the parameters are the subject's, the source where they are others."""
    module, original = subject.module, f"{subject.module}_original"
    wires = re.sub(r"\boutput(\s+)reg\b", r"output\1wire", header.text)
    ports = ", ".join(f".{name}({name})" for name in header.ports)
    values = ", ".join(f".{name}({name})" for name in header.parameters)
    same = " && ".join(f"{name} == {value}" for name, value in subject.parameters) or "1"
    return (
        "`default_nettype wire\n"
        f"{wires}\n"
        f"  generate if ({same}) begin : gen_mutants\n"
        f"{_selector(width)}"
        f"    {module}_mutants u_mutants ({ports}, .{SELECTOR}({SELECTOR}));\n"
        "  end else begin : gen_original\n"
        f"    {original} #({values}) u_original ({ports});\n"
        "  end endgenerate\n"
        "endmodule\n\n"
        + re.sub(rf"^module {module}\b", f"module {original}", source, count=1, flags=re.MULTILINE)
        + netlist
    )
