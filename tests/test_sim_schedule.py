"""The schedule has no hazard, computes the convolution, and loses no cycle it need not lose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.errors import LockstepError
from tb.common.hazards import HazardError, TimingModel
from tb.common.schedule import LayerShape, Plan, plan, windows
from tb.common.stream import Stream, Window, pack

DEFAULT = LayerShape(8, 8, 2, 2, 2, (3, 3), (1, 1), (6, 6), (4, 4), all_positions=False)
SHAPES = {
    "features.27": DEFAULT,
    "all positions": replace(DEFAULT, all_positions=True),
    "one tile": replace(DEFAULT, ic_tiles=1, oc_tiles=1),
    "one input tile, three output tiles": replace(DEFAULT, ic_tiles=1, oc_tiles=3),
    "one input tile, all positions": replace(DEFAULT, ic_tiles=1, oc_tiles=3, all_positions=True),
    "4x4, three by three tiles": replace(DEFAULT, rows=4, cols=4, ic_tiles=3, oc_tiles=3),
    "4x8, 1x1 kernel": replace(DEFAULT, rows=4, kernel=(1, 1), padded_map=(4, 4)),
    "16x8, 5x5 kernel": replace(DEFAULT, rows=16, kernel=(5, 5), padded_map=(8, 8)),
    "odd columns, three lanes": replace(DEFAULT, cols=7, wgt_lanes=3),
    "one lane, short passes": replace(DEFAULT, wgt_lanes=1, padded_map=(4, 4), out_map=(2, 2)),
    "all lanes": replace(DEFAULT, wgt_lanes=8),
    "stride 2": replace(DEFAULT, stride=(2, 2), padded_map=(9, 9)),
    "stride 2 skips lines, oblong": replace(DEFAULT, kernel=(1, 2), stride=(2, 3), padded_map=(7, 11), out_map=(4, 4)),
    "linear layer": LayerShape(8, 8, 2, 16, 2, (1, 1), (1, 1), (1, 1), (1, 1), all_positions=False),
    "single PE": LayerShape(1, 1, 1, 3, 2, (3, 3), (1, 1), (3, 4), (1, 2), all_positions=False),
    "2x2 map, many tiles": replace(DEFAULT, ic_tiles=4, oc_tiles=3, padded_map=(4, 4), out_map=(2, 2)),
}


def codes(shape: LayerShape, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    act = rng.integers(0, 16, (shape.ic_tiles, shape.map_size, shape.rows))
    wgt = rng.integers(-8, 8, (shape.oc_tiles, shape.ic_tiles, shape.taps, shape.cols, shape.rows))
    return act, wgt


def port_words(stream: Stream, size: int = 1 << 30) -> list[tuple]:
    cut: list[Window] = [stream.window(start, stop) for start, stop in windows(stream.plan, size)]
    return [cycle for window in cut for cycle in zip(window.act, window.wgt, window.inst, strict=True)]


def model_of(stream: Stream) -> TimingModel:
    shape = stream.plan.shape
    return TimingModel(shape.rows, shape.cols, shape.wgt_lanes, stream.act_width, stream.wgt_width, stream.format)


def naive(shape: LayerShape, act: np.ndarray, wgt: np.ndarray, acc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Psums [oc, ic, taps, pixel, cols] and raw outputs [oc, out, cols], psum by psum."""
    psum = np.zeros((shape.oc_tiles, shape.ic_tiles, shape.taps, shape.pass_size, shape.cols), dtype=np.int64)
    lines = shape.lines()
    for oc, ic, kij, pixel in np.ndindex(psum.shape[:-1]):
        psum[oc, ic, kij, pixel] = wgt[oc, ic, kij] @ act[ic, lines[kij, pixel]]
    memory = psum.sum(axis=1).reshape(shape.oc_tiles, -1, shape.cols)  # [oc, address, cols]
    return psum, memory[:, acc].sum(axis=2)


def check(shape: LayerShape, acc: np.ndarray | None, relu: bool, seed: int) -> Plan:
    scheduled = plan(shape, acc)
    act, wgt = codes(shape, seed)
    stream = Stream(scheduled, act, wgt, 4, 4, relu)
    model = model_of(stream)
    model.run(port_words(stream, 97))
    psum, out = naive(shape, act, wgt, scheduled.acc)
    assert [cycle for cycle, _ in model.psums] == scheduled.psum_cycle.ravel().tolist()
    assert np.array_equal([line for _, line in model.psums], psum.reshape(-1, shape.cols))
    assert [cycle for cycle, _ in model.outs] == scheduled.out_cycle.ravel().tolist()
    assert np.array_equal(
        [line for _, line in model.outs], (np.maximum(out, 0) if relu else out).reshape(-1, shape.cols)
    )
    return scheduled


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("relu", [False, True])
def test_no_hazard_and_exact(name: str, relu: bool) -> None:
    check(SHAPES[name], None, relu, seed=7)


