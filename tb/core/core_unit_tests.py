"""cocotb tests of core beyond a replay: forwarding, sums, planes, padding, random programs, reset in mid-work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import Gather, Instruction, Line, Pixel, Trace, run_program
from tb.common.drivers import begin_quiet, generator, next_cycle, pack, parameters, read, reset, settled, unpack
from tb.common.instruction import SIDE_WIDTH, InstructionFormat
from tb.common.scoreboard import Coverage, Scoreboard
from tb.common.traffic import Shape, Traffic, make_traffic

PARAMETERS = parameters()
SHAPE = Shape.of(PARAMETERS)
ACT_DEPTH, PSUM_DEPTH = PARAMETERS["ActDepth"], PARAMETERS["PsumDepth"]
FORMAT = InstructionFormat(ACT_DEPTH, PSUM_DEPTH, both=PARAMETERS.get("OutputStationary") == 1)  # os_i stays 0
DELAY = SHAPE.rows + SHAPE.cols  # instruction to psum
LEAD = 2  # cycles before the traffic, so that its first activation line can be written
PLANES = 4
MOST_LINES = 5  # of a random sum
WORST_PSUM = SHAPE.rows * SHAPE.act_max * -SHAPE.wgt_min


class Program:
    """Instructions, activation writes and weight flits, by cycle.

    Pixels come from `traffic`, what to do with their psums from the test.
    """

    def __init__(self, traffic: Traffic, rng: np.random.Generator) -> None:
        self.traffic = traffic
        self.rng = rng
        # Traffic counts cycles at PE(0,0), one after the instruction; flits reach PE(0,0) straight from the port.
        self.issue = [int(n) + LEAD - 1 for n in np.flatnonzero(traffic.valid)]
        assert len(self.issue) <= ACT_DEPTH, "more pixels than activation lines"
        self.addresses = [int(address) for address in rng.permutation(ACT_DEPTH)[: len(self.issue)]]
        self.lines: dict[int, Line] = {}
        self.pixels: dict[int, Pixel] = {}
        self.gathers: dict[int, Gather] = {}
        self.end = self.issue[-1] + DELAY + 1  # from here on every psum is in memory

    def aim(self, index: int, add: int | None, bank: int, address: int, *, zero: bool = False, plane: int = 0) -> None:
        """Say where the psum of pixel `index` goes, whether it is padding, and of which plane."""
        n = self.issue[index] - LEAD + 1
        line, side = self.addresses[index], int(self.rng.integers(0, 1 << SIDE_WIDTH))
        self.lines[line] = tuple(int(code) for code in self.traffic.codes(n))
        pixel = Pixel(line, bool(self.traffic.swap[n]), add, bank, address, zero, plane, side)
        self.pixels[self.issue[index]] = pixel

    def gather(self, cycle: int, places: list[tuple[int, int]], relu: bool) -> int:
        """Accumulate `places` (bank, address) from `cycle` on, one a cycle; returns the cycle after."""
        for index, (bank, address) in enumerate(places):
            self.gathers[cycle + index] = Gather(bank, address, index == 0, index == len(places) - 1, relu)
        return cycle + len(places)

    def instructions(self) -> list[Instruction]:
        """One a cycle, up to the last that does anything."""
        last = max([*self.pixels, *self.gathers])
        return [Instruction(self.pixels.get(cycle), self.gathers.get(cycle)) for cycle in range(last + 1)]

    def trace(self) -> Trace:
        """What the golden core makes of it."""
        tiles, halves = list(self.traffic.tiles), 1 + self.traffic.on
        return run_program(self.instructions(), self.lines, tiles, SHAPE.act_width, halves)


class Bench:
    """Plays a program and expects what the golden core says, to the cycle."""

    def __init__(self, dut: Any, rng: np.random.Generator) -> None:
        self.dut = dut
        self.rng = rng
        self.psums = Scoreboard("psum")
        self.sums = Scoreboard("sum, then side")
        self.outputs = Scoreboard("output")

    async def play(self, program: Program, stop: int | None = None) -> None:
        """Drive the program; noise on every field and bus that is not marked valid."""
        instructions, trace = program.instructions(), program.trace()
        limit = len(instructions) + DELAY + 3 if stop is None else stop
        boards = ((self.psums, trace.psums), (self.sums, trace.sums), (self.outputs, trace.outputs))
        for board, results in boards:
            for cycle, line in results:
                if cycle < limit:
                    board.expect(cycle, line)
        self.dut.simd_i.value = int(program.traffic.on)
        writes = self.write_cycles(program)
        for cycle in range(limit):
            now, following = (instructions[n] if n < len(instructions) else Instruction() for n in (cycle, cycle + 1))
            self.drive_instruction(now, following)
            self.drive_activation(program, writes.get(cycle))
            self.drive_weights(program.traffic, cycle - LEAD)
            await settled(self.dut)
            self.psums.check(cycle, self.line(self.dut.psum_valid_o, self.dut.psum_o))
            total = self.line(self.dut.psum_valid_o, self.dut.sum_o)
            self.sums.check(cycle, None if total is None else [*total, read(self.dut.sum_side_o)])
            self.outputs.check(cycle, self.line(self.dut.out_valid_o, self.dut.out_o))
            await next_cycle(self.dut)

    def write_cycles(self, program: Program) -> dict[int, int]:
        """When which activation line is written: half of them in the last cycle that will do, half some time before."""
        writes: dict[int, int] = {}
        for index, issue in enumerate(program.issue):
            free = [cycle for cycle in range(issue) if cycle not in writes]  # issue - 1 always is
            writes[free[-1] if self.rng.random() < 0.5 else int(self.rng.choice(free))] = index
        return writes

    def line(self, valid: Any, data: Any) -> list[int] | None:
        """What an output port shows."""
        return unpack(read(data), SHAPE.psum_width, SHAPE.cols, signed=True) if read(valid) else None

    def drive_instruction(self, instruction: Instruction, following: Instruction) -> None:
        """Put one instruction on the port; the noise of a bubble often aims where the pixel behind it reads."""
        noise = {name: int(self.rng.integers(0, 1 << width)) for name, width in FORMAT.fields()}
        if (behind := following.pixel) is not None and behind.add is not None and self.rng.random() < 0.7:
            noise |= {"p_wbank": behind.add, "p_addr": behind.address}
        fields = noise | {"x_valid": 0, "a_valid": 0}
        if (pixel := instruction.pixel) is not None:
            fields |= {
                "x_valid": 1,
                "x_swap": int(pixel.swap),
                "x_zero": int(pixel.zero),
                "p_plane": pixel.plane,
                "p_side": pixel.side,
                "p_wbank": pixel.bank,
                "p_addr": pixel.address,
            }
            fields |= {} if pixel.zero else {"x_addr": pixel.line}
            fields |= {"p_acc": 0} if pixel.add is None else {"p_acc": 1, "p_rbank": pixel.add}
        if (gather := instruction.gather) is not None:
            fields |= {
                "a_valid": 1,
                "a_first": int(gather.first),
                "a_last": int(gather.last),
                "a_bank": gather.bank,
                "a_addr": gather.address,
            }
            fields |= {"a_relu": int(gather.relu)} if gather.last else {}
        word = 0
        for name, width in FORMAT.fields():
            word = word << width | fields[name]
        self.dut.inst_i.value = word

    def drive_activation(self, program: Program, index: int | None) -> None:
        """Write the line of pixel `index`; without one, noise that would spoil lines that wait to be read."""
        dut = self.dut
        address = int(self.rng.choice(program.addresses)) if index is None else program.addresses[index]
        noise = self.rng.integers(0, SHAPE.act_max, size=SHAPE.rows, endpoint=True).tolist()
        dut.act_we_i.value = int(index is not None)
        dut.act_waddr_i.value = address
        width = SHAPE.act_width // (1 + program.traffic.on)
        line = pack(noise, SHAPE.act_width) if index is None else pack(program.lines[address], width)
        dut.act_wdata_i.value = line

    def drive_weights(self, traffic: Traffic, n: int) -> None:
        """The flit of traffic cycle `n`: lane after lane, each with all rows."""
        dut = self.dut
        here = 0 <= n < len(traffic)
        dut.wgt_valid_i.value = int(traffic.wgt_valid[n]) if here else 0
        dut.wgt_group_i.value = int(traffic.wgt_group[n]) if here else 0
        dut.wgt_i.value = SHAPE.bus(traffic.wgt[n].ravel().tolist()) if here else 0

    def finish(self) -> None:
        """Psums, sums and outputs: all came, and there were some."""
        self.psums.finish()
        self.sums.finish()
        self.outputs.finish()


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    await begin_quiet(
        dut,
        ("simd_i", "os_i", "act_we_i", "act_waddr_i", "act_wdata_i", "wgt_valid_i", "wgt_group_i", "wgt_i", "inst_i"),
    )
    return Bench(dut, generator())


def tight(rng: np.random.Generator, tiles: int, length: int | None = None) -> Traffic:
    """Tiles back to back, as short as the weight stream allows."""
    return make_traffic(rng, SHAPE, [max(length or 0, SHAPE.groups)] * tiles, spread=False)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_one_psum_address_every_cycle(dut: Any) -> None:
    """Each psum is added to the one written in the very cycle it is read: the write is forwarded."""
    bench = await begin(dut)
    program = Program(tight(bench.rng, 3), bench.rng)
    address = PSUM_DEPTH - 1
    for index in range(len(program.issue)):
        program.aim(index, add=None if index == 0 else 1, bank=1, address=address)
    cycle = program.gather(program.end, [(1, address)], relu=False)
    program.gather(cycle, [(1, address)], relu=True)
    await bench.play(program)
    bench.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_one_psum_address_from_bank_to_bank(dut: Any) -> None:
    """The sum moves to the other bank with every psum: what is forwarded is the line of the bank that is added."""
    bench = await begin(dut)
    program = Program(tight(bench.rng, 3), bench.rng)
    for index in range(len(program.issue)):
        program.aim(index, add=None if index == 0 else (index - 1) % 2, bank=index % 2, address=0)
    last = (len(program.issue) - 1) % 2
    cycle = program.gather(program.end, [(last, 0)], relu=False)
    if len(program.issue) > 1:
        program.gather(cycle, [(1 - last, 0)], relu=False)
    await bench.play(program)
    bench.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_both_ways_to_accumulate_agree(dut: Any) -> None:
    """A layer of several tiles, summed by a list of addresses and on the fly: the plain products, raw and rectified."""
    bench = await begin(dut)
    length = max(SHAPE.groups, 2)
    tiles = max(1, min(3, PSUM_DEPTH // length))
    traffic = tight(bench.rng, tiles, length)
    lines = np.array([traffic.act[n] for n in np.flatnonzero(traffic.valid)]).reshape(tiles, length, SHAPE.rows)
    plain = np.einsum("tlr,trc->lc", lines, traffic.tiles)
    for on_the_fly in (False, True):
        program = Program(traffic, bench.rng)
        for index in range(len(program.issue)):
            tile, position = divmod(index, length)
            if on_the_fly:
                program.aim(index, add=0 if tile else None, bank=0, address=position)
            else:
                program.aim(index, add=None, bank=0, address=tile * length + position)
        cycle = program.end
        for position in range(length):
            places = [(0, position)] if on_the_fly else [(0, tile * length + position) for tile in range(tiles)]
            cycle = program.gather(cycle, places, relu=False)
            cycle = program.gather(cycle, places, relu=True)
        outputs = [line for _, line in program.trace().outputs]
        assert np.array_equal(outputs[0::2], plain), "the golden core itself is not the matrix product"
        assert np.array_equal(outputs[1::2], np.maximum(plain, 0)), "the golden core itself does not rectify"
        await bench.play(program)
    bench.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_planes_of_wide_activations_add_up(dut: Any) -> None:
    """Plane after plane of the same positions, a weight tile each, padding between: the sum of the shifted products."""
    bench = await begin(dut)
    length, most = max(SHAPE.groups, 2), most_plane(0)
    traffic = tight(bench.rng, most + 1, length)
    program = Program(traffic, bench.rng)
    lines = np.array([traffic.act[n] for n in np.flatnonzero(traffic.valid)]).reshape(most + 1, length, SHAPE.rows)
    lines[:, length - 1] = 0  # padding: every plane of the last position
    for index in range(len(program.issue)):
        plane, position = divmod(index, length)
        program.aim(index, 0 if plane else None, 0, position, zero=position == length - 1, plane=plane)
    factors = 1 << (SHAPE.act_width * np.arange(most + 1))
    plain = np.einsum("p,plr,prc->lc", factors, lines, traffic.tiles)
    sums = [line[:-1] for _, line in program.trace().sums]
    assert np.array_equal(sums[-length:], plain), "the golden core itself does not add up planes"
    program.gather(program.end, [(0, 0)], relu=False)
    await bench.play(program)
    bench.finish()


def most_plane(before: int) -> int:
    """The highest plane of which a psum can be added to `before`, and the sum MOST_LINES times, without overflow."""
    limit = 1 << (SHAPE.psum_width - 1)
    fits = [p for p in range(PLANES) if MOST_LINES * (before + (WORST_PSUM << p * SHAPE.act_width)) < limit]
    return max(fits, default=-1)


def free_places(program: Program, written: dict[tuple[int, int], int], cycle: int) -> Iterator[tuple[int, int]]:
    """Places that an accumulation may read in `cycle`: written before, not just now, their bank's read port free."""
    reading = program.pixels.get(cycle - DELAY + 1)
    writing = program.pixels.get(cycle - DELAY)
    for place, since in written.items():
        busy = reading is not None and reading.add == place[0]
        if since < cycle and not busy and (writing is None or place != (writing.bank, writing.address)):
            yield place


