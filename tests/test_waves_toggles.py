"""Toggles of a dump, against dumps whose changes are known."""

from __future__ import annotations

import pytest

from model.errors import LockstepError
from tb.waves.toggles import count

HEADER = """$timescale 1 ns $end
$scope module top $end
$var wire 1 ! clk_i $end
$var reg 4 # count [3:0] $end
$scope module below $end $var wire 4 # seen [3:0] $end $var wire 1 b bit $end $upscope $end
$upscope $end
$enddefinitions $end
"""
BODY = """#0 $dumpvars 0! bx # xb $end
#1 1! b0 # 0b
#2 0! b11 # 1b
#3 1! b1100 # xb
#4 0! b11 # 1b
#5 1! 0b
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.vcd").write_text(HEADER + BODY)
    return tmp_path / "a.vcd"


def test_every_bit_that_changes_counts_once(path):
    # count: x -> 0000 is no toggle, then 2, 4, 4; bit: x -> 0 none, 0 -> 1, 1 -> x -> 1 none, 1 -> 0
    assert count(path) == {"top.clk_i": 5, "top.count": 10, "top.below.bit": 2}


def test_what_is_before_the_beginning_sets_levels_only(path):
    assert count(path, begin=3000) == {"top.clk_i": 3, "top.count": 8, "top.below.bit": 1}


def test_only_the_wanted_names_count(path):
    assert count(path, wanted=lambda name: name.startswith("top.below.")) == {"top.below.seen": 10, "top.below.bit": 2}
    with pytest.raises(LockstepError, match="none of the signals"):
        count(path, wanted=lambda name: name == "elsewhere")
