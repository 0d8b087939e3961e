"""Every rule that the RTL checks is broken once, every illegal parameter given: the block itself must say so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tb.common.runner import ROOT, SimulationError, default_simulator, simulate

TILE = {"ActWidth": 4, "WgtWidth": 4, "PsumWidth": 8, "WgtLanes": 1, "GroupWidth": 1, "Group": 0, "Lane": 0}
LEVEL5 = TILE | {"WgtWidth": 3, "WgtPower": 2, "WgtZero": 1, "WgtStep": 3}
SHIFT_ADD = {"ActWidth": 4, "WgtWidth": 4, "WgtPower": 8, "WgtZero": 0, "WgtStep": 1, "PsumWidth": 12}
ARRAY = {"Rows": 2, "Cols": 2, "ActWidth": 4, "WgtWidth": 4, "PsumWidth": 16, "WgtLanes": 2, "GroupWidth": 1}
CORE = {
    "Rows": 2,
    "Cols": 2,
    "ActWidth": 4,
    "WgtWidth": 4,
    "PsumWidth": 8,
    "WgtLanes": 2,
    "ActDepth": 4,
    "PsumDepth": 4,
}
ACCELERATOR = {
    "Rows": 2,
    "Cols": 2,
    "ActWidth": 4,
    "WgtWidth": 4,
    "PsumWidth": 12,
    "WgtLanes": 2,
    "ActDepth": 8,
    "PsumDepth": 4,
    "MulWidth": 8,
    "BiasWidth": 8,
    "Layers": 2,
    "ResultDepth": 1,
}
POOL = {"Cols": 2, "ActWidth": 4}
PAIR_TILE = TILE | {"GroupWidth": 2, "Simd": 1}
PAIR_ARRAY = ARRAY | {"GroupWidth": 2, "Simd": 1}
BOTH_TILE = TILE | {"OutputStationary": 1}
BOTH_CORE = CORE | {"OutputStationary": 1}
OS_LOADER = {"Terms": 2, "TermWidth": 8, "Cols": 1, "ColWidth": 1, "ParWords": 1}
LOADER = {"Groups": 2, "GroupWidth": 1, "Cols": 1, "ColWidth": 1, "ParWords": 1}
REQUANTIZE = {"Cols": 2, "ActWidth": 4, "PsumWidth": 8, "MulWidth": 4, "BiasWidth": 4, "WordWidth": 8}

BROKEN_RULES = [
    ("mac_tile", TILE, "mac_tile_pixel_before_any_weight", "pixel before any weight"),
    ("mac_tile", TILE, "mac_tile_pixel_after_reset_took_the_weight", "pixel before any weight"),
    ("mac_tile", TILE, "mac_tile_swap_without_new_weight", "no new weight was loaded"),
    ("mac_tile", TILE, "mac_tile_swap_without_pixel", "swap without a valid pixel"),
    ("mac_tile", TILE, "mac_tile_psum_one_above_the_range", "psum overflow, 127 + 1 * 1 does not fit 8 bits: 128"),
    ("mac_tile", TILE, "mac_tile_psum_one_below_the_range", "psum overflow, -128 + -1 * 1 does not fit 8 bits: -129"),
    ("mac_tile", TILE, "mac_tile_unknown_operand", "X in act, psum or weight"),
    ("mac_tile", LEVEL5, "mac_tile_pattern_of_negative_zero", "pattern 100 is no weight of this format"),
    ("mac_tile", LEVEL5, "mac_tile_pattern_past_the_last", "pattern 011 is no weight of this format"),
    (
        "mac_tile",
        LEVEL5,
        "mac_tile_power_psum_one_below_the_range",
        "psum overflow, -121 + -8 * 1 does not fit 8 bits: -129",
    ),
    ("mac_array", ARRAY, "mac_array_rows_without_skew", "row 1 does not follow row 0 by one cycle"),
    ("mac_tile", PAIR_TILE, "mac_tile_swap_without_the_high_weight", "no new weight of the high half was loaded"),
    ("mac_tile", PAIR_TILE, "mac_tile_mode_changes_within_a_tile", "the mode changes within a tile"),
    (
        "mac_tile",
        PAIR_TILE,
        "mac_tile_pair_above_the_range",
        "psum overflow, 106 + 7 * 15 (a pair) does not fit 8 bits: 130",
    ),
    ("mac_array", PAIR_ARRAY, "mac_array_mode_changes_too_early", "the mode changes while pixels are in the array"),
    (
        "writeback",
        {"AddrWidth": 4, "Segs": 1},
        "writeback_pairs_without_halves",
        "pairs, but lines are not filled half by half",
    ),
    ("ofifo", {"Lanes": 3, "Width": 8}, "ofifo_lanes_out_of_step", "aligned valids disagree"),
    ("sram", {"Width": 8, "Depth": 3}, "sram_write_behind_the_end", "write address 3, the memory ends at 2"),
    ("sram", {"Width": 8, "Depth": 3}, "sram_read_behind_the_end", "read address 3, the memory ends at 2"),
    ("sfp", {"Cols": 2, "PsumWidth": 8}, "sfp_sum_above_the_range", "overflow, 127 + 1 does not fit 8 bits"),
    ("sfp", {"Cols": 2, "PsumWidth": 8}, "sfp_sum_below_the_range", "overflow, -128 + -1 does not fit 8 bits"),
    ("sfp", {"Cols": 2, "PsumWidth": 8}, "sfp_first_missing", "first is missing"),
    ("sfp", {"Cols": 2, "PsumWidth": 8}, "sfp_last_missing", "before the last line of the one before"),
    ("core", CORE, "core_two_readers_of_a_bank", "psum and accumulation read bank 0 in one cycle"),
    ("core", CORE, "core_accumulation_too_early", "accumulation reads address 0 while it is written"),
    ("core", CORE, "core_activation_read_while_written", "activation line 0 is read while it is written"),
    ("core", CORE, "core_added_to_nothing", "added to address 2, never written"),
    ("core", CORE, "core_memory_sum_above_the_range", "overflow, 105 + 105 does not fit 8 bits"),
    ("core", CORE, "core_plane_above_the_range", "overflow, 105 of plane 1 does not fit 8 bits"),
    ("pool", POOL, "pool_first_missing", "first 0, but a window is not open"),
    ("pool", POOL, "pool_unknown_code", "X beside a valid line"),
    ("requantize", REQUANTIZE, "requantize_unknown_sum", "X beside a valid sum"),
    (
        "requantize",
        REQUANTIZE,
        "requantize_parameter_of_no_column",
        "parameter word 1 of column 0; expected word 0 to 0, column 0 to 1",
    ),
    ("loader", LOADER, "loader_swap_of_half_a_tile", "a swap without a whole tile in the shadow"),
    ("loader", LOADER, "loader_swap_of_no_parameters", "a swap of parameters that are not there"),
    ("loader", LOADER, "loader_layer_over_a_tile_that_waits", "a layer begins over words that were not used"),
    ("loader", LOADER, "loader_layer_over_another", "a layer begins over one that has not ended"),
    (
        "par_count",
        {"Cols": 2, "ColWidth": 1, "ParWords": 1},
        "par_count_word_over_a_full_shadow",
        "a parameter word over those that wait for their swap",
    ),
    ("counters", {"Events": 2, "Width": 4}, "counters_unknown_event", "X on clear or an event"),
    ("fifo", {"Width": 8, "Depth": 2}, "fifo_push_into_a_full_one", "push into a full buffer"),
    ("fifo", {"Width": 8, "Depth": 2}, "fifo_pop_from_an_empty_one", "pop from an empty buffer"),
    (
        "result_stream",
        {"Cols": 2, "Width": 8, "Depth": 1},
        "result_stream_line_as_the_run_ends",
        "a line in the cycle in which the run ends",
    ),
    ("mac_tile", BOTH_TILE, "mac_tile_unknown_dataflow", "X on os or shift"),
    ("mac_tile", BOTH_TILE, "mac_tile_shift_while_weights_are_stationary", "shift, but weights are stationary"),
    (
        "mac_tile",
        BOTH_TILE,
        "mac_tile_sum_behind_a_waiting_one",
        "a sum is finished before the one before has moved on",
    ),
    ("mac_tile", BOTH_TILE, "mac_tile_last_without_a_term", "last without a valid term"),
    (
        "mac_tile",
        BOTH_TILE,
        "mac_tile_sum_of_terms_above_the_range",
        "psum overflow, 126 + 1 * 2 does not fit 8 bits",
    ),
    ("mac_tile", BOTH_TILE, "mac_tile_weight_of_the_other_dataflow", "pixel before any weight"),
    ("os_drain", {"Rows": 3}, "os_drain_unknown_last", "X on last"),
    (
        "os_drain",
        {"Rows": 3},
        "os_drain_groups_too_close",
        "a group of pixels is finished while 2 sums of the one before are on the way",
    ),
    ("os_dest", {"Rows": 3}, "os_dest_unknown_start", "X on start"),
    (
        "os_dest",
        {"Rows": 3},
        "os_dest_groups_too_close",
        "a group starts while 1 lines of the one before are to come",
    ),
    ("os_loader", OS_LOADER, "os_loader_unknown_stop", "X on a control input"),
    ("os_loader", OS_LOADER, "os_loader_unknown_last", "X on last of a valid word"),
    ("os_loader", OS_LOADER, "os_loader_layer_over_another", "a layer begins over one that has not ended"),
    (
        "os_loader",
        OS_LOADER,
        "os_loader_layer_over_parameters_that_wait",
        "a layer begins over words that were not used",
    ),
    ("os_loader", OS_LOADER, "os_loader_term_that_is_not_there", "a term is used that is not there"),
    ("os_window", {"Rows": 2}, "os_window_unknown_valid", "X on start or valid"),
    ("os_window", {"Rows": 2}, "os_window_unknown_beginning", "X beside a valid line"),
    ("core", BOTH_CORE, "core_unknown_dataflow", "X on os"),
    ("core", BOTH_CORE, "core_unknown_last_term", "X on last or a flit"),
    ("core", BOTH_CORE, "core_flit_while_outputs_are_stationary", "a weight flit, but outputs are stationary"),
    ("sequencer", {"Layers": 2}, "sequencer_unwritten_descriptor", "word 0 of descriptor 0 was never written"),
    ("accelerator", ACCELERATOR, "accelerator_write_address_changes", "a write address was withdrawn or changed"),
    ("accelerator", ACCELERATOR, "accelerator_write_data_withdrawn", "write data were withdrawn or changed"),
    ("accelerator", ACCELERATOR, "accelerator_read_address_withdrawn", "a read address was withdrawn or changed"),
    ("accelerator", ACCELERATOR, "accelerator_unknown_write_data", "X in write data or strobes"),
    ("accelerator", ACCELERATOR, "accelerator_weight_word_changes", "a weight word was withdrawn or changed"),
    (
        "accelerator",
        ACCELERATOR,
        "accelerator_activation_line_withdrawn",
        "an activation line was withdrawn or changed",
    ),
]
# Where a block's rules are broken.
TESTS_OF = {
    **dict.fromkeys(("mac_tile", "mac_array", "ofifo", "sram", "sfp"), "array_rules_tests"),
    "core": "core_rules_tests",
    **dict.fromkeys(
        ("pool", "requantize", "loader", "par_count", "counters", "writeback", "fifo", "result_stream"),
        "engine_rules_tests",
    ),
    "accelerator": "bus_rules_tests",
}
OS_TOPS = ("os_drain", "os_dest", "os_loader", "os_window", "sequencer")


def _module_of(top: str, parameters: dict[str, int]) -> str:
    """The module in which a block's rules are broken."""
    second = top in OS_TOPS or parameters.get("OutputStationary") == 1
    return "os_rules_tests" if second else TESTS_OF[top]


