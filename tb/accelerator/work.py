"""Small work for the accelerator: two layers of random weights, compiled for the engine, with what must come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from model.golden.execute import conv, finish
from model.graph.graph import IntegerGraph, Layer
from model.numeric.formats import IntFormat
from model.program.array import EngineShape
from model.program.compile import compile_graph
from model.program.compiled import Program

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Work:
    """A network, its input and its results.

    Parameters
    ----------
    program : Program
    codes : uint8 array (channels, height, width)
    results : int64 array (n, cols)
        Lines of the result port.
    """

    program: Program
    codes: Array
    results: Array


def engine_shape(parameters: dict[str, int]) -> EngineShape:
    """The engine whose Verilog parameters these are, `ResultDepth` apart."""
    fields = {"".join(f"_{c.lower()}" if c.isupper() else c for c in name)[1:]: v for name, v in parameters.items()}
    fields.pop("result_depth", None)
    return EngineShape(**fields)


def small_work(shape: EngineShape, rng: np.random.Generator, lines: int = 4) -> Work:
    """A padded 3x3 convolution with pooling, and logits from all of what it leaves; the first in the engine's mode.

    On an engine of pairs it has narrow codes and channels enough for the pairs to pay.

    Parameters
    ----------
    shape : EngineShape
    rng : numpy Generator
    lines : int
        Lines of results, the last not full.
    """
    side, classes = 4, lines * shape.cols - 1
    ins, act = (2 * shape.rows - 1, IntFormat(shape.half_width)) if shape.simd else (3, IntFormat(shape.act_width))
    wgt = shape.wgt if shape.wgt_power else IntFormat(shape.wgt_width, signed=True, symmetric=True)

    def layer(name: str, weight_shape: tuple[int, ...], out: IntFormat | None, **others: Any) -> Layer:
        weight = wgt.values[rng.integers(0, wgt.levels, weight_shape)].astype(wgt.dtype)
        channels = weight_shape[0]
        bias = rng.integers(-300, 900, channels)
        return Layer(name, weight, wgt, act, rng.integers(3, 9, channels), bias, 7, out, **others)

    layers = (
        layer("conv", (shape.cols + 1, ins, 3, 3), act, stride=(1, 1), padding=(1, 1), pool=2),
        layer("logits", (classes, shape.cols + 1, side // 2, side // 2), None, stride=(1, 1), padding=(0, 0), pool=1),
    )
    graph = IntegerGraph("small", (ins, side, side), layers, tuple(f"c{i}" for i in range(classes)), {})
    codes = rng.integers(0, act.max + 1, graph.input_shape).astype(np.uint8)
    program = compile_graph(graph, shape, dataflow="auto")
    first = program.layers[0].descriptor
    assert (first.simd, first.os) == (shape.simd, shape.output_stationary), "the work is not in the engine's mode"
    inner = finish(conv(codes[None], layers[0]), layers[0])
    logits = finish(conv(inner, layers[1]), layers[1])[0]
    return Work(program, codes, program.layers[1].results(logits))
