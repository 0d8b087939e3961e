"""Registers and memories that begin with random values instead of X or 0: INIT=random.

A circuit must not depend on what its registers hold before its reset, nor on memory that was never written. X finds
some of that in Icarus and hides some (``if (x)`` takes the other branch); Verilator begins with zeros. With random
values, the same tests must give the same results.

Every register that a clock edge writes gets an ``initial`` block, in copies of the sources: it works in both simulators
and without cocotb, reaches memories and generate blocks, and leaves alone what ``always @(*)`` makes, whose value a
deposit from outside would overwrite for good when its inputs are still. Lines keep their numbers. Verilator has options
of its own, which are given as well, for what no clock edge writes; alone they do not do, for all words of a memory
begin alike.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from model.errors import LockstepError
from model.files import write_atomic
from tb.common.simulators import Tools

CHOICES = ("", "random")
RANDOM_VALUES = Path(__file__).with_name("random_values.v")
ICARUS_BUILD = ("-s", RANDOM_VALUES.stem)
VERILATOR_BUILD = ("--x-initial", "unique", "--x-assign", "unique", "-Wno-WIDTHTRUNC")  # the blocks cut words off
BUILD = {"icarus": ICARUS_BUILD, "verilator": VERILATOR_BUILD}
WORDS = {"icarus": f"{RANDOM_VALUES.stem}.word(1'b0)", "verilator": "$urandom"}  # 32 random bits, of the seed
SEEDS = 2**31 - 1  # Verilator's: 1 .. SEEDS

NAME = r"[A-Za-z_]\w*"
INDEX = r"(?:\s*\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\])"
TARGET = rf"(?:\{{[^{{}}]*\}}|{NAME}{INDEX}*)"
ASSIGNED = re.compile(
    rf"(?:^|\)|\bbegin\b(?:\s*:\s*{NAME})?|\belse\b|\bend\b|:)\s*(?P<to>{TARGET})\s*(?P<how><=|=(?!=))"
)
DECLARED = re.compile(rf"\b(?P<kind>reg|integer)\b(?:\s+signed\b)?\s*(?P<range>{INDEX})?\s*(?P<names>[^;]*);")
NETS = re.compile(r"\b(assign|wire|localparam)\b")
HIDDEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|^\s*`[^\n]*", re.DOTALL | re.MULTILINE)


def random_start() -> bool:
    """Whether the environment's INIT asks for random values.

    Raises
    ------
    LockstepError
        When it is neither empty nor ``random``.
    """
    chosen = os.environ.get("INIT") or ""
    if chosen not in CHOICES:
        raise LockstepError(f"INIT is {chosen!r}; expected random, or nothing for registers that begin with X")
    return chosen == "random"


def plusargs(simulator: str, seed: int) -> list[str]:
    """What the simulation is told on its command line, for values of `seed` (any whole number)."""
    number = seed % SEEDS + 1
    if simulator == "icarus":
        return [f"+init_seed={number}"]
    return ["+verilator+rand+reset+2", f"+verilator+seed+{number}"]


def prepared(
    tools: Tools, simulator: str, sources: Sequence[Path], folder: Path, seed: int
) -> tuple[Tools, list[Path]]:
    """`tools` and `sources` of a build in `folder`, made to begin with random values; raises as `randomize`."""
    given = [*tools.build_args, *BUILD[simulator]]
    tools = replace(tools, plusargs=[*tools.plusargs, *plusargs(simulator, seed)], build_args=given)
    return tools, randomized(sources, folder / "random", simulator)


def randomized(sources: Sequence[Path], folder: Path, simulator: str) -> list[Path]:
    """Copies of `sources` in `folder` whose registers begin with random values, and the module that makes these.

    Parameters
    ----------
    sources : sequence of Path
        Verilog.
    folder : Path
        Made where it is missing; what else is in it stays.
    simulator : {"icarus", "verilator"}

    Raises
    ------
    LockstepError
        As `randomize`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for source in sources:
        copy = folder / source.name
        text = randomize(source.read_text(), source.name, WORDS[simulator])
        if not copy.is_file() or copy.read_text() != text:
            write_atomic(copy, text)
        copies.append(copy)
    return [*copies, RANDOM_VALUES] if simulator == "icarus" else copies


