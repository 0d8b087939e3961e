"""Every weight format in every mode: exact in software, tested in hardware by a test that is there, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.golden.bus import Registers
from model.golden.execute import activations
from model.numeric.weights import FORMATS, named
from model.program.compile import compile_graph
from model.program.compiled import Program
from model.program.interpret import Interpreter
from model.program.silicon import TOLD, require_runs, shape_of
from model.vectors.check import check_set
from model.vectors.folder import replace_folder
from model.vectors.generate import describe, generate
from model.vectors.os_check import check_os_set
from model.vectors.os_generate import describe_os, generate_os, render_os
from model.vectors.os_set import read_os_set
from model.vectors.reader import read_set
from model.vectors.writer import render
from scripts import tradeoff
from tests.combinations import PAGE, cell_test, covered, holes, page
from tests.format_graphs import MODES, branched_graph, engine_of, format_name, lean_graph
from tests.integer_graphs import random_pixels
from tests.program_runs import differences, fill, run
from tests.refusals import REFUSED, line_of

every = pytest.mark.parametrize(("name", "mode"), [(name, mode) for name in FORMATS for mode in MODES])


def compiled(name: str, mode: str) -> Program:
    """The branched network of a format for the engine of a mode, in that mode."""
    graph = branched_graph(named(name), 2 if mode == "simd" else 4)
    program = compile_graph(graph, engine_of(graph, mode), dataflow="auto" if mode == "os" else "ws")
    modes = [(layer.descriptor.simd, layer.dataflow) for layer in program.layers[:2]]
    assert modes == {"ws": [(0, "ws")] * 2, "simd": [(0, "ws"), (1, "ws")], "os": [(0, "os"), (0, "ws")]}[mode]
    return program


@every
def test_programs_are_exact(name: str, mode: str) -> None:
    program = compiled(name, mode)
    assert format_name(program.shape.parameters) == name
    graph = branched_graph(named(name), 2 if mode == "simd" else 4)
    pixels = random_pixels(graph)
    machine = Interpreter(program.shape)
    fill(machine, program.layers[0], pixels)
    for item, (_, _, expected) in zip(program.layers, activations(graph, pixels[None]), strict=True):
        assert not differences(machine, item, run(machine, item), expected[0]), item.layer.name


@every
def test_vector_sets_hold(name: str, mode: str, tmp_path: Path) -> None:
    graph = branched_graph(named(name), 2 if mode == "simd" else 4)
    pixels = random_pixels(graph)
    manifest = describe(graph, "conv.1", "sample", 4, 4, 22, simd=mode == "simd")
    if mode == "os":
        made = generate_os(graph, pixels, describe_os(manifest))
        replace_folder(tmp_path / "set", render_os(made))
        back = read_os_set(tmp_path / "set")
        assert np.array_equal(back.wgt, made.wgt)
        assert check_os_set(back) == []
    else:
        written = generate(graph, pixels, manifest)
        replace_folder(tmp_path / "set", render(written))
        read = read_set(tmp_path / "set")
        assert np.array_equal(read.wgt, written.wgt)
        assert check_set(read) == []


@every
def test_registers_tell_the_engine(name: str, mode: str) -> None:
    program = compiled(name, mode)
    registers = Registers(program.shape.parameters)
    engine = shape_of({register: registers.read(register) or 0 for register in TOLD})
    assert engine == program.shape
    require_runs(program, engine)


@every
def test_tradeoff_compares_the_engines(name: str, mode: str) -> None:
    found = tradeoff.programs(lean_graph(named(name), 2 if mode == "simd" else 4))
    program = found[{"ws": "", "simd": "pairs", "os": "os"}[mode]]
    told = program.shape
    assert (told.simd, told.output_stationary) == (int(mode == "simd"), int(mode == "os"))
    assert format_name(told.parameters) == name


@pytest.mark.slow
def test_no_cell_is_without_a_test() -> None:
    assert holes(covered()) == []


@pytest.mark.slow
def test_a_cell_without_a_test_would_be_seen() -> None:
    found = covered()
    less = {cell: tests for cell, tests in found.items() if cell != ("mac_array", "simd", "pot2")}
    assert holes(less) == [("mac_row", "simd", "pot2"), ("mac_array", "simd", "pot2")]
    told = cell_test(found, ("mac_tile", "os", "int4"))
    assert told is not None
    assert told[0].startswith("tb/mac_array/")
    assert told[1]


def test_the_page_is_what_the_tests_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: .venv/bin/python -m tests.combinations"


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_done_is_refused_in_one_line(what: str) -> None:
    """And the line is told on the page."""
    assert f"| {what} | {line_of(what)} |" in PAGE.read_text(encoding="utf-8").splitlines()
