"""cocotb tests of sequencer: each pixel that a descriptor stands for, once and in order, and the time of it all.

The table answers as a memory does, one cycle later; weight tiles are ready at once, or come when they come.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import cocotb
import numpy as np

from model.errors import LockstepError
from model.program.descriptor import COUNT, FIELDS, SIGNED, WRAP, Descriptor, Field
from tb.common.drivers import begin_quiet, generator, parameters, read, reset
from tb.common.scoreboard import Coverage
from tb.network.points import descriptor_points
from tb.sequencer.bench import FETCH, Bench
from tb.sequencer.golden import pixels, reach

P = parameters()
OS, SIMD, DEPTH = P["OutputStationary"], P["Simd"], P["PsumDepth"]
MOST_PIXELS = 1100
FAR = 1023  # the largest coordinate; the least is -1 - FAR


def draw(rng: np.random.Generator, **given: int) -> Descriptor:
    """A layer with the values `given` and else small numbers: at most MOST_PIXELS pixels, passes that psums hold."""
    for _ in range(10000):
        counts = {
            name: int(rng.choice([1, 1, 2, 3])) for name in ("dx", "dy", "wx", "wy", "kx", "ky", "sub", "ic", "oc")
        }
        steps = {f"step_{name}": int(rng.integers(-40, 40)) for name in counts if name != "oc"}
        moves = ("y_start", "y_dy", "y_wy", "y_ky", "x_start", "x_dx", "x_wx", "x_kx")
        values = counts | steps | {name: int(rng.integers(-3, 4)) for name in moves}
        values |= {"in_start": int(rng.integers(0, 1 << 16)), "out_base": int(rng.integers(0, 1 << 16)), "step_oc": 7}
        values |= {
            "height": int(rng.integers(1, 9)),
            "width": int(rng.integers(1, 9)),
            "shift": int(rng.integers(0, 41)),
        }
        values |= {
            "out_max": int(rng.integers(0, 256)),
            "planes": int(rng.integers(0, 2)),
            "wide": int(rng.integers(0, 2)),
        }
        values |= {"os": OS and int(rng.integers(0, 2)), "simd": SIMD and int(rng.integers(0, 2))}
        values |= {"out_pair": SIMD and int(rng.integers(0, 2))}
        values |= given
        values["passes"] = values["kx"] * values["ky"] * values["sub"] * values["ic"]
        if not values["os"]:
            values["out_map"] = values["wx"] * values["wy"]
        elif "out_map" not in given:
            values["out_map"] = int(rng.integers(1, 1 << 14))
        try:
            told = Descriptor(**values)
        except LockstepError:
            continue
        low, high = reach(told)
        size = told.pass_size * told.passes * told.oc
        if low >= -1 - FAR and high <= FAR and size <= MOST_PIXELS and (told.os or told.pass_size <= DEPTH):
            return told
    raise AssertionError(f"no layer with {given} can be drawn")


async def begin(dut: Any) -> Bench:
    """Clock, quiet inputs, reset."""
    await begin_quiet(dut, ("start_i", "first_i", "count_i", "desc_data_i", "tile_ready_i", "missing_i", "early_i"))
    return Bench(dut, generator())


def with_passes(told: Descriptor, passes: int) -> tuple[Descriptor, np.ndarray[Any, Any]]:
    """`told` and its words with a count of passes that its loops do not make, which no compiler writes."""
    words = told.encode()
    words[10] = (int(words[10]) & ~0xFFFFF) | (passes - 1)
    row = Descriptor.__new__(Descriptor)  # without its own checks
    for name, value in (asdict(told) | {"passes": passes}).items():
        object.__setattr__(row, name, value)
    return row, words


def limits(field: Field) -> tuple[int, int]:
    """The values whose codes are a field's ends: of one that wraps, all zeros and all ones."""
    if field.kind == WRAP:
        return 0, -1
    return (field.least, field.most) if field.kind in (COUNT, SIGNED) else (0, field.most)


