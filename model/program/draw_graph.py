"""Random networks for an engine: reproducible from (seed, index), as drawn layers are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.graph.graph import IntegerGraph
from model.program.branches import graph_in_a_row, graph_of_branches
from model.program.compile import compile_graph
from model.program.compiled import LayerProgram, Program
from model.program.draw import EVERY_ARRAY, MODES, MOST_CYCLES, MOST_TRIES

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class GraphDraw:
    """A drawn network and its input.

    Parameters
    ----------
    seed, index : int
    array : str
        Name of the engine in EVERY_ARRAY.
    graph : IntegerGraph
    pixels : uint8 array (channels, height, width)
    program : Program
    """

    seed: int
    index: int
    array: str
    graph: IntegerGraph
    pixels: Array
    program: Program = field(repr=False)

    @property
    def layers(self) -> tuple[LayerProgram, ...]:
        """What runs."""
        return self.program.layers

    @property
    def values(self) -> int:
        """How many are compared."""
        return sum(channels * height * width for channels, height, width in self.graph.wiring.after)

    def __str__(self) -> str:
        layers = ", ".join(f"{layer.name}({','.join(layer.inputs)})" for layer in self.graph.layers)
        return f"draw {self.seed}:{self.index} on {self.array}: a network of {layers}"


def draw_graph(seed: int, index: int, array: str) -> GraphDraw:
    """Network number `index` of `seed` for an array; of the same numbers comes the same network.

    Parameters
    ----------
    seed, index : int
    array : str
        One of EVERY_ARRAY whose weights are whole numbers. An engine of pairs gets a network some of whose maps are
        written for readers of pairs, the others one with branches.
    """
    rng = np.random.default_rng([seed, index, 1])
    shape = EVERY_ARRAY[array]
    make = graph_in_a_row if shape.simd else graph_of_branches
    for _ in range(MOST_TRIES):
        try:
            graph = make(rng, shape, f"draw{index}")
            program = compile_graph(graph, shape, MODES[int(rng.integers(3, len(MODES)))])
        except LockstepError:
            continue  # does not fit this engine, or wants one map in two places
        paired = any(layer.descriptor.out_pair for layer in program.layers)
        if program.cycles.total <= MOST_CYCLES and paired == bool(shape.simd):
            pixels = rng.integers(0, graph.layers[0].act.levels, graph.input_shape).astype(np.uint8)
            return GraphDraw(seed, index, array, graph, pixels, program)
    raise AssertionError(f"no network for {array} in {MOST_TRIES} tries")
