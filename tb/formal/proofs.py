"""All proofs, in the order of the data's way through the accelerator."""

from __future__ import annotations

from model.errors import LockstepError
from model.numeric.weights import FORMATS
from tb.common.weight_formats import weight_parameters
from tb.formal.proof import Parameters, Proof
from tb.synth import formats


def _elements() -> tuple[Parameters, ...]:
    """Processing elements: every weight format, other widths of activations, pairs, both dataflows."""
    weights = {name: weight_parameters(FORMATS[name]) for name in formats.NAMES}
    plain = [{"ActWidth": 4, **weights[name]} for name in weights]
    plain += [{"ActWidth": bits, **weights["int4"]} for bits in (1, 2, 8)]
    pairs = [{**each, "Simd": 1} for each in plain if each["ActWidth"] % 2 == 0]
    both = [{**plain[list(weights).index(name)], "OutputStationary": 1} for name in ("int4", "pot5")]
    return (*plain, *pairs, *both)


ELEMENTS = _elements()


def _element(**values: int) -> int:
    """The number of the first variant of a processing element with these parameters, and no mode that is not named."""
    wanted = {"Simd": 0, "OutputStationary": 0, "WgtPower": 0, "ActWidth": 4, **values}
    return next(i for i, each in enumerate(ELEMENTS) if all(each.get(n, 0) == v for n, v in wanted.items()))


_PLAIN = _element(WgtWidth=4)
_PAIR = _element(WgtWidth=4, Simd=1)
_BOTH = _element(WgtWidth=4, OutputStationary=1)
_POWER = _element(WgtPower=8, WgtZero=1)

