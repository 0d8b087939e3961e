"""What one proof is: a property module around a block of ``rtl/``, how it is proved, which faults must break it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from model.errors import LockstepError

FOLDER = Path(__file__).resolve().parent
Method = Literal["induction", "bounded"]
Parameters = Mapping[str, int]
# A wire of a property module that is joined to one inside the block, which Verilog itself does not let it name:
#   (* inside = "u_dut.count_q" *) wire [3:0] count;          a register or wire
#   (* inside = "u_dut.mem[*Depth]" *) wire [31:0] words;     Depth of them, number 0 lowest; Depth is a parameter
INSIDE = re.compile(r'\(\* inside = "(?P<path>[^"]+)" \*\)\s+wire\s+(?:signed\s+)?(?:\[[^\]]+\]\s+)?(?P<wire>\w+);')
ARRAY = re.compile(r"\[\*(?P<size>\w+)\]")


@dataclass(frozen=True)
class Proof:
    """A property module and the ways it is run.

    Parameters
    ----------
    name : str
        What it is called.
    block : str
        The module of ``rtl/`` that it is about.
    says : str
        What is proved, in one sentence.
    method : {"induction", "bounded"}
        ``induction``: for runs of any length, by k-induction.
        ``bounded``: for the first `depth` cycles from the reset on.
    depth : int
        k of the induction, or the number of cycles.
    cover : int
        Cycles within which every cover statement must be reached: else the assumptions exclude what they should not.
    variants : tuple of mappings
        Values for parameters of the property module, each a proof of its own.
    faults : mapping of str to int
        Named faults that must give a counterexample, each with the index of the variant that shows it.
    quick : bool
        Whether the test suite runs its first variant and first fault as well.
    boxes : tuple of str
        Blocks whose outputs are left open, so that the proof holds for whatever they do.
    source : str
        The property module, ``tb/formal/<source>.v``; by default it is called as the proof.
    """

    name: str
    block: str
    says: str
    method: Method
    depth: int
    cover: int
    variants: tuple[Parameters, ...] = ({},)
    faults: Mapping[str, int] = field(default_factory=dict)
    quick: bool = False
    boxes: tuple[str, ...] = ()
    source: str = ""

    @property
    def top(self) -> str:
        """The property module."""
        return self.source or self.name

    @property
    def path(self) -> Path:
        """Its file."""
        return FOLDER / f"{self.top}.v"

    @property
    def from_reset(self) -> int:
        """Cycles from the reset on within which a fault has to show itself."""
        return max(self.depth, self.cover)

    @property
    def strength(self) -> str:
        """The method and how deep it goes, for people."""
        if self.method == "induction":
            return f"induction, k = {self.depth}"
        return f"bounded, {self.depth} cycles"


def title(parameters: Parameters) -> str:
    """A variant as a name: ``Depth4_Width8``, or ``default``.

    >>> title({"Depth": 4, "Width": 8}), title({})
    ('Depth4_Width8', 'default')
    """
    return "_".join(f"{name}{value}" for name, value in parameters.items()) or "default"


def joints(source: str, parameters: Parameters) -> list[tuple[str, str]]:
    r"""The wires of a property module that are joined to the block's own, each with what it is joined to.

    Parameters
    ----------
    source : str
        The module's text.
    parameters : mapping
        The variant's; an array's size is one of them or a number.

    Returns
    -------
    list of (str, str)
        The wire, and a signal expression of Yosys.

    Raises
    ------
    LockstepError
        When an array's size is neither.

    >>> joints('(* inside = "u_dut.mem[*Depth]" *) wire [3:0] mem;', {"Depth": 2})
    [('mem', '\\u_dut.mem[1],\\u_dut.mem[0]')]
    """
    found = []
    for match in INSIDE.finditer(source):
        path, array = match["path"], ARRAY.search(match["path"])
        if array is None:
            found.append((match["wire"], f"\\{path}"))
            continue
        size = int(array["size"]) if array["size"].isdigit() else parameters.get(array["size"])
        if size is None:
            raise LockstepError(f"{match['wire']} is {path}, but {array['size']} is no parameter of the variant")
        parts = [f"\\{path[: array.start()]}[{i}]{path[array.end() :]}" for i in reversed(range(size))]
        found.append((match["wire"], ",".join(parts)))
    return found
