"""cocotb tests of engine: each field of a descriptor reaches the blocks that use it, whole; starts beyond the table.

The layers that the other tests run are small: of a field of 20 bits they need five. Here the values are any, and the
layer never begins, for its weights do not come.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from model.program.descriptor import FIELDS
from tb.common.drivers import begin_quiet, generator, looped, next_cycle, parameters, read, reset, settled
from tb.common.scoreboard import Coverage

P = parameters()
LAYERS, SIMD, OS = P["Layers"], P["Simd"], P["OutputStationary"]
FETCH = 13  # words of a descriptor, and the last one's latency
ERROR_RANGE = 4
BUILT = {"simd": SIMD, "out_pair": SIMD, "os": OS}  # fields of modes, and whether there is the mode
PORTS = (
    *("desc_we_i", "desc_addr_i", "desc_wdata_i", "start_i", "first_i", "count_i"),
    *("load_valid_i", "load_addr_i", "load_data_i", "wgt_valid_i", "wgt_last_i", "wgt_data_i"),
)


def draw(rng: np.random.Generator) -> dict[str, int]:
    """The bits of every field: any, but modes that are built in and loops over a few pixels that psums hold."""
    values = {item.name: int(rng.integers(0, 1 << item.width)) for item in FIELDS}
    values |= dict.fromkeys(("dx", "dy", "wx", "wy"), 0)  # 1, each
    return values | {name: built * values[name] for name, built in BUILT.items()}


async def write(dut: Any, layer: int, values: dict[str, int]) -> None:
    """The descriptor into the table."""
    words = [0] * (1 + max(item.word for item in FIELDS))
    for item in FIELDS:
        words[item.word] |= values[item.name] << item.low
    for word, data in enumerate(words):
        dut.desc_we_i.value, dut.desc_addr_i.value, dut.desc_wdata_i.value = 1, layer * 16 + word, data
        await next_cycle(dut)
    dut.desc_we_i.value = 0


def carried(dut: Any) -> dict[str, tuple[Any, str]]:
    """The inputs of the blocks by a name for the message, each with the field whose bits it carries."""
    told = {
        "loader passes": (dut.u_loader.passes_n_i, "passes"),
        "loader tiles": (dut.u_loader.tiles_n_i, "oc"),
        "loader simd": (dut.u_loader.simd_i, "simd"),
        "core simd": (dut.u_core.simd_i, "simd"),
        "core os": (dut.u_core.os_i, "os"),
        "requantize shift": (dut.u_requantize.shift_i, "shift"),
        "requantize max": (dut.u_requantize.max_i, "out_max"),
        "writeback base": (dut.u_writeback.base_i, "out_base"),
        "writeback map": (dut.u_writeback.map_n_i, "out_map"),
        "writeback pair": (dut.u_writeback.pair_i, "out_pair"),
    }
    if OS:
        loader, window = looped(dut, "gen_os_loader", "u_os_loader"), looped(dut, "gen_os_window", "u_window")
        told |= {"os_loader passes": (loader.passes_n_i, "passes"), "os_loader tiles": (loader.tiles_n_i, "oc")}
        told |= {"os_window map": (window.map_n_i, "out_map")}
    return told


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_field_reaches_the_blocks_that_use_it(dut: Any) -> None:
    """Each bit of each at 0 and at 1, whatever the layer's number."""
    await begin_quiet(dut, PORTS)
    rng = generator()
    ports = carried(dut)
    points = [
        f"{name}[{bit}] is {value}"
        for name, (port, field) in ports.items()
        for bit in range(len(port))
        for value in ((0, 1) if BUILT.get(field, 1) else (0,))
    ]
    coverage = Coverage(*points)
    for number in range(40):
        layer, values = number * 7 % LAYERS, draw(rng)
        await write(dut, layer, values)
        dut.start_i.value, dut.first_i.value, dut.count_i.value = 1, layer, 1
        await next_cycle(dut)
        dut.start_i.value, dut.first_i.value = 0, int(rng.integers(0, 256))
        for _ in range(FETCH + 1):
            await next_cycle(dut)
        await settled(dut)
        shown = read(dut.busy_o), read(dut.layer_o), read(dut.error_o)
        assert shown == (1, layer, 0), f"busy, layer, error {shown}; expected {(1, layer, 0)}"
        for name, (port, field) in ports.items():
            wanted = values[field] % (1 << len(port))
            assert read(port) == wanted, f"layer {layer}, {name}: {read(port)}, expected {field} {wanted}"
            for bit in range(len(port)):
                coverage.hit(f"{name}[{bit}] is {wanted >> bit & 1}")
        await reset(dut)
    coverage.finish()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_start_beyond_the_table_is_refused(dut: Any) -> None:
    """Each bit of the first layer's number and of the count."""
    await begin_quiet(dut, PORTS)
    for bit in range(8):
        for first, count in ((1 << bit, 1), (0, 1 << bit), (1 << bit, 1 << bit)):
            dut.start_i.value, dut.first_i.value, dut.count_i.value = 1, first, count
            await next_cycle(dut)
            dut.start_i.value = 0
            await settled(dut)
            beyond = first + count > LAYERS
            shown = read(dut.busy_o), read(dut.done_o), read(dut.error_o)
            wanted = (int(not beyond), int(beyond), ERROR_RANGE if beyond else 0)
            assert shown == wanted, f"layers {first}, {count} of them: busy, done, error {shown}; expected {wanted}"
            await next_cycle(dut)
            await reset(dut)
