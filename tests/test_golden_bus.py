"""The accelerator's outside as the golden model has it: buffer, frames, registers."""

from __future__ import annotations

import pytest

from model.golden.bus import LAYER_BYTES, TABLE, Fifo, Register, Registers, results, unpack_status
from model.program.array import EngineShape

SHAPE = EngineShape(rows=4, cols=8, act_depth=64, layers=3)


def registers() -> Registers:
    return Registers(SHAPE.parameters)


def test_a_buffer_is_first_in_first_out_and_full_counts_before_the_cycle() -> None:
    fifo = Fifo(2)
    assert (fifo.full, fifo.head) == (False, None)
    fifo.cycle(7, False)
    fifo.cycle(8, False)
    assert (fifo.full, fifo.head) == (True, 7)
    fifo.cycle(None, True)
    assert (fifo.full, fifo.head) == (False, 8)
    fifo.cycle(9, True)
    assert fifo.head == 9


def test_only_the_last_word_of_a_run_is_last() -> None:
    assert results([]) == []
    assert [last for _, last in results([(1, 2), (3, 4)])] == [False, False, False, True]


def test_status_comes_apart_into_its_fields() -> None:
    assert unpack_status(1 | 2 << 8 | 255 << 16) == (True, False, 2, 255)


def test_what_is_written_is_read_back() -> None:
    block = registers()
    assert block.write(Register.RANGE, 0xABCD0302)
    assert block.write(Register.LOAD_ADDR, 63)
    assert block.write(Register.CTRL, 2)
    assert [block.read(r) for r in (Register.RANGE, Register.LOAD_ADDR, Register.CTRL)] == [0x0302, 63, 2]
    block.take_line()
    assert block.read(Register.LOAD_ADDR) == 0
    assert block.write(TABLE + 2 * LAYER_BYTES + 4 * 15, 5)
    assert block.table == {(2, 15): 5}


@pytest.mark.parametrize(
    ("address", "data", "strobes"),
    [
        (Register.RANGE, 0, 7),
        (Register.STATUS, 0, 15),
        (Register.LOAD_ADDR, 64, 15),
        (Register.CTRL, 3, 15),
        (0x2C, 0, 15),
        (TABLE - 4, 0, 15),
        (TABLE + 3 * LAYER_BYTES, 0, 15),
    ],
)
def test_what_is_refused_changes_nothing(address: int, data: int, strobes: int) -> None:
    block = registers()
    assert not block.write(address, data, strobes)
    assert block == registers()


@pytest.mark.parametrize("address", [Register.RANGE, Register.LOAD_ADDR, TABLE])
def test_a_run_refuses_every_change(address: int) -> None:
    block = registers()
    block.busy = True
    assert not block.write(address, 1)
    assert not block.write(Register.CTRL, 1)
    assert not block.write(Register.CTRL, 2)
    assert block.write(Register.CTRL, 0)


def test_shapes_and_holes() -> None:
    block = registers()
    assert block.read(Register.SHAPE) == 4 | 8 << 8 | 4 << 16 | 4 << 20 | 2 << 24
    assert block.read(Register.WIDTHS) == 20 | 28 << 8 | 36 << 16 | 2 << 24
    assert (block.read(Register.ACT_LINES), block.read(Register.PSUM_LINES)) == (64, 1024)
    assert block.read(0x2C) is block.read(TABLE) is None
