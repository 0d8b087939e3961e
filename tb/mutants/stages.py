"""The simulations that a mutant has to get past: one after the other, up to the one that fails.

Each is one parameter set of a block's own tests, the smallest in which every fault of the block can show, or, for the
engine, some drawn layers. A stage can only catch faults of the modules it contains; they are tried from the block
itself up to the core, the engine and the accelerator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from model.program.draw import EVERY_ARRAY
from tb.accelerator.arrays import ARRAYS, SMALL
from tb.axil_regs.sizes import SETS as REGISTERS
from tb.common.sources import contained
from tb.engine.arrays import SETS as ENGINES
from tb.mutants.stage import DRAWS, OS_DRAWS, Stage


def drawn(array: str, *draws: int, more: str = "", graphs: bool = False) -> Stage:
    """The stage of some drawn layers, or networks."""
    return Stage("engine", DRAWS, EVERY_ARRAY[array].parameters, array, draws, more=more, graphs=graphs)


def turned(array: str, draws: int) -> Stage:
    """The stage of some drawn layers in both dataflows in turns; the last of `draws` says how many."""
    shape = replace(EVERY_ARRAY[array], output_stationary=1)
    return Stage("engine", OS_DRAWS, shape.parameters, f"{array}_os", (draws,))


# Of tb/accelerator's arrays the one whose activation lines are no power of two.
SEGMENTS = SMALL | ARRAYS["4x2, two segments"]

LEVEL5 = {"WgtWidth": 3, "WgtPower": 2, "WgtZero": 1, "WgtStep": 3}

SEQUENCER = {"ActAddrWidth": 16, "LineAddrWidth": 16, "ActWidth": 8, "PsumAddrWidth": 10, "PsumDepth": 1024}
SEQUENCER |= {"DrainCycles": 3, "Layers": 256, "Rows": 4}

WHOLE = {"Halves": 1, "LaneWidth": 4}  # lines of act_mem that are not written half by half

CORE = {"Rows": 3, "Cols": 5, "ActWidth": 4, "WgtWidth": 4, "PsumWidth": 20, "PsumDepth": 15}
BOTH_CORE = CORE | {"WgtLanes": 2, "ActDepth": 70, "Simd": 0, "OutputStationary": 1}
PAIR_CORE = CORE | {"WgtLanes": 1, "ActDepth": 150, "Simd": 1}

PAIR_TILE = {"ActWidth": 4, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 3, "Group": 1, "Lane": 1, "Simd": 1}

# More of them for what the first let live, all short.
MORE = {
    "4x4": "301 306 308 309 311 312 315 316 317 318 319 322 323 324 331 332 333 335 336 337 338 339 341 344",
    "12x4": "301 305 306 308 309 310 311 312 313 316 317 318 319 320 321 322 323 324 325 328 330 331 332 333",
    "4x12": "301 303 307 308 309 311 312 313 315 318 320 321 324 327 328 329 330 331 335 336 338 340 341 342",
    "4x4 pairs": "301 302 303 305 306 309 310 311 312 313 314 315 316 317 318 319 322 323 327 328 329 331 334 335",
    "8x4 pairs": "300 302 303 305 307 308 309 310 311 313 315 316 317 318 319 320 322 323 325 328 329 330 332 334",
}

# And networks of five to eleven layers.
GRAPHS: dict[str, tuple[int, ...]] = {
    "4x4": (1, 5, 6, 8),
    "12x4": (5, 6, 11, 14),
    "4x12": (5, 6, 14, 16),
    "4x4 pairs": (3, 5, 7),
    "8x4 pairs": (3, 9, 12),
}

STAGES = (
    Stage("sram", "tb.sram.sram_tests", {"Width": 5, "Depth": 3}),
    Stage("delay", "tb.delay.delay_tests", {"Width": 5, "Cycles": 3}),
    Stage("os_dest", "tb.os_dest.os_dest_tests", {"Rows": 3, "AddrWidth": 5, "FlagWidth": 6}),
    Stage("os_drain", "tb.os_drain.os_drain_tests", {"Rows": 5}),
    Stage("l0", "tb.l0.l0_tests", {"Lanes": 4, "Width": 8}),
    Stage("ofifo", "tb.ofifo.ofifo_tests", {"Lanes": 5, "Width": 8}),
    Stage("sfp", "tb.sfp.sfp_tests", {"Cols": 5, "PsumWidth": 24}),
    Stage(
        "shift_add",
        "tb.shift_add.shift_add_tests",
        {"ActWidth": 3, "WgtWidth": 3, "WgtPower": 3, "WgtZero": 1, "WgtStep": 2, "PsumWidth": 9},
    ),
    Stage(
        "mac_tile",
        "tb.mac_tile.mac_tile_tests",
        {
            "ActWidth": 8,
            "WgtWidth": 4,
            "PsumWidth": 24,
            "WgtLanes": 2,
            "GroupWidth": 2,
            "Group": 3,
            "Lane": 0,
            "Simd": 0,
        },
    ),
    Stage("mac_tile", "tb.mac_tile.mac_tile_pair_tests", PAIR_TILE | {"WgtWidth": 4}),
    Stage("mac_tile", "tb.mac_tile.mac_tile_tests", PAIR_TILE | {"WgtWidth": 4}, "pairs"),
    Stage("mac_tile", "tb.mac_tile.mac_tile_pair_tests", PAIR_TILE | LEVEL5, "level5"),
    Stage("mac_tile", "tb.mac_tile.mac_tile_tests", PAIR_TILE | LEVEL5, "pairs level5"),
    Stage(
        "mac_array",
        "tb.mac_array.mac_array_pair_tests",
        {
            "Rows": 3,
            "Cols": 5,
            "ActWidth": 6,
            "WgtWidth": 3,
            "PsumWidth": 16,
            "WgtLanes": 1,
            "GroupWidth": 4,
            "Simd": 1,
        },
    ),
    Stage(
        "mac_row",
        "tb.mac_row.mac_row_tests",
        {"Cols": 5, "ActWidth": 2, "WgtWidth": 8, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 2, "Simd": 0},
    ),
    Stage(
        "mac_array",
        "tb.mac_array.mac_array_tests",
        {
            "Rows": 3,
            "Cols": 5,
            "ActWidth": 2,
            "WgtWidth": 8,
            "PsumWidth": 16,
            "WgtLanes": 1,
            "GroupWidth": 3,
            "Simd": 0,
        },
    ),
    Stage(
        "mac_array",
        "tb.mac_array.mac_array_os_tests",
        {"Rows": 3, "Cols": 4, "ActWidth": 4, "WgtWidth": 4, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 1}
        | {"Simd": 0, "OutputStationary": 1},
    ),
    Stage(
        "mac_array",
        "tb.mac_array.mac_array_os_tests",
        {"Rows": 3, "Cols": 4, "ActWidth": 4, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 1, "Simd": 0}
        | {"OutputStationary": 1}
        | LEVEL5,
        "level5",
    ),
    Stage(
        "core",
        "tb.core.core_unit_tests",
        {"Rows": 2, "Cols": 5, "ActWidth": 3, "WgtWidth": 4, "PsumWidth": 20, "WgtLanes": 2}
        | {"ActDepth": 66, "PsumDepth": 200, "Simd": 0},
    ),
    Stage(
        "core",
        "tb.core.core_range_tests",
        {"Rows": 2, "Cols": 3, "ActWidth": 3, "WgtWidth": 4, "PsumWidth": 10, "WgtLanes": 2}
        | {"ActDepth": 16, "PsumDepth": 4, "Simd": 0},
        corner=True,
    ),
    Stage("core", "tb.core.core_os_tests", BOTH_CORE),
    Stage("core", "tb.core.core_unit_tests", BOTH_CORE, "both"),
    Stage("core", "tb.core.core_pair_tests", PAIR_CORE),
    Stage("core", "tb.core.core_unit_tests", PAIR_CORE, "pairs"),
    Stage("fifo", "tb.fifo.fifo_tests", {"Width": 5, "Depth": 3}),
    Stage("result_stream", "tb.result_stream.result_stream_tests", {"Cols": 3, "Width": 32, "Depth": 2}),
    Stage("act_mem", "tb.act_mem.act_mem_tests", {"Width": 16, "Depth": 32, "Banks": 4, "Segs": 2} | WHOLE),
    Stage(
        "act_mem",
        "tb.act_mem.act_mem_tests",
        {"Width": 12, "Depth": 16, "Banks": 2, "Segs": 3, "Halves": 2, "LaneWidth": 2},
        "halves",
    ),
    Stage(
        "walker",
        "tb.walker.walker_tests",
        {"Levels": 4, "CountWidth": 3, "AddrWidth": 5, "CoordWidth": 4}
        | {"StepsAddr": 0b1011, "StepsY": 0b0110, "StepsX": 0b1101},
    ),
    Stage("sequencer", "tb.sequencer.sequencer_tests", SEQUENCER | {"Simd": 1, "OutputStationary": 0}, "pairs"),
    Stage("sequencer", "tb.sequencer.sequencer_tests", SEQUENCER | {"Simd": 0, "OutputStationary": 1}, "both"),
    Stage(
        "loader",
        "tb.loader.loader_tests",
        {"Groups": 3, "GroupWidth": 2, "Cols": 5, "ColWidth": 3, "ParWords": 2, "Simd": 0},
    ),
    Stage(
        "loader",
        "tb.loader.loader_tests",
        {"Groups": 3, "GroupWidth": 3, "Cols": 5, "ColWidth": 3, "ParWords": 2, "Simd": 1},
        "pairs",
    ),
    Stage(
        "requantize",
        "tb.requantize.requantize_tests",
        {"Cols": 5, "ActWidth": 4, "PsumWidth": 18, "MulWidth": 14, "BiasWidth": 26}
        | {"WideWidth": 32, "WordWidth": 16, "SideWidth": 2},
    ),
    Stage("os_window", "tb.os_window.os_window_tests", {"Rows": 3}),
    Stage("par_count", "tb.par_count.par_count_tests", {"Cols": 5, "ColWidth": 3, "ParWords": 3}),
    Stage(
        "os_loader",
        "tb.os_loader.os_loader_tests",
        {"Terms": 2, "TermWidth": 12, "Cols": 3, "ColWidth": 2, "ParWords": 2},
    ),
    Stage("pool", "tb.pool.pool_tests", {"Cols": 5, "ActWidth": 3}),
    Stage("writeback", "tb.writeback.writeback_tests", {"AddrWidth": 5, "Segs": 3, "Halves": 1}),
    Stage("writeback", "tb.writeback.writeback_tests", {"AddrWidth": 5, "Segs": 3, "Halves": 2}, "halves"),
    Stage("counters", "tb.counters.counters_tests", {"Events": 3, "Width": 4}),
    *(Stage("engine", "tb.engine.engine_tests", shape, array) for array, shape in ENGINES.items()),
    # The draws are small, and between them have every sort of layer: tests/test_mutants_stages.py says which.
    drawn("4x4", 1, 2, 3, 4, 5, 6, 7, 9, 30, 87, 96, 112, 2138, 2860),
    drawn("12x4", 4, 16, 17, 33, 49, 54, 69, 90, 281),
    drawn("4x12", 22, 24, 36, 50, 56, 107),
    drawn("4x4 pairs", 0, 1, 6, 13, 50),
    drawn("8x4 pairs", 41, 48, 55),
    turned("4x4", 5),
    *(drawn(array, *map(int, draws.split()), more="more") for array, draws in MORE.items()),
    *(drawn(array, *draws, more="graphs", graphs=True) for array, draws in GRAPHS.items()),
    Stage("axil_regs", "tb.axil_regs.axil_regs_tests", REGISTERS["small"]),
    Stage("axil_regs", "tb.axil_regs.axil_regs_tests", REGISTERS["least"], "least"),
    Stage("accelerator", "tb.accelerator.wire_tests", SEGMENTS),
    Stage("accelerator", "tb.accelerator.register_tests", SEGMENTS),
    Stage("accelerator", "tb.accelerator.run_tests", SEGMENTS),
    Stage("accelerator", "tb.accelerator.error_tests", SEGMENTS),
)


def stages_of(module: str, rtl: Mapping[str, str]) -> list[Stage]:
    """The stages whose top is `module` or contains it.

    Parameters
    ----------
    module : str
    rtl : mapping of module name to source
    """
    return [stage for stage in STAGES if module in contained(stage.top, rtl)]