def randomize(source: str, name: str, word: str = WORDS["icarus"]) -> str:
    """A Verilog `source` with an ``initial`` block behind the declaration of every register that a clock edge writes.

    Parameters
    ----------
    source : str
    name : str
        Of the file, for the message.
    word : str
        An expression of 32 random bits.

    Raises
    ------
    LockstepError
        When a register is written by blocking assignments too, or is not declared as ``reg`` or ``integer`` of its own.

    >>> print(randomize("reg a_q; always @(posedge clk_i) a_q <= b;", "a.v"))  # doctest: +ELLIPSIS
    reg a_q; initial begin : random_a_q ... end always @(posedge clk_i) a_q <= b;
    """
    scanned = _flat(source)
    clocked, blocking = _written(scanned)
    both = sorted(clocked & blocking)
    if both:
        raise LockstepError(f"{name}: {both[0]} is written by <= and by =; expected one of them, or INIT left out")
    pieces, at, reached = [], 0, set()
    for found in DECLARED.finditer(scanned):
        bits = source[found.start("range") : found.end("range")].strip() if found["range"] else ""
        width = "32" if found["kind"] == "integer" else _length(bits)
        blocks = []
        for declared in re.finditer(rf"({NAME})({INDEX})?", found["names"]):
            if declared[1] in clocked:
                start = found.start("names") + declared.start(2) if declared[2] else 0
                words = source[start : start + len(declared[2] or "")].strip()
                blocks.append(_block(declared[1], width, words, word))
                reached.add(declared[1])
        pieces += [source[at : found.end()], *blocks]
        at = found.end()
    missed = sorted(clocked - reached)
    if missed:
        raise LockstepError(
            f"{name}: {missed[0]} is written by <=, but not declared as a reg of its own; declare it so"
        )
    return "".join([*pieces, source[at:]])


def _block(name: str, width: str, words: str, word: str) -> str:
    """The ``initial`` block of one register, or of one memory of `words` (its range, ``[0:Depth-1]``)."""
    if not words:
        fill = f"{name} = {{{name}, {word}}};"
        return f" initial begin : random_{name} integer k; for (k = {width}; k > 0; k = k - 32) {fill} end"
    low, high = words.strip("[]").split(":")
    fill = f"{name}[i] = {{{name}[i], {word}}};"
    loops = f"for (i = {low}; i <= {high}; i = i + 1) for (k = {width}; k > 0; k = k - 32)"
    return f" initial begin : random_{name} integer i, k; {loops} {fill} end"


def _length(bits: str) -> str:
    """Bits of a range as an expression.

    >>> _length(""), _length("[Width-1:0]")
    ('1', '(Width-1) - (0) + 1')
    """
    if not bits:
        return "1"
    high, low = bits.strip("[]").split(":")
    return f"({high}) - ({low}) + 1"


def _flat(source: str) -> str:
    """`source` with blanks for comments, strings, directives and all that stands in parentheses; as long as before."""
    text = HIDDEN.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)
    depth, kept = 0, []
    for letter in text:
        depth -= letter == ")"
        kept.append(letter if depth == 0 or letter == "\n" else " ")
        depth += letter == "("
    return "".join(kept)


def _written(scanned: str) -> tuple[set[str], set[str]]:
    """Names that statements write by ``<=`` and by ``=``."""
    written: dict[str, set[str]] = {"<=": set(), "=": set()}
    for statement in scanned.split(";"):
        for names, how in _targets(statement):
            written[how] |= names
    return written["<="], written["="]


def _targets(statement: str) -> Iterator[tuple[set[str], str]]:
    """The first assignment of a statement: what it writes, and how. Nets (`assign`, `wire`) and constants are none."""
    found = ASSIGNED.search(statement)
    if found and "=" not in statement[: found.start("to")] and not NETS.search(statement):
        inside = re.sub(INDEX, "", found["to"])
        yield set(re.findall(NAME, inside)), found["how"]
