"""cocotb tests of axil_regs: every channel and output in every cycle, whatever the bus and the engine do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cocotb

from model.golden.bus import COUNTERS, LAYER_BYTES, TABLE, Register, Registers
from tb.common.drivers import begin_quiet, generator, next_cycle, parameters, read, reset, settled, telling
from tb.common.scoreboard import Coverage

P = parameters()
OKAY, SLAVE_ERROR = 0, 2
END = TABLE + LAYER_BYTES * P["Layers"]
HOLES = (0x2C, 0x44, 0x60, TABLE - 4, END, 0xFFFC, 0x8000 | Register.RANGE)
ADDRESSES = (*Register, *HOLES, TABLE, TABLE + 20, END - 4)
SIDE = {"busy_i": 1, "done_i": 1, "error_i": 4, "layer_i": 8, "load_take_i": 1}
SIDE |= {f"{register.name.lower()}_i": 32 for register in COUNTERS}
Side = Mapping[str, int]  # what the engine drives
QUIET = dict.fromkeys(SIDE, 0)
CHANNELS = (
    *("awvalid", "awaddr", "awprot", "wvalid", "wdata", "wstrb", "bready"),
    *("arvalid", "araddr", "arprot", "rready"),
)
PORTS = (*(f"s_axil_{name}" for name in CHANNELS), *SIDE)


def same(what: str, shown: object, wanted: object) -> None:
    """Fail with a message unless they are."""
    assert shown == wanted, f"{what}: {shown}, expected {wanted}"


class Bench:
    """The block and what it must show, cycle by cycle: `model.golden.bus.Registers` behind the timing of its header.

    Requests stand in `aw`, `w` and `ar` until they are taken.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.rng = generator()
        self.aw: int | None = None
        self.w: tuple[int, int] | None = None
        self.ar: int | None = None
        self.forget()

    def forget(self) -> None:
        """As after a reset."""
        self.golden = Registers(P)
        self.done = False
        self.caught_aw: int | None = None
        self.caught_w: tuple[int, int] | None = None
        self.answer: int | None = None  # to a write
        self.told: tuple[int, int] | None = None  # data and response of a read

    def reads(self, address: int, side: Side) -> tuple[int, int]:
        """Data and response."""
        register = address & ~3
        if register == Register.STATUS:
            done = int(self.done or side["done_i"])
            return side["layer_i"] << 16 | side["error_i"] << 8 | done << 1 | side["busy_i"], OKAY
        if register in COUNTERS:
            return side[f"{Register(register).name.lower()}_i"], OKAY
        macs = side["pixels_i"] * P["Rows"] * P["Cols"]
        if register == Register.MACS_LO:
            return macs & 0xFFFFFFFF, OKAY
        if register == Register.MACS_HI:
            return macs >> 32, OKAY
        data = self.golden.read(address)
        return (0, SLAVE_ERROR) if data is None else (data, OKAY)

    async def cycle(self, given: Side = QUIET, bready: bool = True, rready: bool = True) -> set[str]:
        """One cycle, the inputs from the engine as `given` and 0; what happened in it."""
        dut, golden, happened = self.dut, self.golden, set()
        side = QUIET | dict(given)
        for name, value in side.items():
            getattr(dut, name).value = value
        for channel, address in (("aw", self.aw), ("ar", self.ar)):
            getattr(dut, f"s_axil_{channel}valid").value = int(address is not None)
            if address is not None:  # what else is on the wires does not count
                getattr(dut, f"s_axil_{channel}addr").value = address
                getattr(dut, f"s_axil_{channel}prot").value = address * 5 % 8
        dut.s_axil_wvalid.value = int(self.w is not None)
        if self.w is not None:
            dut.s_axil_wdata.value, dut.s_axil_wstrb.value = self.w
        dut.s_axil_bready.value, dut.s_axil_rready.value = int(bready), int(rready)
        await settled(dut)

        ready = [read(getattr(dut, f"s_axil_{name}")) for name in ("awready", "wready", "arready")]
        same("awready, wready, arready", ready, [each is None for each in (self.caught_aw, self.caught_w, self.told)])
        same("answer to a write", read(dut.s_axil_bresp) if read(dut.s_axil_bvalid) else None, self.answer)
        told = (read(dut.s_axil_rdata), read(dut.s_axil_rresp)) if read(dut.s_axil_rvalid) else None
        same("data and response of a read", told, self.told)
        held = [read(getattr(dut, f"{name}_o")) for name in ("flush", "first", "count", "load_addr")]
        wanted = [golden.flush, golden.first, golden.count, golden.load_addr]
        same("flush, first, count, load address", held, wanted)

        coming = self.reads(self.ar, side) if self.ar is not None and self.told is None else None
        golden.busy = bool(side["busy_i"])
        allowed = None
        if self.caught_aw is not None and self.caught_w is not None and self.answer is None:
            allowed = golden.write(self.caught_aw, *self.caught_w)
            happened.add("allowed" if allowed else "refused")
        register = -1 if self.caught_aw is None else self.caught_aw & ~3
        data = 0 if self.caught_w is None else self.caught_w[0]
        start = bool(allowed) and register == Register.CTRL and data & 1 == 1
        table = bool(allowed) and register >= TABLE
        same("start, table written", (read(dut.start_o), read(dut.desc_we_o)), (start, table))
        if table:
            word = read(dut.desc_addr_o), read(dut.desc_wdata_o)
            same("word of the table", word, ((register - TABLE) // 4, data))
        if side["load_take_i"] and not (allowed and register == Register.LOAD_ADDR):
            golden.take_line()
        self.done = not start and (self.done or bool(side["done_i"]))
        self._hand_over(allowed, coming, bready, rready, happened)
        happened |= {"start"} if start else set()
        happened |= {"table"} if table else set()
        await next_cycle(dut)
        return happened

    def _hand_over(
        self, allowed: bool | None, coming: tuple[int, int] | None, bready: bool, rready: bool, happened: set[str]
    ) -> None:
        """What the channels hold in the next cycle."""
        taken_aw, taken_w = self.caught_aw is None, self.caught_w is None
        if allowed is not None:
            self.caught_aw = self.caught_w = None
            self.answer = OKAY if allowed else SLAVE_ERROR
        elif bready:
            self.answer = None
        elif self.answer is not None:
            happened.add("a write's answer waits")
        if taken_aw and self.aw is not None:
            self.caught_aw, self.aw = self.aw, None
        if taken_w and self.w is not None:
            self.caught_w, self.w = self.w, None
        if coming is not None:
            self.told, self.ar = coming, None
            happened.add("read" if coming[1] == OKAY else "refused read")
        elif rready:
            self.told = None
        elif self.told is not None:
            happened.add("a read's answer waits")

    async def write(self, address: int, data: int) -> None:
        """A write of a whole word to its end, with nothing else on the bus."""
        self.aw, self.w = address, (data, 15)
        for _ in range(3):
            await self.cycle()

    async def read(self, address: int, given: Side = QUIET) -> tuple[int, int]:
        """A read to its end; data and response."""
        self.ar = address
        await self.cycle(given)
        told = self.told
        await self.cycle(given)
        assert told is not None, "the golden block has no answer"
        return told


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, PORTS)
    return Bench(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_any_traffic_beside_any_engine(dut: Any) -> None:
    """Reads and writes of every address, whole and in part, halves in any order, answers held back."""
    bench = await begin(dut)
    rng = bench.rng
    coverage = Coverage(
        *("allowed", "refused", "start", "table", "read", "refused read"),
        *("a write's answer waits", "a read's answer waits", "address first", "data first", "refused for a run"),
        *(
            "start and flush",
            "done beside a start",
            "done read at once",
            "a line beside LOAD_ADDR",
            "past the last line",
        ),
        *("strobes missing", "address bits that do not count", "read beside a write of the same register"),
    )
    kinds = (0xFFFFFFFF, 0xFF, 2 * P["ActDepth"] - 1, 3)  # bits that may be set
    for number in range(4000):
        pace = (0.2, 0.6, 1.0)[number // 200 % 3]
        if bench.aw is None and rng.random() < pace:
            bench.aw = int(rng.choice(ADDRESSES)) | int(rng.integers(0, 4))
        if bench.w is None and rng.random() < pace:
            strobes = int(rng.integers(0, 15)) if rng.random() < 0.1 else 15
            data = P["ActDepth"] - 1 if rng.random() < 0.1 else int(rng.integers(0, 1 << 32)) & int(rng.choice(kinds))
            bench.w = data, strobes
        if bench.ar is None and rng.random() < pace:
            again = bench.caught_aw is not None and rng.random() < 0.2  # what the write at work changes
            bench.ar = bench.caught_aw if again else int(rng.choice(ADDRESSES)) | int(rng.integers(0, 4))
        side = {name: int(rng.integers(0, 1 << width)) for name, width in SIDE.items()}
        side["busy_i"] = int(number // 50 % 3 == 2)
        before, place = bench.golden.load_addr, bench.caught_aw
        data, strobes = bench.caught_w or (0, 15)
        read_of = bench.ar if bench.told is None else None
        coverage.hit("address first", place is not None and bench.caught_w is None)
        coverage.hit("data first", bench.caught_w is not None and place is None)
        happened = await bench.cycle(side, rng.random() < pace, rng.random() < pace)
        for point in happened:
            coverage.hit(point)
        if happened & {"allowed", "refused"} and place is not None:
            register, whole = place & ~3, strobes == 15
            coverage.hit("refused for a run", "refused" in happened and whole and side["busy_i"])
            coverage.hit("strobes missing", not whole)
            coverage.hit("address bits that do not count", "allowed" in happened and place & 3)
            coverage.hit("start and flush", whole and register == Register.CTRL and data & 3 == 3)
            coverage.hit("done beside a start", "start" in happened and side["done_i"])
            at = register == Register.LOAD_ADDR and "allowed" in happened
            coverage.hit("a line beside LOAD_ADDR", at and side["load_take_i"])
            beside = read_of is not None and read_of & ~3 == register in (Register.RANGE, Register.LOAD_ADDR)
            coverage.hit("read beside a write of the same register", "allowed" in happened and beside)
        status = read_of is not None and read_of & ~3 == Register.STATUS
        coverage.hit("done read at once", "read" in happened and status and side["done_i"])
        coverage.hit("past the last line", side["load_take_i"] and before == P["ActDepth"] - 1)
    coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_each_bit_of_what_the_engine_tells_is_read_in_its_place(dut: Any) -> None:
    """One bit of one input at a time; of the operations both halves."""
    bench = await begin(dut)
    for register in (*COUNTERS, Register.MACS_LO, Register.MACS_HI):
        name = f"{Register.PIXELS.name if register > Register.PIXELS else register.name}_i".lower()
        for bit in range(32):
            await bench.read(register, {name: 1 << bit})
    for name in ("error_i", "layer_i"):
        for bit in range(SIDE[name]):
            await bench.read(Register.STATUS, {name: 1 << bit})


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_each_bit_of_an_address_counts(dut: Any) -> None:
    """Beside every register and the table, addresses with one bit changed; read and written."""
    bench = await begin(dut)
    await bench.write(Register.RANGE, 0x0101)
    for register in (*Register, TABLE):
        for bit in range(2, 16):
            await bench.read(register ^ 1 << bit)
            await bench.write(register ^ 1 << bit, 0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_word_of_the_table_and_none_beyond_is_written(dut: Any) -> None:
    """First, last and each place where a bit of the word's number changes; beside them and behind them: SLVERR."""
    bench = await begin(dut)
    places = telling(END - TABLE)
    for place in sorted({TABLE + place & ~3 for place in places} | {TABLE - 4, END, 0xFFFC}):
        await bench.write(place, int(bench.rng.integers(0, 1 << 32)))
    for place in (0x5000 + 4 * Register.RANGE, 0x8000 | Register.RANGE, 0xC000 | TABLE):
        await bench.write(place, 0x0101)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_the_load_address_counts_through_all_lines(dut: Any) -> None:
    """From each line where a bit changes on to the next; a line that is not there is refused and changes nothing."""
    bench = await begin(dut)
    depth = P["ActDepth"]
    for line in telling(depth):
        await bench.write(Register.LOAD_ADDR, line)
        await bench.cycle({"load_take_i": 1})
        same("LOAD_ADDR", await bench.read(Register.LOAD_ADDR), ((line + 1) % depth, OKAY))
    for line in (depth, depth + 1, *(1 << bit for bit in range(32) if 1 << bit >= depth), (1 << 32) - 1):
        await bench.write(Register.LOAD_ADDR, line)
        same("LOAD_ADDR", await bench.read(Register.LOAD_ADDR), (0, OKAY))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_reset_at_any_moment_forgets_everything(dut: Any) -> None:
    """With registers set, a run done, half a write caught, a write and its answer under way, a read untaken."""
    bench = await begin(dut)
    for moment in range(6):
        await bench.write(Register.RANGE, 0xA5A5)
        await bench.write(Register.LOAD_ADDR, P["ActDepth"] - 1)
        await bench.write(Register.CTRL, 2)
        await bench.cycle({"done_i": 1})
        if moment != 1:
            bench.aw = Register.RANGE
        if moment != 2:
            bench.w = 0x5A5A, 15
        bench.ar = Register.RANGE
        for _ in range(1 + moment // 3 * (moment - 2)):
            await bench.cycle(bready=False, rready=False)
        for port in PORTS:
            getattr(dut, port).value = 0
        bench.aw = bench.w = bench.ar = None
        await reset(dut)
        bench.forget()
        for register in (Register.CTRL, Register.RANGE, Register.LOAD_ADDR, Register.STATUS):
            same(f"{register.name} after a reset", await bench.read(register), (0, OKAY))
        await bench.cycle()
        await bench.write(Register.RANGE, moment + 1)
        same("RANGE", await bench.read(Register.RANGE), (moment + 1, OKAY))
