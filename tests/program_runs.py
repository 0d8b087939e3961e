"""A compiled layer run by the interpreter and held against the golden model; shared by the program's tests."""

from __future__ import annotations

import numpy as np

from model.program.compiled import LayerProgram
from model.program.interpret import Interpreter
from model.program.outcome import Outcome
from model.program.words import to_ints


def fill(machine: Interpreter, program: LayerProgram, codes: np.ndarray) -> None:
    """Load the input codes of `program`."""
    for address, line in zip(*program.load(codes), strict=True):
        machine.load(int(address), line.tolist())


def run(machine: Interpreter, program: LayerProgram) -> Outcome:
    """Run `program` on what the memory holds."""
    words, last = program.stream()
    return machine.run(program.descriptor.encode().tolist(), to_ints(words), last.tolist())


def differences(machine: Interpreter, program: LayerProgram, outcome: Outcome, expected: np.ndarray) -> list[str]:
    """What `outcome` and the memory have that the golden output `expected` (out_channels, y, x) does not ask for."""
    told = []
    if program.target is None:
        if not np.array_equal(np.array(outcome.results), program.results(expected)):
            told.append("results")
        if outcome.writes:
            told.append("logits were written back")
    else:
        address, codes = program.writes(expected)
        if [write.address for write in outcome.writes] != address.tolist():
            told.append("addresses")
        if not np.array_equal(np.array([write.codes for write in outcome.writes]), codes):
            told.append("codes")
        address, codes = program.target.encode(expected)
        if [machine.memory[line] for line in address.tolist()] != codes.tolist():
            told.append("memory")
        if outcome.results:
            told.append("codes came as results")
    if outcome.pixels != program.cycles.pixels:
        told.append("pixels")
    if outcome.words != program.stream_length:
        told.append("words")
    if len(outcome.writes) + len(outcome.results) != program.cycles.writes:
        told.append("number of writes")
    return told