@pytest.mark.parametrize(
    "name", ["features.27", "one input tile, three output tiles", "4x4, three by three tiles", "all positions"]
)
@pytest.mark.parametrize("order", ["reversed", "shuffled", "repeated", "last address first"])
def test_any_accumulation_order_is_safe(name: str, order: str) -> None:
    shape, rng = SHAPES[name], np.random.default_rng(11)
    acc = shape.default_acc()
    acc = {
        "reversed": acc[::-1, ::-1].copy(),
        "shuffled": rng.integers(0, shape.psum_depth, acc.shape),
        "repeated": np.repeat(acc, 3, axis=1),
        "last address first": np.full_like(acc, shape.psum_depth - 1),
    }[order]
    check(shape, acc, relu=False, seed=5)


def test_convolution_of_the_default_order() -> None:
    """The default addresses really sum a convolution, computed here without any tiles."""
    shape = DEFAULT
    act, wgt = codes(shape, 3)
    _, out = naive(shape, act, wgt, shape.default_acc())
    image = act.reshape(2, 6, 6, 8).transpose(0, 3, 1, 2).reshape(16, 6, 6)  # channel = tile * rows + row
    kernel = wgt.transpose(0, 3, 1, 4, 2).reshape(16, 16, 3, 3)  # [oc tile, col, ic tile, row, taps]
    full = np.zeros((16, 4, 4), dtype=np.int64)
    for ky, kx in np.ndindex(3, 3):
        full += np.einsum("oc,cyx->oyx", kernel[:, :, ky, kx], image[:, ky : ky + 4, kx : kx + 4])
    assert np.array_equal(out.transpose(0, 2, 1).reshape(16, 4, 4), full)


def test_default_layer_has_no_bubble() -> None:
    scheduled = plan(DEFAULT)
    beats = scheduled.beat_cycle.ravel()
    assert np.array_equal(beats, np.arange(beats.size) + 3)  # four weight flits first, then a pixel in every cycle
    assert scheduled.psum_cycle.max() - (beats[0] + 1) + 1 == 591  # stream cycles
    assert scheduled.end == 718
    assert (
        scheduled.acc_cycle[1, 0, -1] == scheduled.psum_cycle[1, 1, 8, 0] + 1
    )  # the first output waits for its last psum only


@pytest.mark.parametrize(
    "name", ["all positions", "one tile", "stride 2", "one input tile, three output tiles", "2x2 map, many tiles"]
)
def test_no_bubble_when_passes_cover_their_weights(name: str) -> None:
    beats = plan(SHAPES[name]).beat_cycle.ravel()
    assert np.all(np.diff(beats) == 1)


def test_short_passes_wait_for_weights_only() -> None:
    shape = SHAPES["linear layer"]
    assert np.all(np.diff(plan(shape).beat_cycle.ravel()) == shape.groups)


def test_every_wait_has_its_reason() -> None:
    """Each event is one cycle after the one before, or some hazard forbids the cycle before its own."""
    shape = replace(DEFAULT, ic_tiles=1, oc_tiles=4)
    acc = np.repeat(shape.default_acc()[::-1], 2, axis=1)  # twice the reads: the stream must wait for them
    scheduled = plan(shape, acc)
    stalls = np.flatnonzero(np.diff(scheduled.beat_cycle.ravel()) > 1) + 1
    assert stalls.size
    words = port_words(Stream(scheduled, *codes(shape, 1), 4, 4, False))
    for beat in (stalls[0], stalls[-1]):
        with pytest.raises(HazardError):
            _run_moved(scheduled, words, int(scheduled.beat_cycle.ravel()[beat]), -1)


def _run_moved(scheduled: Plan, words: list[tuple], cycle: int, by: int) -> None:
    """Move the pixel half of one instruction `by` cycles and replay."""
    stream = Stream(scheduled, *codes(scheduled.shape, 1), 4, 4, False)
    low = stream.format.offsets()["p_addr"][0]
    moved = [list(word) for word in words]
    pixel = moved[cycle][2] >> low
    moved[cycle][2] -= pixel << low
    assert moved[cycle + by][2] >> low == 0
    moved[cycle + by][2] += pixel << low
    model = model_of(stream)
    model.run(tuple(word) for word in moved)
    _, out = naive(scheduled.shape, stream.act, stream.wgt, scheduled.acc)
    if not np.array_equal([line for _, line in model.outs], out.reshape(-1, scheduled.shape.cols)):
        raise HazardError("an output changed: a psum was overwritten before it was read")


def _words(shape: LayerShape) -> tuple[Stream, list[list]]:
    stream = Stream(plan(shape), *codes(shape, 2), 4, 4, False)
    return stream, [list(word) for word in port_words(stream)]


def _late_line(stream: Stream, words: list[list]) -> None:
    words[20][0], words[0][0] = words[0][0], None