# Unknown values, and memory that was never written.
NEED_NEVER_WRITTEN = ("core_added_to_nothing",)
NEED_X = (
    "mac_tile_unknown_dataflow",
    "os_drain_unknown_last",
    "os_dest_unknown_start",
    "os_loader_unknown_stop",
    "os_loader_unknown_last",
    "os_window_unknown_valid",
    "os_window_unknown_beginning",
    "core_unknown_dataflow",
    "core_unknown_last_term",
    "sequencer_unwritten_descriptor",
    "mac_tile_unknown_operand",
    "core_added_to_nothing",
    "accelerator_unknown_write_data",
    "pool_unknown_code",
    "requantize_unknown_sum",
    "counters_unknown_event",
)

ILLEGAL = [
    ("mac_tile", TILE | {"PsumWidth": 7}, "PsumWidth 7; expected ActWidth + WgtWidth = 8 or more"),
    ("mac_tile", TILE | {"WgtWidth": 1}, "WgtWidth 1; expected 2 or more"),
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
    ("act_mem", {"Width": 12, "Depth": 8, "Segs": 2, "Halves": 2}, "LaneWidth 4, Width 12; expected even codes"),
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
    # With these the sources already make no sense to the compiler, which refuses before time zero.
    ("mac_array", ARRAY | {"Cols": 0}, "during elaboration"),
    ("l0", {"Lanes": 2, "Width": 0}, "during elaboration"),
    ("os_drain", {"Rows": 0}, "during elaboration"),
    ("os_dest", {"Rows": 0}, "during elaboration"),
    ("delay", {"Width": 8, "Cycles": -1}, "during elaboration"),
    ("sfp", {"Cols": 0, "PsumWidth": 8}, "during elaboration"),
]


