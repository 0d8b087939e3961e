"""docs/verification.md's table of blocks against the tree: every block, its testbench, its proofs, its mutants."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tb.formal.proofs import PROOFS
from tb.mutants.patches import PATCHES, read_mutants

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = sorted(path.stem for path in (ROOT / "rtl").glob("*.v"))
ROW = re.compile(r"^\| \[?`(\w+)`(?:\]\(rtl/\w+\.md\))? \| (.*) \| (.*) \| (\d+) \|$", re.MULTILINE)
NAME = re.compile(r"`([\w/]+)`")


def rows() -> dict[str, tuple[str, str, int]]:
    text = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
    return {block: (tested, proofs, int(mutants)) for block, tested, proofs, mutants in ROW.findall(text)}


def test_every_block_has_its_row() -> None:
    assert sorted(rows()) == BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
def test_a_row_says_what_there_is(block: str) -> None:
    tested, proofs, mutants = rows()[block]
    assert NAME.findall(proofs) == [proof.name for proof in PROOFS if proof.block == block]
    assert mutants == Counter(mutant.module for mutant in read_mutants(PATCHES))[block]
    own = ROOT / "tb" / block
    if own.is_dir():
        assert NAME.findall(tested) == [f"tb/{block}"]
        assert list(own.glob("test_*.py"))
    else:
        inside = NAME.findall(tested)
        assert inside
        assert all(list((ROOT / "tb" / each).glob("test_*.py")) for each in inside)
