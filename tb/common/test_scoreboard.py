"""Scoreboard and coverage fail when they should."""

from __future__ import annotations

import pytest

from tb.common.scoreboard import BitCoverage, Coverage, Scoreboard


def board() -> Scoreboard:
    """Two results promised, for cycles 3 and 5."""
    made = Scoreboard("psum")
    made.expect(3, [1, 2])
    made.expect(5, [3, 4])
    return made


def test_results_in_their_cycles_pass() -> None:
    scoreboard = board()
    for cycle, result in enumerate([None, None, None, [1, 2], None, [3, 4], None]):
        scoreboard.check(cycle, result)
    scoreboard.finish()


@pytest.mark.parametrize(
    ("cycle", "result", "message"),
    [
        (2, [1, 2], "cycle 2: got .1, 2., expected no valid result"),
        (3, None, "cycle 3: expected .1, 2., got no valid result"),
        (3, [1, 7], "psum: cycle 3, column 1: expected 2, got 7"),
        (3, [2, 1], "column 0: expected 1, got 2"),
        (3, [1], "1 words, expected 2"),
    ],
)
def test_wrong_early_and_late_results_fail(cycle: int, result: list[int] | None, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        board().check(cycle, result)


def test_missing_results_fail_at_the_end() -> None:
    with pytest.raises(AssertionError, match="2 results never came"):
        board().finish()


def test_a_test_that_expected_nothing_fails() -> None:
    with pytest.raises(AssertionError, match="nothing was ever expected"):
        Scoreboard("psum").finish()


def test_coverage_names_what_was_never_met() -> None:
    coverage = Coverage("bubble", "reset")
    coverage.hit("bubble")
    coverage.hit("reset", False)
    with pytest.raises(AssertionError, match="never met: reset"):
        coverage.finish()
    with pytest.raises(KeyError):
        coverage.hit("unheard of")
    coverage.hit("reset")
    coverage.finish()


def test_bits_that_were_not_both_are_named() -> None:
    bits = BitCoverage({"wide": 2, "stuck": 1}, never=["stuck"])
    bits.see("wide", 0b10)
    bits.see("stuck", 0)
    with pytest.raises(AssertionError, match=r"never met: wide\[0\] is 1, wide\[1\] is 0$"):
        bits.finish()
    bits.see("wide", 0b01)
    bits.finish()
    with pytest.raises(KeyError):
        bits.see("stuck", 1)