# Rules that no neighbour can break, only a fault of the block itself (tb/mutants has such).
OF_THE_BLOCK_ITSELF = {("core", "the psum and its destination did not meet")}
FATAL = re.compile(r'\$fatal\(1,\s*"%m: (?P<message>[^"]*)"')
FIELD = re.compile(r"%[0-9]*[a-z]")


def rules_of(source: str) -> list[str]:
    """What the blocks under `ifdef SIM_CHECKS in a Verilog `source` say, unknown values (X ...) apart, fields as %d."""
    checked = re.findall(r"`ifdef SIM_CHECKS\n(.*?)`endif", source, re.DOTALL)
    found = [match["message"] for text in checked for match in FATAL.finditer(text)]
    return [message for message in found if not message.startswith("X ")]


def tells(message: str, rule: str) -> bool:
    """Whether `message` is `rule` with its fields filled in, or a part of it without any.

    >>> tells("word 3 of 7 was lost", "word %0d of %0d was lost"), tells("was lost", "word %0d of %0d was lost")
    (True, True)
    """
    return message in rule or re.search(".*?".join(map(re.escape, FIELD.split(rule))), message) is not None


def rule_ids(values: list[tuple[str, dict[str, int], str, str]]) -> list[str]:
    """Test names."""
    return [value[2] for value in values]


