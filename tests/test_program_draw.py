from __future__ import annotations

import numpy as np
import pytest

from model.errors import LockstepError
from model.program.draw import ARRAYS, BRANCHED, EVERY, MOST_CYCLES, draw
from model.program.draw_graph import draw_graph
from model.program.layout import InnerMap, JoinedMap


def test_a_draw_is_reproducible() -> None:
    for index in range(12):
        one, two = draw(7, index), draw(7, index)
        assert str(one) == str(two)
        assert np.array_equal(one.codes, two.codes)
        for name in ("weight", "multiplier", "bias"):
            assert np.array_equal(getattr(one.layer, name), getattr(two.layer, name))
    assert str(draw(7, 0)) != str(draw(8, 0)).replace("8:", "7:")


def test_draws_cover_what_the_engine_does() -> None:
    """Every point is hit at least three times in 400 draws of one seed."""
    draws = [draw(1, index) for index in range(400)]
    assert [d.array for d in draws[: len(ARRAYS)]] == list(ARRAYS)
    assert all(d.program.cycles.total <= MOST_CYCLES for d in draws)
    points = {
        "folded": lambda d: d.program.taken.mode == "fold",
        "patches": lambda d: d.program.taken.mode == "patch",
        "as it is": lambda d: d.program.taken.mode == "none",
        "inner map": lambda d: isinstance(d.program.source, InnerMap),
        "several banks": lambda d: isinstance(d.program.source, InnerMap) and d.program.descriptor.sub > 1,
        "a bank past the last tile": lambda d: (
            isinstance(d.program.source, InnerMap) and d.program.source.tiles % d.program.descriptor.sub > 0
        ),
        "several segments": lambda d: d.program.shape.segments > 1 and d.program.descriptor.oc > 1,
        "planes": lambda d: d.program.descriptor.planes == 1,
        "three planes or more": lambda d: d.program.descriptor.planes and d.program.descriptor.sub > 2,
        "logits": lambda d: d.layer.out is None,
        "logits over a map": lambda d: d.layer.out is None and d.program.descriptor.out_map > 1,
        "linear": lambda d: d.layer.kernel == d.codes.shape[1:] and d.codes[0].size > 1,
        "one by one": lambda d: d.layer.kernel == (1, 1),
        "kernel of five or more": lambda d: max(d.layer.kernel) >= 5,
        "oblong kernel": lambda d: d.layer.kernel[0] != d.layer.kernel[1],
        "stride": lambda d: max(d.layer.stride) > 1,
        "oblong stride": lambda d: d.layer.stride[0] != d.layer.stride[1],
        "padding of one": lambda d: 1 in d.layer.padding,
        "padding of two": lambda d: 2 in d.layer.padding,
        "pool of two": lambda d: d.layer.pool == 2,
        "pool of three": lambda d: d.layer.pool == 3,
        "larger pool": lambda d: d.layer.pool > 3,
        "pooling drops": lambda d: any(
            n % d.layer.pool for n in d.layer.map_after(d.codes.shape[1], d.codes.shape[2], pooled=False)
        ),
        "edge input tile": lambda d: d.layer.in_channels % d.program.shape.rows > 0,
        "edge output tile": lambda d: d.layer.out_channels % d.program.shape.cols > 0,
        "several input tiles": lambda d: d.program.source.tiles > 1,
        "several output tiles": lambda d: d.program.descriptor.oc > 1,
        "one pass a tile": lambda d: d.program.descriptor.passes == 1,
        "two passes a tile": lambda d: d.program.descriptor.passes == 2,
        "passes shorter than a weight tile": lambda d: d.program.descriptor.pass_size < d.program.shape.groups,
        "passes of one pixel": lambda d: d.program.descriptor.pass_size == 1,
        "waits for words": lambda d: d.program.cycles.waiting > 2 * d.program.shape.groups,
        "negative multiplier": lambda d: d.layer.multiplier.min() < 0,
        "zero multiplier": lambda d: 0 in d.layer.multiplier,
        "widest multiplier": lambda d: (
            d.layer.multiplier.min() == -(1 << (d.program.shape.mul_width - 1))
            or d.layer.multiplier.max() == (1 << (d.program.shape.mul_width - 1)) - 1
        ),
        "negative bias": lambda d: d.layer.bias.min() < 0,
        "shift of 0": lambda d: d.layer.shift == 0,
        "shift of 40": lambda d: d.layer.shift == 40,
        "narrow weights": lambda d: d.layer.wgt.bits < d.program.shape.wgt_width,
        "weights of both extremes only": lambda d: set(np.unique(d.layer.weight)) == {d.layer.wgt.min, d.layer.wgt.max},
        "narrow input": lambda d: d.layer.act.bits < d.program.shape.act_width,
        "narrow output": lambda d: d.layer.out is not None and d.layer.out.bits < d.program.shape.act_width,
        "clamped below": lambda d: d.layer.out is not None and 0 in d.expected,
        "clamped above": lambda d: d.layer.out is not None and d.layer.out.max in d.expected,
        "varied output": lambda d: len(np.unique(d.expected)) > 8,
        "input at its greatest": lambda d: d.codes.min() == d.layer.act.max,
    }
    hits = {name: sum(bool(point(d)) for d in draws) for name, point in points.items()}
    assert not {name: count for name, count in hits.items() if count < 3}


