"""cocotb tests of core, output stationary: groups of pixels term by term, planes, padding, modes in turns, reset."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import Gather, Trace
from model.golden.os_blocks import Term, run_terms
from tb.common.drivers import generator, next_cycle, pack, parameters, read, reset, settled, start_clock, unpack
from tb.common.instruction import SIDE_WIDTH, InstructionFormat
from tb.common.scoreboard import Coverage, Scoreboard
from tb.common.traffic import Shape, random_codes

PARAMETERS = parameters()
SHAPE = Shape.of(PARAMETERS)
ROWS, COLS = SHAPE.rows, SHAPE.cols
FORMAT = InstructionFormat(PARAMETERS["ActDepth"], PARAMETERS["PsumDepth"], both=True)
ACT_DEPTH, PSUM_DEPTH = PARAMETERS["ActDepth"], PARAMETERS["PsumDepth"]
WORD_WIDTH = PARAMETERS["WgtLanes"] * ROWS * SHAPE.wgt_width
LATENCY = ROWS + COLS + 1
POINTS = ("added to memory", "of a higher plane", "of the highest plane that fits", "fewer terms than rows", "padding")
PLANES = 4
MOST = SHAPE.act_max * max(-SHAPE.wgt_min, SHAPE.wgt_max)  # of a term
PSUM_MAX = (1 << (SHAPE.psum_width - 1)) - 1
TOP_PLANE = max(plane for plane in range(PLANES) if MOST << plane * SHAPE.act_width <= PSUM_MAX)
Cycle = tuple[Term | None, Gather | None]


def random_program(rng: np.random.Generator, groups: list[int], bubbles: float, coverage: Coverage) -> list[Cycle]:
    """Groups of so many terms, then a gather of every psum line that was written."""
    program: list[Cycle] = []
    before = -ROWS
    written: dict[tuple[int, int], int] = {}  # how far from 0 the sums there can be
    for count in groups:
        bank, plane = int(rng.integers(0, 2)), int(rng.integers(0, PLANES))
        address = int(rng.integers(0, PSUM_DEPTH - ROWS + 1))
        lines = [(bank, address + line) for line in range(ROWS)]
        add = bank if all(line in written for line in lines) and rng.random() < 0.8 else None
        before_it = 0 if add is None else max(written[line] for line in lines)
        while plane and before_it + (count * MOST << plane * SHAPE.act_width) > PSUM_MAX:
            plane -= 1
        coverage.hit("added to memory", add is not None)
        coverage.hit("of a higher plane", plane > 0)
        coverage.hit("of the highest plane that fits", plane == TOP_PLANE)
        coverage.hit("fewer terms than rows", count < ROWS or ROWS == 1)
        for index in range(count):
            last = index == count - 1
            while rng.random() < bubbles or (last and len(program) < before + ROWS):
                program.append((None, None))
            weights = tuple(int(w) for w in SHAPE.weights(rng, (COLS,)))
            where = (add, bank, address, plane, int(rng.integers(0, 1 << SIDE_WIDTH)))
            zero = bool(rng.random() < 0.2)
            coverage.hit("padding", zero)
            program.append((Term(int(rng.integers(0, ACT_DEPTH)), weights, index == 0, last, *where, zero), None))
        before = len(program) - 1
        written |= dict.fromkeys(lines, before_it + (count * MOST << plane * SHAPE.act_width))
    program += [(None, None)] * (LATENCY + ROWS)
    program += [
        (None, Gather(bank, address, True, True, bool(rng.integers(0, 2)))) for bank, address in sorted(written)
    ]
    return program


class Bench:
    """Plays a program and expects what the golden core says, to the cycle."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut, self.rng = dut, rng
        self.lines: dict[int, tuple[int, ...]] = {}
        self.boards = [Scoreboard("psum"), Scoreboard("sum, then side"), Scoreboard("output")]

    async def fill(self) -> None:
        """Random lines in the whole activation memory."""
        for address in range(ACT_DEPTH):
            line = tuple(int(code) for code in random_codes(self.rng, 0, SHAPE.act_max, (ROWS,)))
            self.lines[address] = line
            self.dut.act_we_i.value, self.dut.act_waddr_i.value = 1, address
            self.dut.act_wdata_i.value = pack(line, SHAPE.act_width)
            await next_cycle(self.dut)
        self.dut.act_we_i.value = 0

    async def play(self, program: list[Cycle], stop: int | None = None) -> None:
        """Drive the program; noise on every field and bus that is not marked valid."""
        trace: Trace = run_terms(program, self.lines, ROWS, COLS, SHAPE.act_width)
        limit = len(program) + LATENCY + ROWS + 3 if stop is None else stop
        for board, results in zip(self.boards, (trace.psums, trace.sums, trace.outputs), strict=True):
            for cycle, line in results:
                if cycle < limit:
                    board.expect(cycle, line)
        for cycle in range(limit):
            term, gather = program[cycle] if cycle < len(program) else (None, None)
            self.drive(term, gather)
            await settled(self.dut)
            psum = self.line(self.dut.psum_valid_o, self.dut.psum_o)
            total = self.line(self.dut.psum_valid_o, self.dut.sum_o)
            self.boards[0].check(cycle, psum)
            self.boards[1].check(cycle, None if total is None else [*total, read(self.dut.sum_side_o)])
            self.boards[2].check(cycle, self.line(self.dut.out_valid_o, self.dut.out_o))
            await next_cycle(self.dut)

    def line(self, valid: Any, data: Any) -> list[int] | None:
        """What an output port shows."""
        return unpack(read(data), SHAPE.psum_width, COLS, signed=True) if read(valid) else None

    def drive(self, term: Term | None, gather: Gather | None) -> None:
        """Put one instruction and its weights on the ports."""
        fields = {name: int(self.rng.integers(0, 1 << width)) for name, width in FORMAT.fields()}
        fields |= {"x_valid": 0, "a_valid": 0}
        weights = SHAPE.weights(self.rng, (COLS,)).tolist()
        if term is not None:
            weights = list(term.weights)
            fields |= {"x_valid": 1, "x_swap": int(term.first), "x_last": int(term.last), "x_zero": int(term.zero)}
            fields |= {} if term.zero else {"x_addr": term.line}
        if term is not None and term.last:
            fields |= {"p_plane": term.plane, "p_side": term.side, "p_wbank": term.bank, "p_addr": term.address}
            fields |= {"p_acc": 0} if term.add is None else {"p_acc": 1, "p_rbank": term.add}
        if gather is not None:
            fields |= {"a_valid": 1, "a_first": 1, "a_last": 1, "a_relu": int(gather.relu)}
            fields |= {"a_bank": gather.bank, "a_addr": gather.address}
        word = 0
        for name, width in FORMAT.fields():
            word = word << width | fields[name]
        above = int(self.rng.integers(0, 1 << 30)) << COLS * SHAPE.wgt_width
        self.dut.inst_i.value = word
        self.dut.wgt_i.value = (above | SHAPE.bus(weights)) & ((1 << WORD_WIDTH) - 1)

    def finish(self) -> None:
        """Psums, sums and outputs: all came, and there were some."""
        for board in self.boards:
            board.finish()


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset, output stationary."""
    for port in ("act_we_i", "act_waddr_i", "act_wdata_i", "wgt_valid_i", "wgt_group_i", "wgt_i", "inst_i"):
        getattr(dut, port).value = 0
    dut.os_i.value = 1
    start_clock(dut)
    await reset(dut)
    bench = Bench(dut, generator())
    await bench.fill()
    return bench


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_random_groups(dut: Any) -> None:
    """Terms with bubbles, padding, planes, sums on the fly and by address."""
    bench = await begin(dut)
    coverage = Coverage(*POINTS)
    for bubbles in (0.0, 0.3):
        groups = [1, *bench.rng.integers(1, 2 * ROWS + 2, size=12).tolist(), 1, 1]
        await bench.play(random_program(bench.rng, groups, bubbles, coverage))
    coverage.finish()
    bench.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_line_in_every_cycle(dut: Any) -> None:
    """Groups of as many terms as there are rows, all to the same lines: what is read was written just before."""
    bench = await begin(dut)
    program: list[Cycle] = []
    for group in range(4):
        for index in range(ROWS):
            weights = tuple(int(w) for w in SHAPE.weights(bench.rng, (COLS,)))
            where = (0 if group else None, 0, 1, group % 2, 1)
            program.append((Term(index, weights, index == 0, index == ROWS - 1, *where), None))
    program += [(None, None)] * (LATENCY + ROWS)
    program += [(None, Gather(0, 1 + line, True, True, False)) for line in range(ROWS)]
    await bench.play(program)
    bench.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_work(dut: Any) -> None:
    """Whatever was on the way never comes; the next group is whole."""
    bench = await begin(dut)
    for _ in range(4):
        groups = [ROWS + 2] * 3
        program = random_program(bench.rng, groups, 0.0, Coverage(*POINTS))
        await bench.play(program, stop=int(bench.rng.integers(ROWS, 3 * ROWS + 8)))
        for board in range(3):
            bench.boards[board] = Scoreboard(bench.boards[board].name)
        await reset(dut)
    await bench.play(random_program(bench.rng, [ROWS + 1] * 2, 0.0, Coverage(*POINTS)))
    bench.finish()
