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
