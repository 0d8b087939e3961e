"""cocotb tests of a mac_tile that can multiply pairs: every pair there is."""

from __future__ import annotations

from itertools import product
from typing import Any

import cocotb

from model.golden import cycle as golden
from tb.mac_tile.mac_tile_tests import COLUMN, FILLER, HALF, LANES, SHAPE, UPPER, begin


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def test_every_pair_is_exact(dut: Any) -> None:
    """All pairs of weights by all pairs of activations (of wide ones a selection with all ends); then single codes."""
    bench = await begin(dut)
    top, group, most = SHAPE.wgt_max, COLUMN // LANES, (1 << HALF) - 1
    few = [SHAPE.wgt_min, -77, -1, 0, 1, 100, top]
    weights = SHAPE.wgt.values.tolist() if SHAPE.wgt_power or SHAPE.wgt_width <= 4 else few
    halves = range(most + 1) if HALF <= 2 else (0, 1, most // 2, most - 1, most)
    acts = [low | high << HALF for high in halves for low in halves]
    pixels = 0
    for on, pairs in ((True, product(weights, weights)), (False, product(weights, (top,)))):
        for pair in pairs:
            for upper, weight in enumerate(pair):
                flit = [top if upper else FILLER] * LANES
                flit[COLUMN % LANES] = weight
                await bench.step(golden.Flow(0, 0, 0, 1, group + upper * UPPER, tuple(flit)), 0)
            bench.mode(on)
            for index, act in enumerate(acts):
                await bench.step(golden.Flow(1, int(index == 0), act, 0, 0, (FILLER,) * LANES), 0)
                high, low = divmod(act, 1 << HALF)
                assert bench.pe.psum == (pair[0] * low + pair[1] * high if on else pair[0] * act)
                pixels += 1
    await bench.step(golden.idle(LANES, FILLER), 0)
    assert pixels == (len(weights) + 1) * len(weights) * len(acts)
