"""The software side of the accelerator: registers and streams by cocotbext-axi, driven as software would drive them.

Every channel can be held back at random, and every channel that the accelerator drives is watched: what it shows stays
until it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from model.golden.bus import COUNTERS, LAYER_BYTES, TABLE, Register, unpack_status
from model.program.array import EngineShape
from model.program.compiled import Program
from model.program.layout import Lines
from model.program.silicon import TOLD, require_runs, shape_of
from model.program.stream import Stream
from tb.common.drivers import next_cycle, parameters, read

Array = np.ndarray[Any, Any]
START, FLUSH = 1, 2  # bits of CTRL
WATCHED = (
    ("s_axil_bvalid", "s_axil_bready", ("s_axil_bresp",)),
    ("s_axil_rvalid", "s_axil_rready", ("s_axil_rresp", "s_axil_rdata")),
    ("m_axis_result_tvalid", "m_axis_result_tready", ("m_axis_result_tdata", "m_axis_result_tlast")),
)


def pauses(rng: np.random.Generator, chance: float) -> Iterator[bool]:
    """For ever: hold a channel back with probability `chance`, now and then for long."""
    while True:
        for _ in range(int(rng.integers(10, 40)) if rng.random() < chance / 20 else 0):
            yield True
        yield bool(rng.random() < chance)


async def watch(dut: Any) -> None:
    """For ever: fail when a channel of the accelerator drops or changes what was not taken yet."""
    watched = [
        (name, getattr(dut, name), getattr(dut, ready), [getattr(dut, each) for each in payload])
        for name, ready, payload in WATCHED
    ]
    standing: dict[str, list[int]] = {}
    while True:
        await RisingEdge(dut.clk_i)  # values as they were in the cycle that ends
        if not read(dut.rst_ni):
            standing.clear()
            continue
        for name, valid, ready, payload in watched:
            shown = [read(handle) for handle in payload] if read(valid) else None
            if name in standing:
                assert shown == standing[name], f"{name}: {standing[name]} was not taken and became {shown}"
            standing.pop(name, None)
            if shown is not None and not read(ready):
                standing[name] = shown


class Host:
    """Masters on all five buses; made before the reset.

    Parameters
    ----------
    dut : accelerator
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.engine: EngineShape | None = None  # read once, when a program is to be loaded
        side = {"clock": dut.clk_i, "reset": dut.rst_ni, "reset_active_level": False}
        self.axil = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), **side)
        self.act = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_act"), **side)
        self.wgt = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_wgt"), **side)
        self.result = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis_result"), **side)
        for part in (self.axil.write_if, self.axil.read_if, self.act, self.wgt, self.result):
            part.log.setLevel("WARNING")
        cocotb.start_soon(watch(dut))

    def stall(self, rng: np.random.Generator, chance: float) -> None:
        """Hold every channel back at random from now on; with `chance` 0 none."""
        write, read_if = self.axil.write_if, self.axil.read_if
        channels = (write.aw_channel, write.w_channel, write.b_channel, read_if.ar_channel, read_if.r_channel)
        for channel in (*channels, self.act, self.wgt, self.result):
            channel.set_pause_generator(
                pauses(np.random.default_rng(rng.integers(1 << 32)), chance) if chance else None
            )
            channel.pause = False

    # ------------------------------------------------------------ registers
    async def try_write(self, address: int, data: int, strobes: int = 4) -> bool:
        """Write the lowest `strobes` bytes of `data`; False for SLVERR."""
        answer = await self.axil.write(address, data.to_bytes(4, "little")[:strobes])
        assert answer.resp in (AxiResp.OKAY, AxiResp.SLVERR), f"write to {address:#x}: {answer.resp}"
        return bool(answer.resp == AxiResp.OKAY)

    async def write(self, address: int, data: int) -> None:
        """Write a word; it must be allowed."""
        assert await self.try_write(address, data), f"write of {data:#x} to {address:#x}: SLVERR"

    async def try_read(self, address: int) -> int | None:
        """Read a word; None for SLVERR."""
        answer = await self.axil.read(address, 4)
        assert answer.resp in (AxiResp.OKAY, AxiResp.SLVERR), f"read of {address:#x}: {answer.resp}"
        return int.from_bytes(answer.data, "little") if answer.resp == AxiResp.OKAY else None

    async def read(self, address: int) -> int:
        """Read a word; it must be allowed."""
        word = await self.try_read(address)
        assert word is not None, f"read of {address:#x}: SLVERR"
        return word

    async def status(self) -> tuple[bool, bool, int, int]:
        """(busy, done, error, layer)."""
        return unpack_status(await self.read(Register.STATUS))

    async def counters(self) -> dict[str, int]:
        """The counters of the last run, by their register's name in small letters."""
        return {register.name.lower(): await self.read(register) for register in COUNTERS}

    async def macs(self) -> int:
        """Operations of the processing elements in the last run."""
        return await self.read(Register.MACS_LO) | await self.read(Register.MACS_HI) << 32

    # ------------------------------------------------------------ a run
    async def shape(self) -> EngineShape:
        """The engine, as the registers tell."""
        return shape_of({register: await self.read(register) for register in TOLD})

    async def require(self, program: Program) -> None:
        """Raise LockstepError unless this accelerator runs `program`."""
        self.engine = self.engine or await self.shape()
        require_runs(program, self.engine)

    async def load_table(self, descriptors: Array, first: int = 0) -> None:
        """Write descriptors uint32 (layers, 12) from layer `first` on."""
        for layer, words in enumerate(descriptors, first):
            for index, word in enumerate(words):
                await self.write(TABLE + LAYER_BYTES * layer + 4 * index, int(word))

    async def load_lines(self, lines: Lines) -> None:
        """Load activation lines, as many at once as lie one behind the other; waits until they are taken."""
        address, packed = lines.address, lines.packed(parameters()["ActWidth"])
        for run in np.split(np.arange(len(address)), np.flatnonzero(np.diff(address) != 1) + 1):
            await self.write(Register.LOAD_ADDR, int(address[run[0]]))
            await self.act.send(AxiStreamFrame(packed[run].tobytes()))
            await self.act.wait()

    def send_weights(self, stream: Stream) -> None:
        """Queue a stream, a frame ending with each `last`."""
        for words in np.split(stream.words, np.flatnonzero(stream.last[:-1]) + 1):
            self.wgt.send_nowait(AxiStreamFrame(words.tobytes()))

    async def start(self, first: int, count: int) -> None:
        """Set the range and start."""
        await self.write(Register.RANGE, count << 8 | first)
        await self.write(Register.CTRL, START)

    async def finish(self) -> int:
        """Poll until the run is over; its error code."""
        while True:
            busy, done, error, _ = await self.status()
            assert busy or done, "neither busy nor done after a start"
            if not busy:
                return error

    async def flush(self) -> None:
        """Throw away what is left of the weights after a run that failed."""
        await self.write(Register.CTRL, FLUSH)
        await self.wgt.wait()
        await self.write(Register.CTRL, 0)

    async def results(self) -> list[int]:
        """The results of one run: signed words up to `last`."""
        frame = await self.result.recv()
        return np.frombuffer(bytes(frame.tdata), "<i4").tolist()  # type: ignore[no-any-return]

    async def no_results(self, cycles: int = 50) -> None:
        """Nothing (more) comes out."""
        for _ in range(cycles):
            await next_cycle(self.dut)
            assert not read(self.dut.m_axis_result_tvalid), "a result that nobody expects"
        assert self.result.empty(), "results that nobody expects"


def flat(lines: Array | Sequence[Sequence[int]]) -> list[int]:
    """Lines of results as the words of a frame."""
    return [int(word) for line in lines for word in line]
