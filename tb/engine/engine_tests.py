"""cocotb tests of engine: each field of a descriptor reaches the blocks that use it, whole; starts beyond the table.

The layers that the other tests run are small: of a field of 20 bits they need five. Here the values are any, and the
layer never begins, for its weights do not come.
"""

from __future__ import annotations

from itertools import islice, product
from typing import Any

import cocotb
import numpy as np

from model.golden.blocks import places
from model.program.descriptor import FIELDS
from tb.common.drivers import (
    any_word,
    begin_quiet,
    deposit,
    generator,
    looped,
    next_cycle,
    pack,
    parameters,
    read,
    reset,
    settled,
    unpack,
)
from tb.common.scoreboard import BitCoverage

P = parameters()
LAYERS, SIMD, OS = P["Layers"], P["Simd"], P["OutputStationary"]
BANKS, SEGS, HALVES = max(1, P["Cols"] // P["Rows"]), max(1, P["Rows"] // P["Cols"]), 1 + SIMD
FETCH = 13  # words of a descriptor, and the last one's latency
ERROR_EARLY, ERROR_MISSING, ERROR_RANGE = 2, 3, 4
COUNTERS = ("cycles_o", "waiting_o", "filling_o", "writes_o", "pixels_o")
BUILT = {"simd": SIMD, "out_pair": SIMD, "os": OS}  # fields of modes, and whether there is the mode
PORTS = (
    *("desc_we_i", "desc_addr_i", "desc_wdata_i", "start_i", "first_i", "count_i"),
    *("load_valid_i", "load_addr_i", "load_data_i", "wgt_valid_i", "wgt_last_i", "wgt_data_i"),
)


def draw(rng: np.random.Generator) -> dict[str, int]:
    """The bits of every field: any, but modes that are built in and loops over a few pixels that psums hold.

    ``window`` is those of dx and dy together, which output stationary are a pooling window's.
    """
    values = {item.name: int(rng.integers(0, 1 << item.width)) for item in FIELDS}
    values |= {name: built * values[name] for name, built in BUILT.items()}
    values |= dict.fromkeys(("wx", "wy") if values["os"] else ("dx", "dy", "wx", "wy"), 0)  # 1, each
    return values | {"window": values["dx"] | values["dy"] << 4}


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
        told |= {"os_window map": (window.map_n_i, "out_map"), "os_window window": (window.window_n_i, "window")}
    return told


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_field_reaches_the_blocks_that_use_it(dut: Any) -> None:
    """Each bit of each at 0 and at 1, whatever the layer's number."""
    await begin_quiet(dut, PORTS)
    rng = generator()
    ports = carried(dut)
    never = [name for name, (_, field) in ports.items() if not BUILT.get(field, 1)]
    coverage = BitCoverage({name: len(port) for name, (port, _) in ports.items()}, never)
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
            coverage.see(name, wanted)
        await reset(dut)
    coverage.finish()


async def requantized(dut: Any, register: str, values: list[int]) -> None:
    """Up to the cycle in which requantize's line of `values`, a whole window, is the engine's."""
    await settled(dut)
    for column, value in enumerate(values):
        getattr(looped(dut.u_requantize, "gen_col", column), register).value = value
    dut.u_requantize.code_valid_q.value, dut.u_requantize.code_side_q.value = 1, 3
    await next_cycle(dut)
    await settled(dut)


def packed(code: int, enables: tuple[bool, ...], pair: int) -> tuple[int, int]:
    """A memory word of every bank, the parts in `enables` filled with a line of codes, and which bits are written.

    Segments are lanes in turn; the low halves of all of them, then the high ones (`model.golden.blocks.places`).
    """
    width, per, half = P["ActWidth"], P["Rows"] // SEGS, P["ActWidth"] // HALVES
    codes = unpack(code, width, P["Cols"])
    own = enables.index(True)
    word = mask = 0
    for bank, part, lane in product(range(BANKS), range(len(enables)), range(per)):
        high, segment = divmod(part, SEGS)
        at = (bank * P["Rows"] + segment * per + lane) * width + high * half
        filled = part == own or (not pair and segment == own % SEGS)
        taken = codes[(bank * per + lane) % P["Cols"]] >> (0 if pair else high * half)
        if enables[part]:
            mask |= (1 << half) - 1 << at
            word |= (taken & (1 << half) - 1 if filled else 0) << at
    return word, mask


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_bit_of_a_code_is_written_to_its_part_of_a_line(dut: Any) -> None:
    """Lines of a layer whose tiles have two of them; for readers of single codes and, where there are, of pairs."""
    await begin_quiet(dut, PORTS)
    rng = generator()
    width, lane = P["Cols"] * P["ActWidth"], (1 << P["ActWidth"] // HALVES) - 1
    for pair in range(1 + SIMD):
        await begin_layer(dut, out_pair=pair, out_base=5, out_map=1)
        for _ in range(FETCH + 1):
            await next_cycle(dut)
        for address, enables in islice(places(5, 2, SEGS, HALVES, bool(pair)), 12 * SEGS * HALVES):
            code = any_word(rng, width)
            if pair:  # codes of half the width
                code = pack([each & lane for each in unpack(code, P["ActWidth"], P["Cols"])], P["ActWidth"])
            await requantized(dut, "code_q", unpack(code, P["ActWidth"], P["Cols"]))
            word, mask = packed(code, enables, pair)
            shown = read(dut.u_core.act_waddr_i), read(dut.u_core.act_wdata_i) & mask
            assert shown == (address, word), f"pair {pair}, parts {enables}: address, word {shown}, not {address, word}"
            written = unpack(read(dut.u_core.act_we_i), HALVES * SEGS, BANKS)
            assert written == [pack([int(part) for part in enables], 1)] * BANKS, f"parts {written}, not {enables}"
            await next_cycle(dut)
        await reset(dut)


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
            assert read(dut.layer_o) == first, f"layer_o {read(dut.layer_o)}; expected the one asked for, {first}"
            assert read(dut.u_desc_mem.re_i) == (not beyond), "the table is read in FETCH, and else not"
            await next_cycle(dut)
            await reset(dut)
            await settled(dut)
            assert not read(dut.u_desc_mem.re_i), "the table is read, and no layer runs"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_bit_of_the_counters_is_shown(dut: Any) -> None:
    """One bit of one of them at a time, as after a long run."""
    await begin_quiet(dut, PORTS)
    for counter in range(len(COUNTERS)):
        for bit in range(32):
            counts = [int(each == counter) << bit for each in range(len(COUNTERS))]
            await deposit(dut.u_counters, count_q=pack(counts[::-1], 32))
            await settled(dut)
            shown = [read(getattr(dut, name)) for name in COUNTERS]
            assert shown == counts, f"{COUNTERS[counter]}, bit {bit}: {shown}"
            await next_cycle(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_bit_of_a_word_reaches_the_array_and_the_parameters(dut: Any) -> None:
    """Of the stream and of an activation line, the engine at rest."""
    await begin_quiet(dut, PORTS)
    rng = generator()
    for _ in range(24):
        word, line = (any_word(rng, len(port)) for port in (dut.wgt_data_i, dut.load_data_i))
        dut.wgt_data_i.value, dut.load_data_i.value, dut.load_valid_i.value = word, line, 1
        dut.load_addr_i.value = int(rng.integers(0, P["ActDepth"]))
        await settled(dut)
        shown = read(dut.u_core.wgt_i), read(dut.u_requantize.par_data_i)
        assert shown == (word, word), f"{word:#x}: {shown[0]:#x} at the array, {shown[1]:#x} at requantize"
        banks = len(dut.u_core.act_wdata_i) // len(dut.load_data_i)
        assert read(dut.u_core.act_wdata_i) == pack([line] * banks, len(dut.load_data_i)), "a line in every bank"
        await next_cycle(dut)


async def begin_layer(dut: Any, **given: int) -> None:
    """Start a layer of one activation line with the codes `given` in its descriptor, all others 0."""
    await write(dut, 0, dict.fromkeys((item.name for item in FIELDS), 0) | given)
    dut.load_valid_i.value, dut.load_addr_i.value = 1, 0
    await next_cycle(dut)
    dut.load_valid_i.value = 0
    dut.start_i.value, dut.first_i.value, dut.count_i.value = 1, 0, 1
    await next_cycle(dut)
    dut.start_i.value = 0


async def stream(dut: Any, words: int, last: int | None) -> None:
    """Offer `words` words, one after the other, `last` beside that of this number."""
    for word in range(words):
        dut.wgt_valid_i.value, dut.wgt_last_i.value = 1, int(word == last)
        while True:
            await settled(dut)
            taken = read(dut.wgt_ready_o)
            await next_cycle(dut)
            if taken:
                break
    dut.wgt_valid_i.value = dut.wgt_last_i.value = 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_a_stream_too_short_or_too_long_is_an_error_and_nothing_more_is_taken(dut: Any) -> None:
    """A layer of one pixel: `last` beside its first word, and beside none."""
    await begin_quiet(dut, PORTS)
    for os in range(1 + OS):
        for last, error in ((0, ERROR_EARLY), (None, ERROR_MISSING)):
            await begin_layer(dut, os=os)
            feeding = cocotb.start_soon(stream(dut, 1000, last))
            for _ in range(400):
                await settled(dut)
                if read(dut.done_o):
                    break
                await next_cycle(dut)
            assert (read(dut.done_o), read(dut.error_o)) == (1, error), (
                f"os {os}: error {read(dut.error_o)}, not {error}"
            )
            for _ in range(4):
                await next_cycle(dut)
                await settled(dut)
                assert not read(dut.wgt_ready_o), "a word is taken after the run"
            feeding.cancel()
            await reset(dut)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_the_psum_address_of_a_long_pass_reaches_the_core(dut: Any) -> None:
    """A pass of as many pixels as there are psum lines, or somewhat fewer: all bits of the address."""
    await begin_quiet(dut, PORTS)
    rows, width = P["PsumDepth"] // 8, len(dut.u_sequencer.p_addr_o)
    low = OS + 4 + 2 + 1 + width + 5  # below it: x_last, the side bits, plane, zero, the fields of accumulation
    await begin_layer(dut, wx=7, wy=rows - 1, out_map=8 * rows - 1, out_base=8)
    parameters_of_a_column = -(-(P["MulWidth"] + P["BiasWidth"]) // len(dut.wgt_data_i))
    words = P["Cols"] * parameters_of_a_column - (-P["Cols"] // P["WgtLanes"])
    feeding = cocotb.start_soon(stream(dut, words, words - 1))
    met = set()
    for _ in range(20 * rows + 200):
        await settled(dut)
        if read(dut.done_o):
            break
        if read(dut.u_sequencer.x_valid_o):
            address = read(dut.u_sequencer.p_addr_o)
            carried_there = read(dut.u_core.inst_i) >> low & (1 << width) - 1
            assert carried_there == address, f"address {address} is {carried_there} at the core"
            met.add(address)
        await next_cycle(dut)
    feeding.cancel()
    assert read(dut.error_o) == 0
    assert met == set(range(8 * rows))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_bit_of_a_logit_is_shown(dut: Any) -> None:
    """What requantize holds in a layer that gives logits, in every column."""
    await begin_quiet(dut, PORTS)
    rng = generator()
    await begin_layer(dut, wide=1)
    for _ in range(FETCH + 1):
        await next_cycle(dut)
    for _ in range(24):
        logits = [int(rng.integers(0, 1 << 32)) for _ in range(P["Cols"])]
        await requantized(dut, "wide_q", logits)
        assert read(dut.result_o) == pack(logits, 32), f"{read(dut.result_o):#x}, expected {pack(logits, 32):#x}"
        await next_cycle(dut)