def _late_weight(stream: Stream, words: list[list]) -> None:
    words[4][1], words[3][1] = words[3][1], None


def _early_weight(stream: Stream, words: list[list]) -> None:
    first = int(stream.plan.flit_cycle[2, 0])
    words[first - 1][1] = words[first][1]
    words[first][1] = None


def _early_read(stream: Stream, words: list[list]) -> None:
    shift = int(stream.plan.acc_cycle[0, 0, -1])
    fmt = stream.format
    mask = (1 << (fmt.offsets()["a_valid"][0] + 1)) - 1
    for cycle in range(shift - 8, shift + 1):  # the nine reads of the first output, one cycle early
        words[cycle - 1][2] = (words[cycle - 1][2] & ~mask) | (words[cycle][2] & mask)
        words[cycle][2] &= ~mask


def _missing_swap(stream: Stream, words: list[list]) -> None:
    low = stream.format.offsets()["x_swap"][0]
    words[int(stream.plan.beat_cycle[0, 0, 0, 0])][2] &= ~(1 << low)


def _wrong_bank(stream: Stream, words: list[list]) -> None:
    low = stream.format.offsets()["a_bank"][0]
    words[int(stream.plan.acc_cycle[1, 0, 3])][2] ^= 1 << low


def _open_sum(stream: Stream, words: list[list]) -> None:
    low = stream.format.offsets()["a_last"][0]
    words[int(stream.plan.acc_cycle[1, -1, -1])][2] &= ~(1 << low)


INJECTED = {
    _late_line: "read before it is written",
    _late_weight: "not loaded",
    _early_weight: "overwritten",
    _early_read: "while it is written",
    _missing_swap: "before any weights",
    _wrong_bank: "bank 0 is read by a psum and by an accumulation",
    _open_sum: "inside an accumulation",
}


@pytest.mark.parametrize("inject", INJECTED, ids=lambda function: function.__name__.strip("_"))
def test_checker_catches_an_injected_hazard(inject) -> None:
    stream, words = _words(DEFAULT)
    model_of(stream).run(tuple(word) for word in words)  # clean before
    inject(stream, words)
    with pytest.raises(HazardError, match=INJECTED[inject]):
        model_of(stream).run(tuple(word) for word in words)


def test_activation_lines_are_loaded_once_in_order_of_first_use() -> None:
    lines = plan(SHAPES["stride 2 skips lines, oblong"]).act_line
    used = np.unique(SHAPES["stride 2 skips lines, oblong"].lines())
    assert np.unique(lines).size == lines.size == 2 * used.size
    assert plan(DEFAULT).act_line[:5].tolist() == [0, 1, 2, 3, 6]


def test_windows_cut_a_stream_without_changing_it() -> None:
    stream = Stream(plan(DEFAULT), *codes(DEFAULT, 2), 4, 4, True)
    assert port_words(stream, 13) == port_words(stream)
    assert [stop - start for start, stop in windows(stream.plan, 700)] == [700, 18]


def test_wide_addresses_and_words() -> None:
    shape = LayerShape(3, 5, 2, 1, 1, (1, 1), (1, 1), (1 << 10, 1 << 10), (1 << 10, 1 << 10), all_positions=False)
    stream = Stream(plan(shape), np.zeros((1, shape.map_size, 3), int), np.ones((1, 1, 1, 5, 3), int), 9, 31, False)
    assert stream.format.width == 74
    start = int(stream.plan.beat_cycle[0, 0, 0, -1])
    word = stream.format.decode(stream.window(start, start + 1).inst[0])
    assert (word["x_valid"], word["x_addr"], word["p_addr"]) == (1, shape.map_size - 1, shape.map_size - 1)
    assert pack(np.array([[-1, 0, 1]]), 31) == [0x7FFFFFFF | 1 << 62]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"padded_map": (5, 6)}, "need a padded map of 6 positions, but it has 5"),
        ({"padded_map": (6, 5)}, "outputs horizontally"),
        ({"rows": 0}, "rows is 0"),
        ({"wgt_lanes": 0}, "wgt_lanes is 0"),
        ({"kernel": (0, 3)}, "kernel 0"),
    ],
)
def test_impossible_shapes_are_refused(change: dict, message: str) -> None:
    with pytest.raises(LockstepError, match=message):
        replace(DEFAULT, **change)


@pytest.mark.parametrize(
    ("acc", "message"),
    [
        (np.zeros((15, 9), int), "a row for every output"),
        (np.zeros((16, 0), int), "a row for every output"),
        (np.full((16, 9), 144), "address 144 .number 0 in order. is never written; expected 0..143"),
        (np.full((16, 9), -1), "address -1"),
    ],
)
def test_impossible_addresses_are_refused(acc: np.ndarray, message: str) -> None:
    with pytest.raises(LockstepError, match=message):
        plan(DEFAULT, acc)
