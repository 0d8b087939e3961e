"""Whether any input can tell a mutant from the original: proved by induction, or a run that shows the difference.

Two copies of the next-state function, one with selector 0, one with the mutant's, begin in the same state, any state,
with the reset held for the first cycle; then every input is free, reset and what the modules below answer included, but
for what the block's own SIM_CHECKS forbid (`tb.mutation.contract`). All outputs, those to the modules below included,
must be the same in every cycle after the first. The inductive step may use that the registers of both are the same, of
those for which that is inductive itself: registers in which they differ are left out one after the other until it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from tb.common.tools import Tool
from tb.formal.prove import Verdict, ask, write_model
from tb.mutation.netlist import SELECTOR
from tb.mutation.transition import Transition

TOP = "same"
FROM_RESET = 12  # cycles in which a difference is looked for
DEPTHS = (1, 4)  # of the induction
LIMIT_SECONDS = 120.0  # of one question
TAKES = re.compile(r"\(g_(\w+)_d(?:\[(\d+)\])? == m_")
Held = Mapping[str, frozenset[int]]
FAILED = re.compile(rf"Assert failed in {TOP}: (?:\S*/)?{TOP}\.v:(?P<line>\d+)")


class Equivalence(StrEnum):
    """What is known of a mutant that no test has killed."""

    EQUIVALENT = "equivalent"  # proved for runs of any length
    DIFFERENT = "different"  # a run from the reset shows it
    UNDECIDED = "undecided"  # neither; counts as real


class Answer(NamedTuple):
    """The verdict and, of EQUIVALENT, the depth of the induction and the registers that may differ."""

    verdict: Equivalence
    depth: int = 0
    free: int = 0
    trace: Path | None = None


def _copy(side: str, step: Transition, selector: int | None, shared: Held | None = None) -> list[str]:
    """The lines of a copy with its registers, bits in `shared` being copy g's; its signals begin with `side`."""
    pins = [f".{name}({name})" for name in (*(["clk_i"] if step.clocked else []), *step.inputs)]
    pins += [f".{SELECTOR}({step.selector}'d{selector})"] if selector is not None else []
    ports = {**step.outputs, **{f"{name}_{end}": 1 for name in step.owed for end in ("a", "en")}}
    pins += [f".{name}({side}_{name})" for name in ports]
    lines = [f"  wire [{width - 1}:0] {side}_{name};" for name, width in ports.items()]
    lines += [f"  wire [{width - 1}:0] {side}_{port};" for port, width in step.nets.values()]
    pins += [f".{port}({side}_{port})" for port, _ in step.nets.values()]
    for name, width in step.registers.items():
        lines += [f"  reg [{width - 1}:0] {side}_{name}_q;", f"  wire [{width - 1}:0] {side}_{name}_d;"]
        lines += [f"  always @(posedge clk_i) {side}_{name}_q <= {side}_{name}_d;"]
        bits = (shared or {}).get(name, frozenset())
        holds = [f"{'g' if bit in bits else side}_{name}_q[{bit}]" for bit in reversed(range(width))]
        shown = f"g_{name}_q" if len(bits) == width else f"{{{', '.join(holds)}}}" if bits else f"{side}_{name}_q"
        pins += [f".{name}_q({shown})", f".{name}_d({side}_{name}_d)"]
    return [*lines, f"  {step.top} u_{side} ({', '.join(pins)});"]


