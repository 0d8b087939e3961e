"""Every rule that the RTL checks is broken once: the block itself must say so."""

from __future__ import annotations

import os

import pytest

from tb.common.runner import SimulationError, default_simulator, simulate
from tb.sim_checks.sizes import (
    ACCELERATOR,
    ARRAY,
    BOTH_CORE,
    BOTH_TILE,
    CORE,
    LEVEL5,
    LOADER,
    OS_LOADER,
    PAIR_ARRAY,
    PAIR_TILE,
    POOL,
    REQUANTIZE,
    TILE,
)
from tb.sim_checks.sources import rules, tells
from tb.sim_checks.unknown import UNKNOWN

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

# Rules that no neighbour can break, only a fault of the block itself (tb/mutants has such).
OF_THE_BLOCK_ITSELF = {("core", "the psum and its destination did not meet")}


def rule_ids(values: list[tuple[str, dict[str, int], str, str]]) -> list[str]:
    """Test names."""
    return [value[2] for value in values]


def test_every_rule_is_broken_here() -> None:
    """A rule without a test would be a check that was never seen to fail; each block's own rules, by their words.

    Several blocks say the same of an unknown value: there the block counts as well.
    """
    broken = [(top, message) for top, _, _, message in BROKEN_RULES]
    broken += [(each.module, each.message) for each in UNKNOWN.values()]
    found = set(rules())
    assert len(found) > 80
    assert found >= OF_THE_BLOCK_ITSELF
    missing = {
        (module, words)
        for module, words in found
        if not any(tells(told, words) and (top == module or not words.startswith("X ")) for top, told in broken)
    }
    assert missing == OF_THE_BLOCK_ITSELF


@pytest.mark.skipif(default_simulator() == "verilator", reason="Verilator has no X")
@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_value_is_fatal(name: str) -> None:
    each = UNKNOWN[name]
    with pytest.raises(SimulationError) as error:
        simulate(each.top, "tb.sim_checks.unknown_rules_tests", each.parameters, only=[name])
    assert each.message in str(error.value)


@pytest.mark.parametrize(("top", "parameters", "name", "message"), BROKEN_RULES, ids=rule_ids(BROKEN_RULES))
def test_broken_rule_is_fatal(top: str, parameters: dict[str, int], name: str, message: str) -> None:
    if default_simulator() == "verilator" and name in NEED_X:
        pytest.skip("Verilator has no X")
    if os.environ.get("INIT") == "random" and name in NEED_NEVER_WRITTEN:
        pytest.skip("no word of a memory is X at the start")
    with pytest.raises(SimulationError) as error:
        simulate(top, f"tb.sim_checks.{_module_of(top, parameters)}", parameters, only=[name])
    assert message in str(error.value)
