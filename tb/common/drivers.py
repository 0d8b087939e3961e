"""What every block test needs: parameters, clock and reset, packed buses, and reads that refuse X."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer

PERIOD_NS = 10


def parameters() -> dict[str, int]:
    """Verilog parameters of this build, as given to `tb.common.runner.simulate`."""
    return {name: int(value) for name, value in json.loads(os.environ["LOCKSTEP_PARAMETERS"]).items()}


def generator() -> np.random.Generator:
    """Random numbers of this simulation, from the seed that the runner printed."""
    return np.random.default_rng(cocotb.RANDOM_SEED)


def pack(words: Iterable[int], width: int) -> int:
    """Words (negative ones in two's complement) as one bus, word i at [i*width +: width].

    >>> hex(pack([1, -1, 2], 4))
    '0x2f1'
    """
    bus = 0
    for index, word in enumerate(words):
        bus |= (int(word) & ((1 << width) - 1)) << (index * width)
    return bus


def unpack(bus: int, width: int, count: int, signed: bool = False) -> list[int]:
    """The inverse of `pack` for `count` words.

    >>> unpack(0x2f1, 4, 3, signed=True)
    [1, -1, 2]
    """
    words = [(bus >> (index * width)) & ((1 << width) - 1) for index in range(count)]
    if signed:
        words = [word - (1 << width) if word >> (width - 1) else word for word in words]
    return words


def read(handle: Any) -> int:
    """The unsigned value of a signal.

    Raises
    ------
    AssertionError
        When any bit is X or Z.
    """
    try:
        # What `handle.value` begins with; making a Logic or a LogicArray of it takes four times as long, and half the
        # time of a test that looks at every register in every cycle.
        return int(handle._handle.get_signal_val_binstr(), 2)
    except ValueError:
        raise AssertionError(f"{handle._path} is {handle.value}, which is not a number") from None


def looped(scope: Any, *path: str | int) -> Any:
    """The instance at `path`: a generate loop, the round of it, perhaps loops in it, and the instance's name.

    In a netlist there are no loops: there it is called ``<loop>_<index>_<name>`` (tb.synth.gates).
    """
    flat = "_".join(str(part) for part in path)
    if hasattr(scope, flat):
        return getattr(scope, flat)
    for part in path:
        scope = scope[part] if isinstance(part, int) else getattr(scope, part)
    return scope


def start_clock(dut: Any) -> None:
    """Let clk_i run with PERIOD_NS, in the simulator itself: a clock in Python costs a bus test a fifth of its time."""
    dut.clk_i.value = 0
    Clock(dut.clk_i, PERIOD_NS, unit="ns", impl="gpi").start(start_high=False)


async def reset(dut: Any, cycles: int = 2) -> None:
    """Hold rst_ni low for `cycles` rising edges; returns right after the last of them, with rst_ni high again.

    The cycle that begins with the return is cycle 0 of the block: whatever is driven now is what the next rising edge
    sees.
    """
    dut.rst_ni.value = 0
    for _ in range(cycles):
        await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1


async def reset_behind(dut: Any, port: str, cycles: int) -> None:
    """A pulse on the input `port`; `cycles` cycles later a reset, with a pulse beside it where their number is odd."""
    getattr(dut, port).value = 1
    await next_cycle(dut)
    getattr(dut, port).value = 0
    for _ in range(cycles):
        await next_cycle(dut)
    getattr(dut, port).value = cycles % 2
    await reset(dut)
    getattr(dut, port).value = 0


async def begin_quiet(dut: Any, ports: Iterable[str]) -> None:
    """Clock, all `ports` (the inputs) 0, reset."""
    for port in ports:
        getattr(dut, port).value = 0
    start_clock(dut)
    await reset(dut)


async def next_cycle(dut: Any) -> None:
    """To the next rising edge: time to drive the inputs of the cycle that begins."""
    await RisingEdge(dut.clk_i)


async def settled(dut: Any) -> None:
    """To the middle of the cycle: registers and wires have their values of this cycle; time to look, not to drive."""
    await FallingEdge(dut.clk_i)


async def cycles_later(dut: Any, cycles: int) -> None:
    """To the rising edge `cycles` (1 or more) from here, with the inputs as they are and no stop on the way."""
    await Timer(cycles * PERIOD_NS - PERIOD_NS // 2, unit="ns")
    await RisingEdge(dut.clk_i)


def any_word(rng: np.random.Generator, width: int) -> int:
    """A number of `width` random bits, however many these are."""
    return int.from_bytes(rng.bytes(-(-width // 8))) % (1 << width)


async def deposit(dut: Any, **registers: int) -> None:
    """One cycle, with the inputs as they are, in which registers get values that they would have after a long time.

    They must not change in that cycle by themselves.
    """
    await settled(dut)
    for name, value in registers.items():
        getattr(dut, name).value = value
    await next_cycle(dut)


def telling(count: int) -> list[int]:
    """Where a count of 0 .. `count` - 1 can go wrong: its ends, and each place where a bit changes that had not before.

    >>> telling(16)
    [0, 1, 2, 3, 4, 7, 8, 11, 12, 13, 14, 15]
    """
    steps = [1 << bit for bit in range(count.bit_length())]
    places = [place for step in steps for place in (step - 1, step, count - step, count - 1 - step)]
    return sorted({place for place in [*places, count - 1] if 0 <= place < count})
