"""The cases of a regression: a layer of a network for one image in one mode, or a drawn layer. Each stands alone.

A case is plain data: what it says suffices to run it in another process, or on another machine of the same file
system, and its `told` is what its result depends on besides the sources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.graph import storage
from model.graph.graph import IntegerGraph
from model.program.array import EngineShape
from model.program.compile import compile_graph, compile_layer
from model.program.compiled import LayerProgram
from model.program.draw import ARRAYS, EVERY_ARRAY, PAIRED, draw
from model.program.fit import PAIR_WIDTH, fitting_shape
from tb.network.bench import Job
from tb.network.draws import any_draw, job_of_draw
from tb.network.os_draws import BOTH, MOST_CYCLES, os_program, turns
from tb.network.whole import Maps, job_of, layer_job

MODES = ("ws", "os", "pairs")
TURNED = "os "  # in front of the name of an array that a draw runs on in both dataflows
POOL = (*EVERY_ARRAY, *(TURNED + name for name in BOTH))  # the engines of drawn cases, which take turns
TRIES = 100  # draws among which one that the second dataflow takes is looked for
Maker = Callable[[Maps], Job]


@dataclass(frozen=True)
class Work:
    """What a case has to simulate.

    Parameters
    ----------
    shape : EngineShape
    jobs : list of Job
    programs : list of sequences of LayerProgram
        The layers of each job.
    values : int
        Codes and logits that are compared.
    """

    shape: EngineShape
    jobs: list[Job]
    programs: list[Sequence[LayerProgram]]
    values: int


@dataclass(frozen=True)
class Replay:
    """How a network's layers run in one mode, each on its own, on the golden codes that enter it.

    Parameters
    ----------
    shape : EngineShape or None
        None where no layer can.
    layers : dict
        The program of each layer that can, and what makes its job, by the layer's name.
    left_out : dict
        Why the others cannot, by their names.
    """

    shape: EngineShape | None
    layers: dict[str, tuple[LayerProgram, Maker]]
    left_out: dict[str, str]


def replay(graph: IntegerGraph, mode: str, rows: int, cols: int) -> Replay:
    """The layers of `graph` in `mode` on an array of rows x cols.

    ``ws`` and ``pairs`` are the network's own programs, one layer at a time: maps lie where the network has them.
    ``pairs`` takes the layers that are multiplied in pairs, or write for those; where no code is narrow enough for the
    usual engine, one of activations twice as wide. ``os`` loads each layer from outside, where it runs at all.

    Raises
    ------
    LockstepError
        When no engine of this array runs the network.
    """
    if mode == "os":
        return _output_stationary(graph, rows, cols)
    shape = fitting_shape(graph, rows, cols, simd=mode == "pairs")
    if mode == "pairs" and not shape.simd:
        wider = min(8, max(PAIR_WIDTH, 2 * shape.act_width))
        shape = fitting_shape(graph, rows, cols, wider)
    program = compile_graph(graph, shape, simd=mode == "pairs")
    layers: dict[str, tuple[LayerProgram, Maker]] = {}
    for index, each in enumerate(program.layers):
        if mode == "ws" or each.descriptor.simd or each.descriptor.out_pair:
            layers[each.layer.name] = (each, lambda maps, at=index: job_of(program, maps, at, at))  # type: ignore[misc]
    why = "not multiplied in pairs: groups, several maps, codes too wide, or no faster"
    return Replay(shape if layers else None, layers, {x.name: why for x in graph.layers if x.name not in layers})


def _output_stationary(graph: IntegerGraph, rows: int, cols: int) -> Replay:
    plain = fitting_shape(graph, rows, cols, simd=False)
    depth = 1 << 15  # lines of all banks: any layer of the second dataflow is loaded whole, so it gets all there is
    left_out: dict[str, str] = {}
    layers: dict[str, tuple[LayerProgram, Maker]] = {}
    try:
        shape = replace(plain, output_stationary=1, act_depth=depth, psum_depth=max(rows, plain.psum_depth))
    except LockstepError as error:
        return Replay(None, {}, {layer.name: str(error) for layer in graph.layers})
    for index, (layer, (_, height, width)) in enumerate(zip(graph.layers, graph.wiring.before, strict=True)):
        try:
            program = compile_layer(layer, height, width, shape, dataflow="os")
        except LockstepError as error:
            left_out[layer.name] = str(error)
            continue
        layers[layer.name] = (program, _loaded(program, index))
    return Replay(shape if layers else None, layers, left_out)


def _loaded(program: LayerProgram, index: int) -> Maker:
    return lambda maps: layer_job(program, maps.inputs[index], maps.outputs[index], index)


@dataclass(frozen=True)
class LayerCase:
    """One layer of a network for one image.

    Parameters
    ----------
    graph : str
        File of the integer graph; `sha256` is its hash.
    network, image, layer : str
        Their names.
    pixels : str
        File of the image (.npy, uint8); `pixels_sha256` is the hash of the pixels.
    mode : str
        One of MODES.
    rows, cols : int
    """

    graph: str
    sha256: str
    network: str
    image: str
    pixels: str
    pixels_sha256: str
    layer: str
    mode: str
    rows: int
    cols: int

    @property
    def name(self) -> str:
        """``tiny/img7/features.3/os``."""
        return f"{self.network}/img{self.image}/{self.layer}/{self.mode}"

    @property
    def group(self) -> str:
        """What the summary counts it under."""
        return self.layer

    @property
    def told(self) -> tuple[object, ...]:
        """What its result depends on besides the sources; files by their content."""
        return ("layer", self.sha256, self.pixels_sha256, self.layer, self.mode, self.rows, self.cols)

    def work(self) -> Work:
        """Compile it; LockstepError where graph or image are not there any more, or others."""
        graph = storage.load(Path(self.graph))
        if graph.sha256 != self.sha256:
            raise LockstepError(f"{self.graph} is another graph by now; expected the one of hash {self.sha256[:12]}")
        maps = Maps.of(graph, np.load(self.pixels, allow_pickle=False))
        found = replay(graph, self.mode, self.rows, self.cols)
        program, make = found.layers[self.layer]
        assert found.shape is not None
        index = [layer.name for layer in graph.layers].index(self.layer)
        return Work(found.shape, [make(maps)], [[program]], int(maps.outputs[index].size))


@dataclass(frozen=True)
class DrawCase:
    """Drawn case `number` of `seed`: the engines of POOL take turns.

    On one of ARRAYS it is a draw of `make random`; on one for both dataflows it is a draw that the second one takes,
    output stationary and then weight stationary in one run. Stalls take turns as well.
    """

    seed: int
    number: int

    @property
    def name(self) -> str:
        """``draw/1/37``."""
        return f"draw/{self.seed}/{self.number}"

    @property
    def array(self) -> str:
        """The engine's name in POOL."""
        return POOL[self.number % len(POOL)]

    @property
    def mode(self) -> str:
        """``pairs`` on engines that multiply them, ``os`` on those of both dataflows."""
        return "os" if self.array.startswith(TURNED) else "pairs" if self.array in PAIRED else "ws"

    @property
    def group(self) -> str:
        """What the summary counts it under."""
        return f"drawn, {self.array.removeprefix(TURNED)}"

    @property
    def told(self) -> tuple[object, ...]:
        """What its result depends on besides the sources."""
        return ("draw", self.seed, self.number)

    def work(self) -> Work:
        """Draw it."""
        turn, place = divmod(self.number, len(POOL))
        if self.mode == "os":
            return self._turns(turn)
        # a number of `make random`'s own, whose array is the one of this place where it is one of ARRAYS
        index = turn * len(ARRAYS) + place % len(ARRAYS)
        each = any_draw(self.seed, index) if self.array in ARRAYS else draw(self.seed, index, self.array)
        return Work(each.program.shape, [job_of_draw(each)], [each.layers], each.values)

    def _turns(self, turn: int) -> Work:
        array = self.array.removeprefix(TURNED)
        for index in range(turn * TRIES, (turn + 1) * TRIES):
            drawn = draw(self.seed, index, array)
            program = os_program(drawn)
            if program is not None and program.cycles.total <= MOST_CYCLES:
                both = turns([(drawn, program)], turn)
                jobs, programs = [each.job for each in both], [[each.program] for each in both]
                return Work(program.shape, jobs, list(programs), 2 * drawn.values)
        raise LockstepError(f"{self.name}: none of {TRIES} draws runs output stationary; expected one")


Case = LayerCase | DrawCase
KINDS: dict[str, type[Case]] = {"layer": LayerCase, "draw": DrawCase}


def case_to_json(case: Case) -> dict[str, Any]:
    """`case` as JSON values."""
    return {"kind": next(name for name, kind in KINDS.items() if isinstance(case, kind)), **asdict(case)}


def case_from_json(value: Mapping[str, Any]) -> Case:
    """What `case_to_json` gave."""
    return KINDS[value["kind"]](**{name: entry for name, entry in value.items() if name != "kind"})
