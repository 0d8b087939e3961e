"""An accelerator told by its registers: read back for every engine, and programs that it cannot run refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.errors import LockstepError
from model.golden.bus import Register, Registers
from model.numeric.weights import FORMATS, named
from model.program.array import EngineShape, weight_fields
from model.program.compile import compile_graph
from model.program.compiled import Program
from model.program.draw import EVERY_ARRAY
from model.program.silicon import TOLD, require_runs, shape_of
from tests.format_graphs import MODES, branched_graph, engine_of


def words_of(shape: EngineShape) -> dict[Register, int]:
    registers = Registers(shape.parameters)
    words = {register: registers.read(register) for register in TOLD}
    assert all(word is not None and 0 <= word < 1 << 32 for word in words.values())
    return {register: word or 0 for register, word in words.items()}


@pytest.mark.parametrize("mode", ["simd", "output_stationary", "wgt_lanes"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_and_mode_is_read_back(name: str, mode: str) -> None:
    shape = EngineShape(4, 4, psum_width=30, **weight_fields(named(name)), **{mode: 1})
    assert shape_of(words_of(shape)) == shape


@pytest.mark.parametrize("name", EVERY_ARRAY)
def test_every_drawn_array_is_read_back(name: str) -> None:
    assert shape_of(words_of(EVERY_ARRAY[name])) == EVERY_ARRAY[name]


def program_of(name: str, mode: str) -> Program:
    graph = branched_graph(named(name), 2 if mode == "simd" else 4)
    return compile_graph(graph, engine_of(graph, mode), dataflow="auto" if mode == "os" else "ws")


@pytest.mark.parametrize("mode", MODES)
def test_a_program_runs_where_memories_are_larger_and_more_is_built_in(mode: str) -> None:
    program = program_of("int4", mode)
    meant = program.shape
    larger = {name: 2 * getattr(meant, name) for name in ("psum_depth", "act_depth", "layers")}
    require_runs(program, meant)
    require_runs(program, replace(meant, psum_width=meant.psum_width + 3, **larger))
    if mode == "ws":
        require_runs(program, replace(meant, simd=1))
        require_runs(program, replace(meant, output_stationary=1))


@pytest.mark.parametrize(
    ("mode", "change", "message"),
    [
        ("simd", {"simd": 0}, r"layer conv\.0 works in pairs; the accelerator was built without Simd"),
        ("os", {"output_stationary": 0}, r"layer conv\.0 is output stationary; .* built without OutputStationary"),
        ("ws", {"wgt_width": 5}, "the accelerator multiplies by int5; the program was compiled for int4"),
        ("ws", weight_fields(named("pot4")), "the accelerator multiplies by pot4; the program was compiled for int4"),
        ("ws", {"rows": 8}, "the accelerator has rows 8; the program was compiled for 4"),
        ("ws", {"act_width": 3}, "has act_width 3; the program was compiled for 4"),
        ("ws", {"wgt_lanes": 1}, "has wgt_lanes 1; the program was compiled for 2"),
        ("ws", {"mul_width": 40}, r"has mul_width 40; the program was compiled for \d+"),
        ("ws", {"psum_depth": 15}, "has psum_depth 15; the program was compiled for 16"),
        ("ws", {"act_depth": 300}, "has act_depth 300; the program was compiled for 512"),
        ("ws", {"layers": 5}, "6 layers; the accelerator has 5 descriptors"),
    ],
)
def test_what_the_accelerator_lacks_is_named(mode: str, change: dict[str, int], message: str) -> None:
    program = program_of("int4", mode)
    with pytest.raises(LockstepError, match=message):
        require_runs(program, replace(program.shape, **({"psum_width": 30} | change)))


def test_banks_of_another_depth_are_refused() -> None:
    graph = branched_graph(named("int4"), 4)
    shape = EngineShape(4, 8, psum_width=24, act_depth=1024)
    program = compile_graph(graph, shape)
    with pytest.raises(LockstepError, match="has act_depth 2048; the program was compiled for 1024"):
        require_runs(program, replace(shape, act_depth=2048))
