"""cocotb test of accelerator: a trained network and an image, run as a driver runs them, with every bus stalling."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from model.golden.execute import logits
from model.graph.storage import load
from model.program.compile import compile_graph
from tb.accelerator.host import Host, flat
from tb.accelerator.work import engine_shape
from tb.common.drivers import generator, next_cycle, parameters, reset, start_clock


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def test_logits_of_a_whole_network_equal_the_golden_models(dut: Any) -> None:
    """All layers in one run; the frame of results is the logits, output tile by output tile, then zeros."""
    graph = load(Path(os.environ["LOCKSTEP_GRAPH"]))
    image = np.load(os.environ["LOCKSTEP_IMAGE"])
    expected = logits(graph, image[None])[0]
    program = compile_graph(graph, engine_shape(parameters()))
    start_clock(dut)
    dut.rst_ni.value = 0
    host = Host(dut)
    await next_cycle(dut)
    await reset(dut)
    host.stall(generator(), 0.2)
    await host.require(program)
    await host.load_table(program.descriptors)
    await host.load_lines(program.layers[0].load(image))
    host.send_weights(program.stream())
    await host.start(0, len(program.layers))
    assert await host.finish() == 0
    assert await host.results() == flat(program.layers[-1].results(expected.reshape(-1, 1, 1)))
    assert await host.status() == (False, True, 0, len(program.layers) - 1)
    told, predicted = await host.counters(), program.cycles
    assert (told["pixels"], told["writes"], told["filling"]) == (predicted.pixels, predicted.writes, predicted.filling)
    assert told["waiting"] > predicted.waiting, "the stalls were never felt"
    assert told["cycles"] == told["pixels"] + told["waiting"] + told["filling"]
    dut._log.info("class %d, %d cycles", int(expected.argmax()), told["cycles"])
