"""Random networks with branches for an engine: reproducible from (seed, index), as drawn layers are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.graph.graph import IntegerGraph
from model.program.branches import graph_of_branches
from model.program.compile import compile_graph
from model.program.compiled import LayerProgram, Program
from model.program.draw import ARRAYS, MODES, MOST_CYCLES, MOST_TRIES

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class GraphDraw:
    """A drawn network and its input.

    Parameters
    ----------
    seed, index : int
    array : str
        Name of the engine in ARRAYS.
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
    """Network number `index` of `seed` for one of ARRAYS; of the same numbers comes the same network."""
    rng = np.random.default_rng([seed, index, 1])
    shape = ARRAYS[array]
    for _ in range(MOST_TRIES):
        try:
            graph = graph_of_branches(rng, shape, f"draw{index}")
            program = compile_graph(graph, shape, MODES[int(rng.integers(3, len(MODES)))])
        except LockstepError:
            continue  # does not fit this engine, or wants one map in two places
        if program.cycles.total <= MOST_CYCLES:
            pixels = rng.integers(0, graph.layers[0].act.levels, graph.input_shape).astype(np.uint8)
            return GraphDraw(seed, index, array, graph, pixels, program)
    raise AssertionError(f"no network for {array} in {MOST_TRIES} tries")
