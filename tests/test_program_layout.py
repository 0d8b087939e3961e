from __future__ import annotations

import numpy as np
import pytest

from model.errors import LockstepError
from model.program.array import EngineShape
from model.program.layout import InnerMap, OuterMap
from model.program.words import pack_fields, to_bits, to_hex, to_ints

SHAPES = [
    EngineShape(rows=4, cols=4, wgt_lanes=1, act_depth=512),
    EngineShape(rows=4, cols=8, act_depth=512),
    EngineShape(rows=4, cols=12, act_depth=3 * 256),
    EngineShape(rows=8, cols=4, act_depth=300),
    EngineShape(rows=6, cols=2, act_width=3, act_depth=300),
]


def random_map(bits: int, channels: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng([bits, channels, height, width])
    return rng.integers(0, 1 << bits, (channels, height, width)).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.rows}x{s.cols}")
@pytest.mark.parametrize("channels", [1, 3, 4, 9, 13, 24])
def test_both_maps_come_back_and_use_each_line_once(shape: EngineShape, channels: int) -> None:
    for bits in (shape.act_width, 8):
        codes = random_map(bits, channels, 3, 2)
        outer = OuterMap(shape, 5, channels, 3, 2, bits)
        lines = outer.encode(codes)
        assert lines.address.tolist() == list(range(5, 5 + outer.lines))
        assert int(lines.codes.max()) < 1 << shape.act_width
        assert np.array_equal(outer.decode(lines.codes), codes)
    codes = random_map(shape.act_width, channels, 3, 2)
    inner = InnerMap(shape, 7, channels, 3, 2)
    lines = inner.encode(codes)
    assert len(set(lines.address.tolist())) == len(lines.address) == inner.lines * shape.banks
    assert np.array_equal(inner.decode(lines.codes), codes)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.rows}x{s.cols}")
def test_a_code_of_an_inner_map_lies_where_the_page_says(shape: EngineShape) -> None:
    """Channel tile t is in bank t % banks at tile t / banks; position (y, x) is line y*W + x of it."""
    channels, height, width, base = 29, 2, 3, 11
    codes = random_map(shape.act_width, channels, height, width)
    lines = InnerMap(shape, base, channels, height, width).encode(codes)
    memory = dict(zip(lines.address.tolist(), lines.codes.tolist(), strict=True))
    for channel in range(channels):
        tile, row = divmod(channel, shape.rows)
        for y in range(height):
            for x in range(width):
                line = base + (tile // shape.banks) * height * width + y * width + x
                assert memory[(tile % shape.banks) * shape.bank_depth + line][row] == codes[channel, y, x]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.rows}x{s.cols}")
@pytest.mark.parametrize("channels", [1, 4, 9, 13, 29])
def test_the_write_backs_leave_the_inner_map(shape: EngineShape, channels: int) -> None:
    codes = random_map(shape.act_width, channels, 2, 3)
    inner = InnerMap(shape, 4, channels, 2, 3)
    memory = np.zeros((shape.act_depth, shape.rows), np.uint8)
    tiles = -(-channels // shape.cols)
    writes = inner.writes(codes)
    assert len(writes.address) == tiles * 6
    for index, (address, line) in enumerate(zip(writes.address, writes.codes, strict=True)):
        segment = index // 6 % shape.segments
        for bank in range(shape.banks):
            if shape.segments == 1:
                memory[bank * shape.bank_depth + address] = line[bank * shape.rows : (bank + 1) * shape.rows]
            else:
                memory[address, segment * shape.cols : (segment + 1) * shape.cols] = line
    lines = inner.encode(codes)
    assert np.array_equal(memory[lines.address], lines.codes)


def test_planes_follow_each_other_low_bits_first() -> None:
    shape = EngineShape(rows=2, cols=2, act_width=3, wgt_lanes=1)
    codes = np.array([[[0b10_101_110]], [[7]], [[0b01_000_001]]], np.uint8)
    lines = OuterMap(shape, 0, 3, 1, 1, 8).encode(codes).codes
    assert lines.tolist() == [[6, 7], [1, 0], [5, 0], [0, 0], [2, 0], [1, 0]]


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (np.zeros((2, 3, 3), np.uint8), "a map of uint8\\(2, 3, 3\\); expected unsigned integers \\(3, 3, 3\\)"),
        (np.zeros((3, 3, 3), np.int64), "a map of int64"),
        (np.full((3, 3, 3), 16, np.uint8), "a map holds code 16; expected at most 15"),
    ],
)
def test_a_wrong_map_is_refused(codes: np.ndarray, told: str) -> None:
    shape = EngineShape()
    for kind in (OuterMap(shape, 0, 3, 3, 3, 4), InnerMap(shape, 0, 3, 3, 3)):
        with pytest.raises(LockstepError, match=told):
            kind.encode(codes)
    with pytest.raises(LockstepError, match=told):
        InnerMap(shape, 0, 3, 3, 3).writes(codes)


@pytest.mark.parametrize("width", [1, 3, 4, 8, 9, 28, 64])
def test_words_hold_their_fields(width: int) -> None:
    rng = np.random.default_rng(width)
    values = rng.integers(-(1 << (width - 1)), (1 << (width - 1)) - 1, (5, 7), endpoint=True)
    words = pack_fields(values, width)
    assert words.shape == (5, -(-7 * width // 8))
    for row, word in zip(values.tolist(), to_ints(words), strict=True):
        assert word == sum((value & ((1 << width) - 1)) << (i * width) for i, value in enumerate(row))
    digits = to_hex(words)
    assert [int(text, 16) for text in digits] == to_ints(words)
    assert {len(text) for text in digits} == {2 * words.shape[1]}
    assert to_bits(np.array([-2]), width)[0, :2].tolist() == ([0, 1] if width > 1 else [0])


def test_no_words_are_no_words() -> None:
    words = pack_fields(np.zeros((0, 7), np.int64), 3)
    assert (words.shape, to_ints(words), to_hex(words)) == ((0, 3), [], [])
