"""The cycle model of both dataflows against plain sums, and against the weight-stationary model."""

from __future__ import annotations

import numpy as np
import pytest

from model.golden import cycle, os_cycle
from model.golden.blocks import Gather
from model.golden.os_blocks import Term, lines_of, run_terms
from tb.common.os_traffic import make_os_traffic
from tb.common.traffic import Shape, make_traffic

SHAPES = [Shape(3, 4, 4, 4, 16, 2), Shape(8, 8, 4, 4, 16, 2), Shape(2, 5, 2, 8, 16, 1), Shape(1, 1, 4, 4, 16, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("bubbles", [0.0, 0.4])
def test_sums_of_a_group_leave_row_after_row(shape: Shape, bubbles: float) -> None:
    """Column c shows the pixel of row rows-1-i rows + 1 + c + i cycles after the group's last term entered row 0."""
    rng = np.random.default_rng(5)
    traffic = make_os_traffic(rng, shape, [1, shape.rows, shape.rows, *rng.integers(1, 20, size=6).tolist()], bubbles)
    array, left, shown = os_cycle.reset(shape.rows, shape.cols, shape.wgt_lanes), 0, []
    for n in range(len(traffic) + 2 * shape.rows + shape.cols + 2):
        shown.append(os_cycle.south(array[-1], True))
        west = [traffic.flow(n, row) for row in range(shape.rows)]
        weights = [traffic.weight(n, column) for column in range(shape.cols)]
        array = os_cycle.step(array, True, west, os_cycle.shifting(left, shape.rows), weights)
        left = os_cycle.left_after(left, west[-1].wgt_valid, shape.rows)
    seen = 0
    for last, sums in traffic.sums():
        for c in range(shape.cols):
            for i in range(shape.rows):
                valids, values = shown[last + shape.rows + 1 + c + i]
                assert (valids[c], values[c]) == (1, sums[shape.rows - 1 - i, c])
                seen += 1
    assert seen == sum(sum(valids) for valids, _ in shown) == 9 * shape.rows * shape.cols


def test_weight_stationary_mode_is_the_plain_array() -> None:
    shape = SHAPES[0]
    traffic = make_traffic(np.random.default_rng(6), shape, [3, 5, 2], 0.2)
    plain = cycle.reset(shape.rows, shape.cols, shape.wgt_lanes)
    both = os_cycle.reset(shape.rows, shape.cols, shape.wgt_lanes)
    for n in range(len(traffic) + 12):
        west = [traffic.flow(n, row) for row in range(shape.rows)]
        plain = cycle.step(plain, west)
        both = os_cycle.step(both, False, west, (0,) * shape.rows, [1] * shape.cols)
        assert [[pe.pe for pe in row] for row in both] == plain
        assert os_cycle.south(both[-1], False) == cycle.south(plain[-1])


def test_a_group_has_one_destination_a_line() -> None:
    assert lines_of([3, None, None, None], rows=2) == [None, 3, 4, None]


def test_core_of_terms_is_the_matrix_product() -> None:
    """Two planes of a group: the second shifted and added; line i is the pixel of row rows-1-i."""
    rng = np.random.default_rng(9)
    rows, cols, count = 3, 2, 4
    act, wgt = rng.integers(0, 16, (2, count, rows)), rng.integers(-8, 8, (count, cols))
    terms = [
        Term(plane * count + k, tuple(map(int, wgt[k])), k == 0, k == count - 1, 0 if plane else None, 0, 5, plane)
        for plane in range(2)
        for k in range(count)
    ]
    lines = {plane * count + k: tuple(map(int, act[plane, k])) for plane in range(2) for k in range(count)}
    gathers = [(None, None)] * (rows + cols + 4) + [(None, Gather(0, 5 + i, True, True, False)) for i in range(rows)]
    trace = run_terms([*((term, None) for term in terms), *gathers], lines, rows, cols, 4)
    wanted = np.einsum("pkr,kc->prc", act, wgt)
    total = (wanted[0] + 16 * wanted[1])[::-1]
    assert [line for _, line in trace.psums] == [tuple(line) for plane in wanted for line in plane[::-1].tolist()]
    assert [line for _, line in trace.outputs] == [tuple(line) for line in total.tolist()]
    assert [cycle for cycle, _ in trace.psums][rows:] == [2 * count - 1 + rows + cols + 1 + i for i in range(rows)]