def random_program(traffic: Traffic, rng: np.random.Generator, coverage: Coverage) -> Program:
    """Few addresses, both banks, all mixes of storing, adding and accumulating that are not hazards."""
    program = Program(traffic, rng)
    addresses = [int(address) for address in rng.permutation(PSUM_DEPTH)[:3]]
    written: dict[tuple[int, int], int] = {}  # place -> cycle of its first write
    bound: dict[tuple[int, int], int] = {}  # place -> what its sum cannot exceed
    before: Pixel | None = None
    for index, issue in enumerate(program.issue):
        address, bank, add = int(rng.choice(addresses)), int(rng.integers(0, 2)), int(rng.integers(0, 2))
        base = bound.get((add, address))
        adds = base is not None and most_plane(base) >= 0 and rng.random() < 0.8
        base = base if base is not None and adds else 0
        plane, begins = int(rng.integers(0, most_plane(base) + 1)), traffic.swap[issue - LEAD + 1]
        zero = bool(rng.random() < (0.5 if begins else 0.2))
        program.aim(index, add if adds else None, bank, address, zero=zero, plane=plane)
        bound[bank, address] = base + (WORST_PSUM << plane * SHAPE.act_width)
        written.setdefault((bank, address), issue + DELAY)
        pixel = program.pixels[issue]
        coverage.hit("padding", zero)
        coverage.hit("padding that begins a tile", zero and pixel.swap)
        coverage.hit("the highest plane stored", not adds and plane == most_plane(0))
        coverage.hit("a higher plane added", adds and (plane > 0 or most_plane(0) == 0))
        if before is not None and pixel.add is not None and program.issue[index - 1] == issue - 1:
            same_bank, same_address = pixel.add == before.bank, address == before.address
            coverage.hit("forwarded", same_bank and same_address)
            coverage.hit("same address in the other bank", same_address and not same_bank)
            coverage.hit("other address in the same bank", same_bank and not same_address)
        before = pixel
    lines = 0  # of the sum that is open
    for cycle in range(program.end + 40):
        places = list(free_places(program, written, cycle))
        if places and rng.random() < 0.7:
            bank, address = places[int(rng.integers(0, len(places)))]
            last = lines == MOST_LINES - 1 or rng.random() < 0.4
            program.gathers[cycle] = Gather(bank, address, lines == 0, last, bool(rng.integers(0, 2)))
            coverage.hit("accumulation beside a psum write", cycle - DELAY in program.pixels)
            lines = 0 if last else lines + 1
        else:
            coverage.hit("bubble inside a sum", lines > 0)
    final = max(program.gathers)
    program.gathers[final] = replace(program.gathers[final], last=True)
    return program


