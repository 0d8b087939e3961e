"""The cycle model against the definition of the dataflow, and the block functions against plain ones."""

from __future__ import annotations

import numpy as np
import pytest

from model.golden import cycle
from model.golden.blocks import Gather, Instruction, Memory, Pixel, accumulate, deskew, run_program, skew
from tb.common.traffic import Shape, make_traffic

SHAPES = [
    Shape(3, 4, 4, 4, 16, 2),
    Shape(8, 8, 4, 4, 16, 2),
    Shape(2, 5, 2, 8, 16, 1),
    Shape(1, 1, 4, 4, 16, 1),
    Shape(5, 3, 8, 2, 24, 4),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("bubbles", [0.0, 0.4])
def test_registers_follow_the_wave(shape: Shape, bubbles: float) -> None:
    """After cycle n, PE(r,c) holds what PE(0,0)'s schedule says for cycle n-r-c: a closed form, without stepping."""
    rng = np.random.default_rng(7)
    traffic = make_traffic(rng, shape, rng.integers(1, 9, size=12).tolist(), bubbles, spread=bubbles > 0)
    array = cycle.reset(shape.rows, shape.cols, shape.wgt_lanes)
    pixels = 0
    for n in range(len(traffic) + shape.rows + shape.cols):
        array = cycle.step(array, [traffic.flow(n, row) for row in range(shape.rows)])
        for r in range(shape.rows):
            for c in range(shape.cols):
                here, pe = n - r - c, array[r][c]
                past = [t for t in range(max(0, here + 1)) if t < len(traffic) and traffic.valid[t]]
                assert (pe.valid, pe.swap) == (int(here in past), int(here in past and traffic.swap[here]))
                if past:
                    weights = traffic.tiles[traffic.tile_of[past[-1]]]
                    assert pe.act == traffic.act[past[-1], r]
                    assert pe.active == weights[r, c]
                    assert pe.psum == sum(int(traffic.act[past[-1], k] * weights[k, c]) for k in range(r + 1))
                    pixels += pe.valid
    assert pixels == shape.rows * shape.cols * traffic.valid.sum() > 0


PAIRED = [Shape(3, 4, 4, 4, 16, 2, simd=1), Shape(2, 5, 6, 3, 16, 1, simd=1), Shape(1, 1, 2, 4, 16, 1, simd=1)]


@pytest.mark.parametrize("shape", PAIRED, ids=str)
@pytest.mark.parametrize("on", [True, False])
def test_psums_of_pairs_are_the_matrix_product(shape: Shape, on: bool) -> None:
    """Of twice the channels where `on`: an array that can do both does the one that it is told."""
    rng = np.random.default_rng(9)
    traffic = make_traffic(rng, shape, rng.integers(1, 9, size=8).tolist(), 0.3, on=on)
    assert traffic.tiles.shape[1] == shape.rows * (1 + on)
    array = cycle.reset(shape.rows, shape.cols, shape.wgt_lanes)
    shown: list[tuple[list[int], list[int]]] = []
    for n in range(len(traffic) + shape.rows + shape.cols):
        shown.append(cycle.south(array[-1]))
        array = cycle.step(array, [traffic.flow(n, row) for row in range(shape.rows)], traffic.pairs)
    for entered, psums in traffic.psums():
        for c, psum in enumerate(psums):
            assert shown[entered + shape.rows + c][1][c] == psum
    assert not on or max(traffic.codes(int(n)).max() for n in np.flatnonzero(traffic.valid)) < 1 << shape.act_width // 2


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_psums_are_the_matrix_product(shape: Shape) -> None:
    """Column c of the last row shows a pixel's psum Rows + c cycles after the pixel entered row 0."""
    rng = np.random.default_rng(8)
    traffic = make_traffic(rng, shape, [shape.groups] * 6, spread=False)
    array = cycle.reset(shape.rows, shape.cols, shape.wgt_lanes)
    shown: list[tuple[list[int], list[int]]] = []
    for n in range(len(traffic) + shape.rows + shape.cols):
        shown.append(cycle.south(array[-1]))
        array = cycle.step(array, [traffic.flow(n, row) for row in range(shape.rows)])
    for entered, psums in traffic.psums():
        for c, psum in enumerate(psums):
            valids, values = shown[entered + shape.rows + c]
            assert valids[c] == 1
            assert values[c] == psum


def test_a_flit_that_meets_a_swap_is_for_the_tile_after() -> None:
    pe = cycle.reset(1, 1, 1)[0][0]
    pe = cycle.step_pe(pe, cycle.Flow(0, 0, 0, 1, 0, (3,)), 0, 0)
    pe = cycle.step_pe(pe, cycle.Flow(1, 1, 2, 1, 0, (5,)), 10, 0)
    assert (pe.psum, pe.active, pe.shadow) == (16, 3, 5)
    pe = cycle.step_pe(pe, cycle.Flow(1, 1, 2, 0, 0, (0,)), 10, 0)
    assert (pe.psum, pe.active, pe.shadow) == (20, 5, 5)


def test_idle_cycles_keep_data_and_clear_flags() -> None:
    pe = cycle.Pe(1, 1, 7, 1, 2, (4, -3), shadow=-8, active=5, psum=-99)
    after = cycle.step_pe(pe, cycle.Flow(0, 0, 15, 0, 3, (1, 1)), 1000, 0)
    assert after == pe._replace(valid=0, swap=0, wgt_valid=0)


def test_first_mismatch_names_place_and_register() -> None:
    want = cycle.reset(2, 3, 1)
    got = cycle.reset(2, 3, 1)
    assert cycle.first_mismatch(want, got) is None
    got[1][2] = got[1][2]._replace(psum=4, active=1)
    assert str(cycle.first_mismatch(want, got)) == "PE(1,2) active: expected 0, got 1"


def test_deskew_undoes_skew() -> None:
    rng = np.random.default_rng(9)
    lines = np.vstack([rng.integers(-9, 9, size=(20, 5)), np.zeros((5, 5), dtype=np.int64)])
    assert np.array_equal(deskew(skew(lines))[4:], lines[:-4])


def test_memory_reads_the_old_word() -> None:
    memory = Memory(2)
    assert memory.cycle((0, 5), 0) is None
    assert memory.cycle((0, 6), 0) == 5
    assert memory.cycle(None, 0) == 6
    with pytest.raises(IndexError):
        memory.cycle(None, 2)


def test_accumulate_sums_then_rectifies() -> None:
    assert accumulate([(-9, 5), (4, 1)], relu=False) == (-5, 6)
    assert accumulate([(-9, 5), (4, 1)], relu=True) == (0, 6)


def test_program_times_and_sums() -> None:
    """Two pixels into one address, the second added from the bank that the first wrote; read as early as allowed."""
    program = [Instruction(Pixel(0, True, None, 0, 3)), Instruction(Pixel(1, False, 0, 1, 3))]
    program += [Instruction()] * 4 + [
        Instruction(gather=Gather(0, 3, True, False, False)),
        Instruction(gather=Gather(1, 3, False, True, True)),
    ]
    trace = run_program(program, {0: (1, 2), 1: (3, 4)}, [np.array([[1, -1, 0], [1, -1, 0]])], 4)
    assert trace.psums == [(5, (3, -3, 0)), (6, (7, -7, 0))]
    assert trace.outputs == [(9, (13, 0, 0))]
    assert trace.banks == {(0, 3): (3, -3, 0), (1, 3): (10, -10, 0)}


def test_padding_and_planes() -> None:
    """Padding reads no line and gives 0; plane 2 of 3-bit planes counts 64 times, in memory, not at the psum port."""
    pixels = [Pixel(0, True, None, 0, 1, plane=2, side=1), Pixel(7, False, 0, 0, 1, zero=True, plane=3)]
    trace = run_program([Instruction(pixel) for pixel in pixels], {0: (1, 2)}, [np.array([[1, -1], [1, 0]])], 3)
    assert trace.psums == [(4, (3, -1)), (5, (0, 0))]
    assert trace.sums == [(4, (192, -64, 1)), (5, (192, -64, 0))]
    assert trace.banks == {(0, 1): (192, -64)}


def test_program_that_reads_too_early_is_refused() -> None:
    program = [
        Instruction(Pixel(0, True, None, 0, 0)),
        *[Instruction()] * 4,
        Instruction(gather=Gather(0, 0, True, True, False)),
    ]
    with pytest.raises(KeyError):
        run_program(program, {0: (1, 2)}, [np.ones((2, 3), dtype=np.int64)], 4)
