"""Every parameter that a block refuses is given once: it must say so at time zero, or not compile."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tb.common.runner import ROOT
from tb.sim_checks.sizes import (
    ACCELERATOR,
    ARRAY,
    BOTH_CORE,
    CORE,
    LEVEL5,
    LOADER,
    OS_LOADER,
    PAIR_TILE,
    REQUANTIZE,
    SHIFT_ADD,
    TILE,
)
from tb.sim_checks.sources import refusals, tells

ILLEGAL = [
    ("mac_tile", TILE | {"PsumWidth": 7}, "PsumWidth 7; expected ActWidth + WgtWidth = 8 or more"),
    ("mac_tile", TILE | {"WgtWidth": 1}, "WgtWidth 1; expected 2 or more, weights are signed"),
    ("mac_tile", TILE | {"Lane": 1}, "Lane 1; expected 0..0"),
    ("mac_tile", TILE | {"Group": 2}, "Group 2 does not fit GroupWidth 1"),
    ("shift_add", SHIFT_ADD | {"WgtWidth": 5}, "WgtWidth 5; expected 1 bit and those of 8 indices"),
    ("shift_add", SHIFT_ADD | {"PsumWidth": 11}, "PsumWidth 11; expected 1 more than the 11 bits of a product"),
    ("shift_add", SHIFT_ADD | {"WgtZero": 2}, "WgtZero 2; expected 0 or 1"),
    ("shift_add", SHIFT_ADD | {"WgtStep": 0}, "WgtStep 0; expected 1 or more"),
    ("mac_tile", TILE | {"WgtPower": 2}, "WgtWidth 4; expected 1 bit and those of 2 indices"),
    ("mac_tile", PAIR_TILE | {"ActWidth": 3}, "Simd with ActWidth 3; expected an even number of bits"),
    ("mac_tile", PAIR_TILE | {"Group": 2}, "Group 2 does not fit GroupWidth 2, one bit of it for the half"),
    ("mac_tile", PAIR_TILE | {"Simd": 2}, "Simd 2; expected 0 or 1"),
    ("engine", {"ActWidth": 5, "Simd": 1}, "Simd with ActWidth 5; expected an even number of bits"),
    ("mac_array", ARRAY | {"Rows": 0}, "Rows 0; expected 1 or more"),
    ("l0", {"Lanes": 0, "Width": 8}, "Lanes 0; expected 1 or more"),
    ("ofifo", {"Lanes": 0, "Width": 8}, "Lanes 0; expected 1 or more"),
    ("sram", {"Width": 8, "Depth": 0}, "Depth 0; expected 1 or more"),
    ("sram", {"Width": 8, "Depth": 5, "AddrWidth": 2}, "AddrWidth 2 does not reach Depth 5"),
    ("sfp", {"Cols": 2, "PsumWidth": 1}, "PsumWidth 1; expected 2 or more"),
    ("core", CORE | {"PsumWidth": 7}, "PsumWidth 7; expected ActWidth + WgtWidth = 8 or more"),
    ("core", CORE | {"ActDepth": 0}, "Depth 0; expected 1 or more"),
    ("loader", LOADER | {"Groups": 3}, "Groups 3; expected 1 to 2"),
    ("loader", LOADER | {"ParWords": 257}, "ParWords 257; expected 1 to 256"),
    ("requantize", REQUANTIZE | {"MulWidth": 1}, "MulWidth 1; expected 2 or more"),
    ("counters", {"Events": 0, "Width": 4}, "Events 0; expected 1 or more"),
    ("counters", {"Events": 2, "Width": 0}, "during elaboration"),
    ("walker", {"Levels": 33}, "Levels 33; expected 1 to 32"),
    ("walker", {"Levels": 0}, "Levels 0; expected 1 to 32"),
    ("walker", {"CountWidth": 0}, "during elaboration"),
    ("act_mem", {"Width": 10, "Depth": 8, "Banks": 1, "Segs": 3}, "Width 10; expected a multiple of Segs 3"),
    ("act_mem", {"Width": 8, "Depth": 8, "Halves": 3}, "Halves 3; expected 1 or 2"),
    (
        "act_mem",
        {"Width": 12, "Depth": 8, "Segs": 2, "Halves": 2},
        "LaneWidth 4, Width 12; expected even codes, as many in each of 2 segments",
    ),
    ("writeback", {"AddrWidth": 4, "Segs": 1, "Halves": 3}, "Halves 3; expected 1 or 2"),
    (
        "act_mem",
        {"Width": 8, "Depth": 12, "Banks": 2, "Segs": 1},
        "Depth 12 in 2 banks; expected a power of two in each",
    ),
    ("sequencer", {"DrainCycles": 256}, "DrainCycles 256; expected 1 to 255"),
    ("sequencer", {"Layers": 257}, "Layers 257; expected 2 to 256"),
    ("engine", {"Rows": 3, "Cols": 2}, "Rows 3, Cols 2; expected one to divide the other"),
    ("mac_tile", TILE | {"Simd": 1, "OutputStationary": 1, "GroupWidth": 2}, "Simd and OutputStationary; expected one"),
    ("os_window", {"Rows": 0}, "Rows 0; expected 1 or more"),
    ("os_loader", OS_LOADER | {"Terms": 0}, "Terms 0; expected 1 or more"),
    ("os_loader", OS_LOADER | {"Cols": 3}, "Cols 3; expected 1 to 2"),
    ("os_loader", OS_LOADER | {"ParWords": 257}, "ParWords 257; expected 1 to 256"),
    ("core", BOTH_CORE | {"Cols": 5}, "WgtLanes 2 of Rows 2; expected a word that holds the weights of Cols 5"),
    ("core", BOTH_CORE | {"PsumDepth": 1}, "PsumDepth 1; expected the lines of a group of pixels, Rows 2"),
    (
        "engine",
        {"Rows": 2, "Cols": 4, "WgtLanes": 3, "OutputStationary": 1},
        "WgtLanes 3, Rows 2, Cols 4; expected words of whole terms",
    ),
    (
        "sequencer",
        {"DrainCycles": 250, "Rows": 6, "OutputStationary": 1},
        "DrainCycles 250, Rows 6; expected 255 or less together",
    ),
    ("fifo", {"Width": 8, "Depth": 0}, "Depth 0; expected 1 or more"),
    ("accelerator", ACCELERATOR | {"ResultDepth": 0}, "ResultDepth 0; expected 1 or more"),
    ("accelerator", ACCELERATOR | {"PsumWidth": 256}, "PsumWidth 256; expected 1 to 255"),
    ("accelerator", ACCELERATOR | {"Rows": 3}, "Rows 3, Cols 2; expected one to divide the other"),
    ("accelerator", ACCELERATOR | {"Layers": 257}, "Layers 257; expected"),
    ("act_mem", {"Segs": 0}, "Banks 1, Segs 0; expected 1 or more"),
    ("axil_regs", {"Rows": 0}, "Rows 0; expected 1 to 255"),
    ("axil_regs", {"Cols": 256}, "Cols 256; expected 1 to 255"),
    ("axil_regs", {"WgtLanes": 256}, "WgtLanes 256; expected 1 to 255"),
    ("axil_regs", {"ActWidth": 16}, "ActWidth 16; expected 1 to 15"),
    ("axil_regs", {"WgtWidth": 16}, "WgtWidth 16; expected 1 to 15"),
    ("axil_regs", {"PsumWidth": 256}, "PsumWidth 256; expected 1 to 255"),
    ("axil_regs", {"MulWidth": 256}, "MulWidth 256; expected 1 to 255"),
    ("axil_regs", {"BiasWidth": 256}, "BiasWidth 256; expected 1 to 255"),
    ("axil_regs", {"Layers": 257}, "Layers 257; expected 1 to 256"),
    ("axil_regs", {"WgtPower": 256}, "WgtPower 256; expected 0 to 255"),
    ("axil_regs", {"WgtStep": 256}, "WgtStep 256; expected 0 to 255"),
    ("axil_regs", {"ActDepth": 0}, "ActDepth 0; expected 1 or more"),
    ("fifo", {"Width": 0}, "Width 0; expected 1 or more"),
    ("mac_row", {"Cols": 0}, "Cols 0; expected 1 or more"),
    ("mac_row", {"WgtLanes": 0}, "during elaboration"),
    ("mac_tile", TILE | {"ActWidth": 0}, "during elaboration"),
    ("pool", {"Cols": 0}, "during elaboration"),
    ("pool", {"ActWidth": 0}, "during elaboration"),
    ("requantize", REQUANTIZE | {"Cols": 0}, "Cols 0; expected 1 or more"),
    ("requantize", REQUANTIZE | {"BiasWidth": 1}, "BiasWidth 1; expected 2 or more"),
    ("requantize", REQUANTIZE | {"WordWidth": 0}, "WordWidth 0; expected 1 or more"),
    ("result_stream", {"Cols": 0}, "during elaboration"),
    ("result_stream", {"Width": 0}, "during elaboration"),
    ("sequencer", {"ActAddrWidth": 17}, "ActAddrWidth 17; expected 16 or less"),
    ("sequencer", {"ActWidth": 9}, "ActWidth 9; expected 8 or less"),
    ("sram", {"Width": 0}, "Width 0; expected 1 or more"),
    ("writeback", {"Segs": 0}, "Segs 0; expected 1 or more"),
    ("par_count", {"Cols": 9}, "Cols 9; expected 1 to 8"),
    ("par_count", {"ParWords": 257}, "ParWords 257; expected 1 to 256"),
    ("delay", {"Width": 0}, "during elaboration"),
    (
        *("requantize", {"Cols": 1, "MulWidth": 200, "BiasWidth": 200, "WordWidth": 1}),
        "400 words of parameters a column; expected 256 or fewer",
    ),
    # With these the sources already make no sense to the compiler, which refuses before time zero.
    ("mac_array", ARRAY | {"Cols": 0}, "during elaboration"),
    ("l0", {"Lanes": 2, "Width": 0}, "during elaboration"),
    ("os_drain", {"Rows": 0}, "during elaboration"),
    ("os_dest", {"Rows": 0}, "during elaboration"),
    ("delay", {"Width": 8, "Cycles": -1}, "during elaboration"),
    ("sfp", {"Cols": 0, "PsumWidth": 8}, "during elaboration"),
]


def test_every_refusal_is_provoked_here() -> None:
    """A check without a test was never seen to fail. The compiler may refuse before it: then its parameter counts."""
    missing = []
    for module, words in refusals():
        tried = [(values, message) for top, values, message in ILLEGAL if top == module]
        name = words.split()[0]
        if not any(tells(told, words) or (told == "during elaboration" and name in values) for values, told in tried):
            missing.append((module, words))
    assert not missing


def begun(top: str, parameters: dict[str, int], program: Path) -> subprocess.CompletedProcess[str]:
    """Build the block by itself, without cocotb, and simulate time zero; what the compiler or the simulator said."""
    chosen = [f"-P{top}.{name}={value}" for name, value in parameters.items()]
    sources = [str(source) for source in sorted((ROOT / "rtl").glob("*.v"))]
    command = ["iverilog", "-g2012", "-o", str(program), "-s", top, *chosen, *sources]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode == 0:
        run = subprocess.run(["vvp", "-N", str(program)], capture_output=True, text=True, timeout=60)
    return run


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.parametrize(
    ("top", "parameters", "message"), ILLEGAL, ids=[f"{top}-{what.split(';')[0]}" for top, _, what in ILLEGAL]
)
def test_illegal_parameter_is_refused(top: str, parameters: dict[str, int], message: str, tmp_path: Path) -> None:
    """The block by itself must stop at time zero (or not compile), say why, and exit with an error."""
    run = begun(top, parameters, tmp_path / "sim.vvp")
    assert run.returncode != 0
    assert message in run.stdout + run.stderr


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.parametrize(
    ("top", "parameters"),
    [("mac_tile", TILE), ("mac_tile", LEVEL5), ("shift_add", SHIFT_ADD), ("core", CORE), ("accelerator", ACCELERATOR)],
)
def test_legal_parameters_are_accepted(top: str, parameters: dict[str, int], tmp_path: Path) -> None:
    """The counterpart: with legal values the same commands end well."""
    run = begun(top, parameters, tmp_path / "sim.vvp")
    assert run.returncode == 0, run.stdout + run.stderr