def points() -> Coverage:
    """What random programs must meet."""
    return Coverage(
        "forwarded",
        "same address in the other bank",
        "other address in the same bank",
        "accumulation beside a psum write",
        "bubble inside a sum",
        "padding",
        "padding that begins a tile",
        "the highest plane stored",
        "a higher plane added",
    )


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_random_programs(dut: Any) -> None:
    """Tiles of any length with and without bubbles; everything exact and in its cycle."""
    bench, coverage = await begin(dut), points()
    for bubbles in (0.0, 0.0, 0.3):
        lengths = bench.rng.integers(1, 13, size=min(9, ACT_DEPTH // 13)).tolist()
        program = random_program(make_traffic(bench.rng, SHAPE, lengths, bubbles), bench.rng, coverage)
        await bench.play(program)
    coverage.finish()
    bench.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_reset_in_mid_work(dut: Any) -> None:
    """Whatever was on its way is gone: no psum, no output, no write shows up in the program that follows at once."""
    bench = await begin(dut)
    for _ in range(5):
        program = random_program(make_traffic(bench.rng, SHAPE, [5, 6, 7], 0.1), bench.rng, points())
        await bench.play(program, stop=int(bench.rng.integers(program.issue[0] + 2, program.end + 10)))
        dut.inst_i.value = sum(
            ((1 << width) - 1) << low for name, (low, width) in FORMAT.offsets().items() if name in BUSY
        )
        dut.wgt_valid_i.value, dut.act_we_i.value = 1, 1
        await reset(dut, cycles=int(bench.rng.integers(1, 3)))
    await bench.play(random_program(tight(bench.rng, 4), bench.rng, points()))
    bench.finish()


BUSY = ("x_valid", "x_swap", "a_valid", "a_first", "a_last")