PROOFS = (
    Proof(
        "fifo_order",
        "fifo",
        "loses, invents, reorders nothing; never more than Depth words; full and valid say so",
        "induction",
        depth=1,
        cover=36,
        variants=tuple({"Depth": depth} for depth in (4, 1, 2, 3, 16)),
        faults={"fifo_takes_one_word_more": 0},
        quick=True,
    ),
    Proof(
        "l0_lanes",
        "l0",
        "lane r leaves r cycles after it entered, zeros from the reset until then; so does every delay line",
        "induction",
        depth=9,
        cover=12,
        variants=({"Lanes": 4}, {"Lanes": 1}, {"Lanes": 8}),
        faults=dict.fromkeys(
            ("l0_skew_one_short", "l0_skew_reversed", "delay_one_cycle_short", "delay_reset_missing"), 0
        ),
        source="lane_delay",
    ),
    Proof(
        "ofifo_lanes",
        "ofifo",
        "the lanes of a line come together again, and are told exactly when all of them were valid",
        "induction",
        depth=9,
        cover=12,
        variants=({"Deskew": 1, "Lanes": 4}, {"Deskew": 1, "Lanes": 8}),
        faults=dict.fromkeys(("ofifo_deskew_one_short", "ofifo_valid_of_the_first_lane", "ofifo_valid_stuck_at_0"), 0),
        source="lane_delay",
    ),
    Proof(
        "pe_equation",
        "mac_tile",
        "psum, weights, pairs, sums and what is passed on equal the equation for all operands",
        "induction",
        depth=1,
        cover=8,
        variants=ELEMENTS,
        faults={
            **dict.fromkeys(
                (
                    "product_sign_lost",
                    "product_one_bit_short",
                    "activation_taken_as_signed",
                    "weight_sign_lost",
                    "psum_truncated_by_a_bit",
                    "psum_moves_without_a_pixel",
                    "swap_takes_the_arriving_flit",
                    "swap_one_cycle_late",
                    "weight_from_the_wrong_lane",
                    "flit_captured_without_valid",
                ),
                _PLAIN,
            ),
            **dict.fromkeys(
                ("pair_high_half_not_shifted", "pair_multiplied_by_one_weight", "pair_high_weight_one_pixel_late"),
                _PAIR,
            ),
            **dict.fromkeys(
                ("sum_not_begun_anew", "sum_handed_over_a_term_early", "last_term_taken_for_a_flit"), _BOTH
            ),
            **dict.fromkeys(("power_sign_is_no_carry", "power_zero_is_a_weight", "power_top_index_bit_unused"), _POWER),
        },
        quick=True,
    ),
    Proof(
        "psum_bound",
        "mac_tile",
        "a psum whose bound by the weights (docs/golden.md, equation 4) fits its register is exact and within it",
        "induction",
        depth=2,
        cover=6,
        variants=({}, {"PsumWidth": 16}, {"ActWidth": 8}, {"WgtWidth": 8}),
        faults=dict.fromkeys(("psum_truncated_by_a_bit", "activation_taken_as_signed"), 0),
    ),
    Proof(
        "sfp_equation",
        "sfp",
        "the sum from a first line to a last one, rectified if asked for; exact where the lines' bounds fit together",
        "induction",
        depth=1,
        cover=5,
        faults=dict.fromkeys(
            (
                "accumulator_not_cleared",
                "idle_line_added",
                "last_ignored",
                "last_line_not_added",
                "out_valid_reset_missing",
                "output_does_not_hold",
                "output_told_without_a_line",
                "relu_always",
                "relu_by_the_sign_of_the_last_line",
                "relu_missing",
                "relu_on_unsigned",
            ),
            0,
        ),
        quick=True,
    ),
    Proof(
        "requantize_equation",
        "requantize",
        "codes and wide values equal clamp((p*M + B) >>> S) with the M and B of their own tile, for all of them",
        "induction",
        depth=1,
        cover=6,
        variants=({}, {"WordWidth": 16}, {"ActWidth": 8, "PsumWidth": 24}),
        faults=dict.fromkeys(
            (
                "bias_not_sign_extended",
                "bias_swaps_one_line_early",
                "clamp_at_all_ones",
                "clamp_only_beyond_the_width",
                "negative_clamped_to_the_top",
                "parameters_swap_one_line_late",
                "shift_amount_of_five_bits",
                "shift_logical",
            ),
            0,
        ),
    ),
    Proof(
        "pool_equation",
        "pool",
        "the maximum over a window's codes, and none of them is larger",
        "induction",
        depth=1,
        cover=5,
        faults=dict.fromkeys(("pool_keeps_the_last_code", "pool_not_restarted", "pool_told_at_every_line"), 0),
        quick=True,
    ),
    Proof(
        "writeback_places",
        "writeback",
        "every line of a layer goes to its place and its parts of the line, tile after tile, in halves where asked for",
        "induction",
        depth=1,
        cover=10,
        variants=({}, {"Segs": 2}, {"Segs": 4}, {"Halves": 2}, {"Segs": 2, "Halves": 2}),
        faults={
            "output_tile_one_line_short": 0,
            "segments_below_overwritten": 1,
            "write_address_not_rewound": 1,
            "pair_counted_as_segment": 4,
        },
    ),
    Proof(
        "result_order",
        "result_stream",
        "lines leave as words, in order, each once, `last` with a run's last; lost only when Depth + 1 wait, and told",
        "induction",
        depth=1,
        cover=8,
        variants=({"Depth": 2},),
        faults=dict.fromkeys(
            (
                "last_with_the_first_word",
                "fifo_takes_one_word_more",
                "result_word_skips_a_stall",
                "result_held_back_for_ever",
            ),
            0,
        ),
        quick=True,
    ),
    Proof(
        "stream_rules",
        "accelerator",
        "AXI: what is valid stays as it is until taken; every access answered once, in time; for any engine",
        "induction",
        depth=1,
        cover=8,
        faults=dict.fromkeys(
            ("write_answer_withdrawn", "read_taken_while_one_waits", "result_word_skips_a_stall"),
            0,
        ),
        boxes=("engine",),
        quick=True,
    ),
    Proof(
        "walker_order",
        "walker",
        "every tuple of indices exactly once, in order, then the end; address, y, x are start + sum of steps",
        "induction",
        depth=1,
        cover=8,
        faults=dict.fromkeys(("inner_loop_starts_from_the_beginning", "loop_counts_without_the_ones_inside"), 0),
    ),
    Proof(
        "sequencer_runs",
        "sequencer",
        "layers in order, each once: FETCH 13 cycles, one walk, DRAIN; a step waits for nothing but weights; it ends",
        "induction",
        depth=9,
        cover=22,
        variants=(
            {},
            {"Simd": 1},
            {"OutputStationary": 1},
            {"Drain": 2},
            {"OutputStationary": 1, "Rows": 4, "Drain": 2},
            {"OutputStationary": 1, "Rows": 1, "Drain": 2, "Depth": 1},
        ),
        faults={
            "first_pixel_does_not_wait": 3,
            "layer_number_stays": 3,
            "drain_one_cycle_short": 3,
            "passes_not_compared_with_loops": 3,
            "unbuilt_mode_not_refused": 3,
            "waiting_not_counted": 3,
            "given_up_at_its_second_pixel": 3,
            "group_too_long_for_the_psums": 5,
            "group_ends_while_the_drain_is_full": 4,
            "drain_ends_with_the_first_line": 4,
        },
        boxes=("walker",),
    ),
    Proof(
        "engine_flow",
        "engine",
        "sequencer and loader: no deadlock under any stall pattern, no weight or parameter written over one that waits",
        "induction",
        depth=1,
        cover=32,
        variants=({"Groups": 2}, {"Groups": 2, "Simd": 1}),
        faults={
            "parameters_overtake_the_last_pass": 0,
            "flit_taken_into_a_full_shadow": 0,
            "parameter_taken_into_a_full_shadow": 0,
            "parameters_before_the_first_pass": 0,
            "swap_beside_the_last_flit_lost": 0,
            "first_pixel_does_not_wait": 0,
        },
        boxes=("walker",),
    ),
)


def choose(name: str | None) -> tuple[Proof, ...]:
    """All proofs, or the one with that name.

    Raises
    ------
    LockstepError
        When there is none.
    """
    found = tuple(proof for proof in PROOFS if name in (None, proof.name))
    if not found:
        known = ", ".join(proof.name for proof in PROOFS)
        raise LockstepError(f"there is no proof {name!r}; expected one of {known}")
    return found