def same(
    step: Transition,
    contract: Transition,
    number: int,
    held: Held,
    linked: Collection[str] | None = None,
    apart: Collection[str] = (),
) -> str:
    """The property module: its text.

    Parameters
    ----------
    step : Transition
        With the selector, and with the nets that name the contract's registers.
    contract : Transition
        The original with what it is owed.
    number : int
        The mutant's.
    held : mapping of str to bits
        Of registers of `step` the bits that both copies have in common; that they take the same is asserted.
    linked : collection of str, optional
        Registers of `contract` that begin, and are asserted to go on, as those of the same name in `step`; all.
    apart : collection of str
        Registers of `held` whose bits are asserted one by one.
    """
    inputs = {**step.inputs, **contract.inputs}
    lines = [f"module {TOP} (", "  input wire clk_i,"]
    lines += [",\n".join(f"  input wire [{width - 1}:0] {name}" for name, width in inputs.items()), ");"]
    lines += [*_copy("g", step, 0), *_copy("m", step, number, held), *_copy("k", contract, None)]
    lines += ["  initial assume (!rst_ni);"] if "rst_ni" in inputs else []
    lines += [f"  initial assume (g_{name}_q == m_{name}_q);" for name in step.registers]
    for name, bits in contract.places.items():
        if (linked is None or name in linked) and all(net in step.nets for net, _ in bits):
            here = ", ".join(f"g_{step.nets[net][0]}[{at}]" for net, at in reversed(bits))
            lines += [f"  initial assume (k_{name}_q == {{{here}}});"]
            lines += [f"  always @(*) assert (k_{name}_q == {{{here}}});"]
    lines += [f"  always @(*) assume (!k_{name}_en || k_{name}_a);" for name in contract.owed]
    # Not in the cycle of that reset: registers may hold then what they never do once there has been one.
    lines += ["  reg begun_q;", "  always @(posedge clk_i) begun_q <= 1'b1;", "  initial assume (!begun_q);"]
    begun = "!begun_q || " if "rst_ni" in inputs else ""
    lines += [f"  always @(*) assert ({begun}g_{name} == m_{name});" for name in step.outputs]
    for name, common in held.items():
        if len(common) == step.registers[name] and name not in apart:
            lines += [f"  always @(*) assert (g_{name}_d == m_{name}_d);"]
        else:
            lines += [f"  always @(*) assert (g_{name}_d[{bit}] == m_{name}_d[{bit}]);" for bit in sorted(common)]
    return "\n".join([*lines, "endmodule", ""])


def compare(
    step: Transition,
    contract: Transition,
    number: int,
    tools: Mapping[str, Tool],
    sources: Mapping[str, str],
    folder: Path,
) -> Answer:
    """Prove or refute that mutant `number` is the original.

    Parameters
    ----------
    step, contract : Transition
    number : int
    tools : mapping
        As `tb.formal.prove.find_tools` gives them.
    sources : mapping
        Verilog of both, by module.
    folder : Path
        For models, logs and a trace.

    Raises
    ------
    ToolError
        When a tool fails or gives no answer in time.
    """
    linked = set(contract.places)
    apart: set[str] = set()

    def question(kind: str, depth: int, held: Held) -> tuple[Verdict, set[tuple[str, str]]]:
        while True:
            text = same(step, contract, number, held, linked, apart)
            write_model({TOP: text, **sources}, TOP, tools, folder)
            verdict = ask(tools, folder, kind, depth, LIMIT_SECONDS)
            lines = text.splitlines()
            log = (folder / f"{kind}.log").read_text(errors="replace")
            failed = [lines[int(found["line"]) - 1] for found in FAILED.finditer(log)]
            # A register of the contract that is another one than in the netlist, in which bits that nothing reads are
            # gone, goes its own way from now on. What is assumed gets weaker by that, never wrong: there is then a
            # state from which the original would not have been stopped either.
            astray = {name for name in linked if any(f"(k_{name}_q ==" in line for line in failed)}
            if not astray:
                return verdict, {(found[1], found[2]) for line in failed if (found := TAKES.search(line))}
            linked.difference_update(astray)

    for depth in DEPTHS:
        held: dict[str, frozenset[int]] = {name: frozenset(range(width)) for name, width in step.registers.items()}
        while True:
            verdict, wrong = question("induction", depth, held)
            if verdict.holds:
                verdict, wrong = question("base", depth, held)
                if verdict.holds:
                    free = sum(len(held.get(name, ())) < width for name, width in step.registers.items())
                    return Answer(Equivalence.EQUIVALENT, depth, free)
            if not wrong:
                break
            for name, bit in wrong:
                if bit:
                    held[name] -= {int(bit)}
                elif step.registers[name] == 1:
                    del held[name]
                else:
                    apart.add(name)
    verdict, _ = question("base", FROM_RESET, {})
    if not verdict.holds:
        return Answer(Equivalence.DIFFERENT, trace=verdict.trace)
    return Answer(Equivalence.UNDECIDED)
