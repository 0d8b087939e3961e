from __future__ import annotations

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.execute import conv_naive
from model.numeric.power import POWERS
from model.program.taken import Taken, best_fold, take
from tests.integer_graphs import random_layer


def psums(taken: Taken, codes: np.ndarray, positions: tuple[int, int]) -> np.ndarray:
    """The convolution as taken, term by term: columns of taps are `folds` apart, outside the map is 0."""
    outs, ins, ky, kx = taken.weight.shape
    loaded = taken.codes(codes)
    assert loaded.shape == (ins, taken.height, taken.width)
    psum = np.zeros((outs, *positions), np.int64)
    for oy in range(positions[0]):
        for ox in range(positions[1]):
            for dy in range(ky):
                for dx in range(kx):
                    y = oy * taken.stride[0] + dy - taken.padding[0]
                    x = ox * taken.stride[1] + dx * taken.folds - taken.padding[1]
                    if 0 <= y < taken.height and 0 <= x < taken.width:
                        psum[:, oy, ox] += taken.weight[:, :, dy, dx].astype(int) @ loaded[:, y, x].astype(int)
    return psum


@pytest.mark.parametrize("mode", ["none", "fold", "patch"])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5), (5, 4), (1, 3)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 3)])
def test_every_mode_has_the_layers_psums(mode: str, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    for channels, rows in ((1, 8), (3, 8), (3, 16), (5, 4)):
        padding = min(1, kernel[0] - 1), min(2, kernel[1] - 1)
        layer = random_layer(np.random.default_rng(1), "x", (2, channels, *kernel), stride=stride, padding=padding)
        codes = np.random.default_rng(2).integers(0, 16, (channels, 7, 6)).astype(np.uint8)
        taken = take(layer, 7, 6, rows, mode)
        expected = conv_naive(codes, layer)
        assert np.array_equal(psums(taken, codes, expected.shape[1:]), expected)


def test_what_fold_and_patch_save() -> None:
    rng = np.random.default_rng(0)
    three = random_layer(rng, "three", (4, 3, 3, 3), padding=(1, 1))
    assert take(three, 32, 32, 8, "fold").weight.shape == (4, 6, 3, 2)
    assert take(three, 32, 32, 8, "patch").weight.shape == (4, 27, 1, 1)
    one = random_layer(rng, "one", (4, 1, 3, 3), padding=(1, 1))
    folded = take(one, 8, 8, 8, "fold")
    assert (folded.weight.shape, folded.folds, folded.width) == ((4, 3, 3, 1), 3, 8)
    full = take(random_layer(rng, "full", (4, 8, 3, 3)), 8, 8, 8, "fold")
    assert (full.mode, full.folds) == ("none", 1)


@pytest.mark.parametrize("rows", range(1, 17))
def test_the_best_fold_is_the_least_with_the_fewest_taps(rows: int) -> None:
    for channels in range(1, 18):
        for kernel in range(1, 8):
            allowed = [f for f in range(1, kernel + 1) if f == 1 or f * channels <= rows]
            fewest = min(-(-kernel // f) for f in allowed)
            assert best_fold(channels, kernel, rows) == min(f for f in allowed if -(-kernel // f) == fewest)


def test_wrong_input_is_refused() -> None:
    layer = random_layer(np.random.default_rng(0), "x", (2, 3, 3, 3))
    with pytest.raises(LockstepError, match="no input mode 'fald'; expected one of none, fold, patch"):
        take(layer, 5, 5, 8, "fald")
    with pytest.raises(LockstepError, match="layer x: a 3x3 kernel does not fit"):
        take(layer, 2, 5, 8)
    with pytest.raises(LockstepError, match="layer x: input codes \\(3, 5, 4\\); expected \\(3, 5, 5\\)"):
        take(layer, 5, 5, 8).codes(np.zeros((3, 5, 4), np.uint8))


@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (5, 5), (3, 6)])
def test_weights_without_a_zero_are_folded_where_nothing_is_past_the_kernel(kernel: tuple[int, int]) -> None:
    for channels, rows in ((1, 8), (2, 4), (3, 8), (1, 2)):
        rng = np.random.default_rng(channels)
        layer = random_layer(rng, "x", (2, channels, *kernel), padding=(1, 1), wgt=POWERS["pot4"])
        codes = rng.integers(0, 16, (channels, 7, 6)).astype(np.uint8)
        taken = take(layer, 7, 6, rows, "fold")
        assert kernel[1] % taken.folds == 0
        POWERS["pot4"].check(taken.weight, "taken ")
        expected = conv_naive(codes, layer)
        assert np.array_equal(psums(taken, codes, expected.shape[1:]), expected)
    assert take(random_layer(rng, "x", (2, 1, 3, 3), wgt=POWERS["pot4"]), 7, 6, 8, "fold").folds == 3
