"""The closed form against the timing rules of docs/rtl/sequencer.md, word by word and cycle by cycle."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from model.errors import LockstepError
from model.golden.cycles import (
    Cycles,
    Work,
    floor_cycles,
    layer_cycles,
    layer_macs,
    run_cycles,
    scale_sim_cycles,
)
from model.graph.storage import load
from model.program.compile import compile_graph
from model.program.fit import fitting_shape
from tests.integer_graphs import random_layer

VGG16 = Path(__file__).resolve().parents[1] / "model" / "zoo" / "vgg16.graph.zip"


def simulated_run(work: Work, gate: int = 1) -> int:
    """RUN, by walking its cycles: at most one word is taken and at most one pixel issued in each."""
    passes = work.passes * work.out_tiles
    words: list[tuple[str, int]] = []
    for index in range(passes):
        if index % work.passes == work.passes - 1:
            words += [("parameter", index // work.passes)] * work.param_words
        words += [("flit", index)] * work.groups
    started: list[int] = []  # first pixel of each pass
    flits = [0] * passes  # taken
    word = cycle = 0
    left = 0  # pixels of the running pass
    while True:
        if word < len(words):
            kind, of = words[word]
            if kind == "flit":
                free = of == 0 or (len(started) >= of and started[of - 1] < cycle)
            else:
                swap = of * work.passes - 1  # the last pass of the output tile before
                free = of == 0 or (len(started) > swap and started[swap] + work.rows + work.cols + gate <= cycle)
            if free:
                word += 1
                if kind == "flit":
                    flits[of] += 1
        if left == 0 and len(started) < passes and flits[len(started)] == work.groups:
            started.append(cycle)
            left = work.pass_size
        if left:
            left -= 1
            if left == 0 and len(started) == passes:
                assert word == len(words)
                return cycle + 1
        cycle += 1


def work(rows=8, cols=8, groups=4, param_words=8, pass_size=4, passes=9, out_tiles=3) -> Work:
    return Work(
        rows=rows,
        cols=cols,
        groups=groups,
        param_words=param_words,
        pass_size=pass_size,
        passes=passes,
        out_tiles=out_tiles,
        out_map=pass_size,
    )


@pytest.mark.parametrize("passes", [1, 2, 3, 4, 7, 12])
def test_closed_form_is_the_timing_rules(passes: int) -> None:
    count = 0
    for sides, groups, params, pixels, tiles in product(
        (2, 8, 31), (1, 2, 4, 9), (1, 5, 8, 40), (1, 2, 3, 4, 5, 8, 17, 60), (1, 2, 3, 5)
    ):
        job = work(sides, 2, groups, params, pixels, passes, tiles)
        assert run_cycles(job) == simulated_run(job), job
        count += 1
    assert count == 1536


def test_closed_form_on_random_work() -> None:
    rng = np.random.default_rng(20)
    for _ in range(400):
        most = {"rows": 20, "cols": 20, "groups": 20, "param_words": 60, "pass_size": 70, "passes": 20, "out_tiles": 5}
        job = work(**{name: int(rng.integers(1, top + 1)) for name, top in most.items()})
        assert run_cycles(job) == simulated_run(job), job


def test_the_simulation_sees_a_parameter_shadow_freed_one_cycle_later() -> None:
    starved = work(passes=1, pass_size=1)
    assert simulated_run(starved, gate=2) == run_cycles(starved) + starved.out_tiles - 1


def test_a_layer_is_fetch_run_and_drain() -> None:
    job = work()
    cycles = layer_cycles(job)
    assert cycles.filling == 13 + 8 + 8 + 4
    assert cycles.pixels == 4 * 9 * 3
    assert cycles.pixels + cycles.waiting == run_cycles(job)
    assert cycles.total == run_cycles(job) + 33
    assert cycles.writes == 3 * 4


def test_cycles_add_up() -> None:
    assert Cycles(1, 2, 3, 4) + Cycles(10, 20, 30, 40) == Cycles(11, 22, 33, 44)
    assert Cycles(64, 0, 64, 5).utilization(64 * 64, 8, 8) == 0.5


def test_impossible_work_is_refused() -> None:
    with pytest.raises(LockstepError, match="passes is 0; expected 1 or more"):
        work(passes=0)


def test_multiplications_leave_out_what_pooling_drops() -> None:
    layer = random_layer(np.random.default_rng(0), "odd", (2, 3, 3, 3), padding=(1, 1), pool=2)
    assert layer_macs(layer, 5, 7) == 2 * 3 * 9 * 4 * 6
    assert floor_cycles(layer, 5, 7, 8, 8) == -(-2 * 3 * 9 * 24 // 64)


def test_vgg16_floor_and_scale_sim() -> None:
    graph = load(VGG16)
    height, width = graph.input_shape[1:]
    floor, peer = [], []
    for layer in graph.layers:
        floor.append(floor_cycles(layer, height, width, 8, 8))
        peer.append(scale_sim_cycles(layer, height, width, 8, 8))
        height, width = layer.map_after(height, width)
    assert (sum(floor[:-1]), floor[-1]) == (3_447_360, 80)  # thirteen convolutions, the classifier
    assert (sum(peer[:-1]), peer[-1]) == (6_520_600, 2_944)


@pytest.mark.parametrize(("mode", "total"), [("none", 3_569_733), ("fold", 3_520_581), ("patch", 3_487_813)])
def test_vgg16_on_8x8_in_96_percent(mode: str, total: int) -> None:
    graph = load(VGG16)
    cycles = compile_graph(graph, fitting_shape(graph, mode=mode), mode).cycles
    assert cycles.total == total
    assert cycles.utilization(220_636_160, 8, 8) > 0.96