def test_any_array_can_be_asked_for() -> None:
    assert {draw(0, 5, name).array for name in ARRAYS} == set(ARRAYS)
    with pytest.raises(LockstepError, match="no array '9x9' to draw for; expected one of 4x4, 8x8"):
        draw(0, 0, "9x9")
    with pytest.raises(LockstepError, match="draw 0:-1; expected numbers of 0 or more"):
        draw(0, -1)


def test_a_draw_says_what_it_is() -> None:
    assert str(draw(0, 1)).startswith("draw 0:1 on 8x8: weight ")


def test_one_draw_in_nineteen_has_groups_or_several_maps() -> None:
    """Every point is hit at least three times in 150 of them."""
    plain = [draw(1, index) for index in range(200) if index % EVERY != BRANCHED]
    assert not any(d.layer.groups > 1 or d.layer.inputs for d in plain)
    draws = [draw(1, index) for index in range(BRANCHED, BRANCHED + 150 * EVERY, EVERY)]
    points = {
        "depthwise": lambda d: d.layer.groups == d.layer.in_channels > 1,
        "a few groups": lambda d: 1 < d.layer.groups < d.layer.out_channels and d.layer.weight.shape[1] > 1,
        "two maps": lambda d: len(d.layer.inputs) == 2,
        "three maps": lambda d: len(d.layer.inputs) == 3,
        "groups of several maps": lambda d: d.layer.groups > 1 and d.layer.inputs,
        "several maps without groups": lambda d: d.layer.groups == 1 and d.layer.inputs,
        "maps side by side": lambda d: isinstance(d.program.source, JoinedMap),
        "a step from output tile to output tile": lambda d: d.program.descriptor.step_oc > 0,
        "less than everything is read": lambda d: (
            d.program.reads is not None and d.program.descriptor.oc > 1 and d.program.descriptor.step_oc > 0
        ),
        "banks": lambda d: isinstance(d.program.source, JoinedMap) and d.program.descriptor.sub > 1,
        "segments": lambda d: d.program.shape.segments > 1 and d.program.descriptor.oc > 1,
        "folded": lambda d: d.program.taken.mode == "fold",
        "planes": lambda d: d.program.descriptor.planes == 1,
        "pooled": lambda d: d.layer.pool > 1,
        "padded": lambda d: max(d.layer.padding) > 0,
        "logits": lambda d: d.layer.out is None,
    }
    hits = {name: sum(bool(point(d)) for d in draws) for name, point in points.items()}
    assert not {name: count for name, count in hits.items() if count < 3}


def test_drawn_networks_are_reproducible_and_of_every_kind() -> None:
    kinds, joined = set(), 0
    for at, array in enumerate(ARRAYS):
        one, two = draw_graph(7, at, array), draw_graph(7, at, array)
        assert one.graph.sha256 == two.graph.sha256
        assert np.array_equal(one.pixels, two.pixels)
        assert str(one).startswith(f"draw 7:{at} on {array}: a network of first(), ")
        assert one.values == sum(int(np.prod(shape)) for shape in one.graph.wiring.after)
        assert sum(item.cycles.total for item in one.layers) <= MOST_CYCLES
        kinds |= {layer.name.rstrip("0123456789").split("-")[0] for layer in one.graph.layers}
        joined += sum(isinstance(item.source, JoinedMap) for item in one.layers)
    assert kinds >= {"first", "conv", "add", "join", "mean", "all", "classifier"}
    assert joined > len(ARRAYS)