def possible(field: Field, value: int) -> bool:
    """Whether this block can have a layer with that."""
    built_in = {"simd": SIMD, "out_pair": SIMD, "os": OS}
    longest = field.name in ("dx", "dy", "wx", "wy") and value > DEPTH and not OS
    return not (field.name in built_in and value and not built_in[field.name]) and not longest


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_every_field_at_its_limits(dut: Any) -> None:
    """One after another, in layers that are small otherwise; passes have a test of their own."""
    bench = await begin(dut)
    for field in FIELDS:
        for value in limits(field) if field.name != "passes" else ():
            if not possible(field, value):
                continue
            given = {field.name: value}
            if field.name == "out_map" and OS:
                given["os"] = 1  # else it is what the loops make
            elif field.name == "out_map" and value > MOST_PIXELS:
                continue
            if value > 100 and field.name in ("wx", "wy"):
                given["os"] = int(value > DEPTH)
            await bench.whole(0, [draw(bench.rng, **given)])


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_pixels_at_the_edge_of_maps_of_any_size(dut: Any) -> None:
    """Rows and columns far apart, one of which is the last of the map or the first beyond it."""
    bench = await begin(dut)
    rng, coverage = bench.rng, Coverage(*(f"{axis} {what}" for axis in "xy" for what in ("at the edge", "beyond it")))
    one = dict.fromkeys(("dx", "dy", "wx", "wy", "sub", "ic", "oc"), 1) | {"os": 0, "kx": 8, "ky": 8}
    for _ in range(60):
        given = dict(one)
        for axis, size in (("x", "width"), ("y", "height")):
            start, step = int(rng.integers(-128, 128)), int(rng.choice([-1, 1])) * int(rng.integers(1, 128))
            places = [start + step * at for at in range(8)]
            beyond = int(rng.integers(0, 2))
            edge = max(1, int(rng.choice(places)) + 1 - beyond)
            coverage.hit(f"{axis} {'beyond it' if beyond else 'at the edge'}", edge - 1 + beyond in places)
            given |= {f"{axis}_start": start, f"{axis}_k{axis}": step, size: edge}
        await bench.whole(0, [draw(rng, **given)])
    inside = one | dict.fromkeys(("x_start", "y_start", "x_kx", "y_ky"), 0)
    for bit in range(FAR.bit_length()):  # each alone: the last pixel is at the edge, so that it lies inside by that bit
        for axis, size in (("x", "width"), ("y", "height")):
            step = min(127, (1 << bit) // 7)
            given = inside | {f"{axis}_start": (1 << bit) - 7 * step, f"{axis}_k{axis}": step, size: (1 << bit) + 1}
            await bench.whole(0, [draw(rng, **given)])
    coverage.finish()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_the_whole_table_in_one_run(dut: Any) -> None:
    """As many layers as there are, or as one run may have, of one pixel each; up to the last descriptor.

    And as many as each bit of the count stands for.
    """
    bench = await begin(dut)
    one = dict.fromkeys(("dx", "dy", "wx", "wy", "kx", "ky", "sub", "ic", "oc"), 1)
    most = min(P["Layers"], 255)
    for count in (*(1 << bit for bit in range(most.bit_length())), most):
        await bench.whole(P["Layers"] - count, [draw(bench.rng, **one) for _ in range(count)])


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_runs_of_several_layers_with_weights_that_come_when_they_come(dut: Any) -> None:
    """From the first descriptor and up to the last one."""
    bench = await begin(dut)
    pooled = ["a pooled layer"] if DEPTH >= 4 else []  # a pass of 2x2
    coverage = Coverage("a layer of one pixel", "padding", "no padding", "several output tiles", *pooled)
    for number in range(8):
        count = int(bench.rng.integers(1, 4))
        layers = [draw(bench.rng) for _ in range(count)]
        if number == 0:
            layers[0] = draw(bench.rng, **dict.fromkeys(("dx", "dy", "wx", "wy", "kx", "ky", "sub", "ic", "oc"), 1))
        if number == 1 and pooled:
            layers[0] = draw(bench.rng, dx=2, dy=2, oc=2, y_start=-1, os=0)
        for told in layers:
            zeros = [pixel.zero for pixel in pixels(told)]
            coverage.hit("a layer of one pixel", len(zeros) == 1)
            coverage.hit("padding", any(zeros))
            coverage.hit("no padding", not all(zeros))
            for point in pooled:
                coverage.hit(point, not told.os and told.dx * told.dy > 1)
            coverage.hit("several output tiles", told.oc > 1)
        first = 0 if number % 2 else P["Layers"] - count
        await bench.whole(first, layers, ready=float(bench.rng.choice([1.0, 0.6, 0.2])))
    coverage.finish()


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_passes_that_the_loops_do_not_make_are_error_7(dut: Any) -> None:
    """Every bit of the count, too many and too few: the run ends in the first pass that one of them calls the last."""
    bench = await begin(dut)
    for bit in range(20):
        told = draw(bench.rng, kx=3, ky=1, sub=1, ic=2, wx=min(2, DEPTH), wy=1, dx=1, dy=1, os=0, oc=1)
        row, words = with_passes(told, 1 << 20 if bit == 19 else ((told.passes - 1) ^ (1 << bit)) + 1)
        descriptor_points([np.array([words])]).record()
        bench.table[0] = [*words.tolist(), 0, 0, 0, 0]
        await bench.start(0, 1)
        await bench.fetch(0, row)
        # the pass where the loops, or the count, have their last one, whichever is first; its first pixel is issued
        await bench.run(row, 0.7, stop=min(told.passes - 1, row.passes - 1) * told.pass_size + 1)
        await bench.drain(told, more=False, error=7)


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_a_layer_of_many_passes_ends_with_its_last(dut: Any) -> None:
    """As many as the count has bits for: the first one, and from the second one on the last ones."""
    bench = await begin(dut)
    for bit in range(3, 20):
        told = draw(bench.rng, kx=3, ky=1, sub=1, ic=2, wx=min(2, DEPTH), wy=1, dx=1, dy=1, os=0, oc=1)
        row, words = with_passes(told, told.passes + (1 << bit))
        bench.table[0] = [*words.tolist(), 0, 0, 0, 0]
        await bench.start(0, 1)
        await bench.fetch(0, row)
        await bench.run(row, 0.7, stop=told.pass_size)
        await bench.cycle(tile_ready_i=0)
        dut.pass_q.value = (1 << bit) + 1
        await bench.step()
        await bench.run(row, 0.7, begin=told.pass_size)
        await bench.drain(told, more=False)


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_a_stream_that_ends_elsewhere_a_pass_too_long_and_a_range_outside_are_errors(dut: Any) -> None:
    """Each at its moment, with its number; the next start forgets it."""
    bench = await begin(dut)
    for port, error in (("early_i", 2), ("missing_i", 3)):
        told = draw(bench.rng, wx=3, wy=2, kx=2)
        bench.table[1] = [*told.encode().tolist(), 0, 0, 0, 0]
        await bench.start(1, 1)
        await bench.fetch(1, told)
        await bench.run(told, 1.0, stop=4)
        await bench.cycle(tile_ready_i=0, **{port: 1})
        assert read(dut.load_stop_o)
        await bench.step()
        await bench.drain(told, more=False, error=error)
        await bench.whole(0, [draw(bench.rng)])
    told = draw(bench.rng, wx=1, wy=1, os=0)
    long = Descriptor(**asdict(told) | {"wx": DEPTH, "wy": 2, "out_map": 2 * DEPTH, "dx": 1, "dy": 1, "x_wx": 0})
    bench.table[0] = [*long.encode().tolist(), 0, 0, 0, 0]
    await bench.start(0, 1)
    await bench.fetch(0, long)
    await bench.run(long, 1.0, stop=DEPTH)
    await bench.drain(long, more=False, error=1)
    for first, count in ((0, 0), (P["Layers"] - 1, 2), (255, 255), (0, min(255, P["Layers"] + 1))):
        if first + count > P["Layers"] or not count:
            await bench.start(first, count)
            await bench.end(4)
    await bench.whole(0, [draw(bench.rng)])


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_what_is_not_built_in_is_error_6(dut: Any) -> None:
    """Before the first pixel."""
    bench = await begin(dut)
    for name, there in (("simd", SIMD), ("out_pair", SIMD), ("os", OS)):
        if there:
            continue
        told = draw(bench.rng, **{"os": 0, "simd": 0, "out_pair": 0} | {name: 1})
        bench.table[0] = [*told.encode().tolist(), 0, 0, 0, 0]
        await bench.start(0, 1)
        for _ in range(FETCH):
            await bench.cycle()
            await bench.step()
        await bench.cycle(tile_ready_i=1)
        assert not read(dut.x_valid_o)
        assert read(dut.load_stop_o)
        await bench.step()
        plain = Descriptor(**asdict(told) | {"os": 0, "out_map": told.wx * told.wy})
        await bench.drain(plain, more=False, error=6)


@cocotb.test(timeout_time=3, timeout_unit="ms")
async def test_a_reset_anywhere_ends_a_run(dut: Any) -> None:
    """In every cycle of FETCH, in RUN and in DRAIN; the next run is whole."""
    bench = await begin(dut)
    for place in (*range(FETCH), "run", "drain"):
        told = draw(bench.rng, wx=3, kx=2)
        bench.table[0] = [*told.encode().tolist(), 0, 0, 0, 0]
        await bench.start(0, 1)
        if isinstance(place, str):
            await bench.fetch(0, told)
            await bench.run(told, 1.0, stop=4 if place == "run" else None)
        else:
            for _ in range(place):
                await bench.cycle()
                await bench.step()
        await reset(dut, cycles=1)
        bench.words = [0] * len(bench.words)
        await bench.cycle()
        assert [read(getattr(dut, f"{port}_o")) for port in ("busy", "done", "error", "layer", "x_valid")] == [0] * 5
        await bench.step()
        await bench.whole(0, [draw(bench.rng)], 0.7)