def test_every_rule_is_broken_here() -> None:
    """A rule without a test would be a check that was never seen to fail; each block's own rules, by their words."""
    broken = [message for _, _, _, message in BROKEN_RULES]
    rules = {(path.stem, rule) for path in (ROOT / "rtl").glob("*.v") for rule in rules_of(path.read_text())}
    assert len(rules) > 40
    assert rules >= OF_THE_BLOCK_ITSELF
    missing = {entry for entry in rules if not any(tells(message, entry[1]) for message in broken)}
    assert missing == OF_THE_BLOCK_ITSELF


@pytest.mark.parametrize(("top", "parameters", "name", "message"), BROKEN_RULES, ids=rule_ids(BROKEN_RULES))
def test_broken_rule_is_fatal(top: str, parameters: dict[str, int], name: str, message: str) -> None:
    if default_simulator() == "verilator" and name in NEED_X:
        pytest.skip("Verilator has no X")
    if os.environ.get("INIT") == "random" and name in NEED_NEVER_WRITTEN:
        pytest.skip("no word of a memory is X at the start")
    with pytest.raises(SimulationError) as error:
        simulate(top, f"tb.sim_checks.{_module_of(top, parameters)}", parameters, only=[name])
    assert message in str(error.value)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.parametrize(
    ("top", "parameters", "message"), ILLEGAL, ids=[f"{top}-{what.split(';')[0]}" for top, _, what in ILLEGAL]
)
def test_illegal_parameter_is_refused(top: str, parameters: dict[str, int], message: str, tmp_path: Path) -> None:
    """Without cocotb: the block by itself must stop at time zero (or not compile), say why, and exit with an error."""
    chosen = [f"-P{top}.{name}={value}" for name, value in parameters.items()]
    sources = [str(source) for source in sorted((ROOT / "rtl").glob("*.v"))]
    program = str(tmp_path / "sim.vvp")
    run = subprocess.run(
        ["iverilog", "-g2012", "-o", program, "-s", top, *chosen, *sources], capture_output=True, text=True
    )
    if run.returncode == 0:
        run = subprocess.run(["vvp", "-N", program], capture_output=True, text=True, timeout=60)
    assert run.returncode != 0
    assert message in run.stdout + run.stderr


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.parametrize(
    ("top", "parameters"),
    [("mac_tile", TILE), ("mac_tile", LEVEL5), ("shift_add", SHIFT_ADD), ("core", CORE), ("accelerator", ACCELERATOR)],
)
def test_legal_parameters_are_accepted(top: str, parameters: dict[str, int], tmp_path: Path) -> None:
    """The counterpart: with legal values the same command ends well."""
    chosen = [f"-P{top}.{name}={value}" for name, value in parameters.items()]
    sources = [str(source) for source in sorted((ROOT / "rtl").glob("*.v"))]
    program = str(tmp_path / "sim.vvp")
    subprocess.run(["iverilog", "-g2012", "-o", program, "-s", top, *chosen, *sources], check=True)
    subprocess.run(["vvp", "-N", program], check=True, timeout=60)
