"""The accelerator under a host that does things wrong: a few episodes; and the fuzzer finds what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tb.common.runner import ROOT
from tb.fuzz import campaign
from tb.mutants.patches import read_mutant

FEW = 4  # of `make fuzz ONLY=bus`, one on each array


@pytest.mark.slow
def test_a_host_that_does_things_wrong_is_told_and_does_no_harm(tmp_path: Path) -> None:
    found = campaign.episodes(FEW, 1, tmp_path)
    assert found["defect"] is None
    assert found["examples"] == FEW
    assert found["refusals"] > 0, "nothing that was done was wrong"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "seed", "number"),
    [("passes_not_compared_with_loops", 1, 76), ("missing_last_not_told", 1, 0)],
)
def test_a_fault_is_found(fault: str, seed: int, number: int, tmp_path: Path) -> None:
    mutant = read_mutant(ROOT / "tb" / "mutants" / f"{fault}.patch")
    (tmp_path / "rtl").mkdir()
    for source in (ROOT / "rtl").glob("*.v"):
        text = source.read_text()
        (tmp_path / "rtl" / source.name).write_text(mutant.apply(text) if source.stem == mutant.module else text)
    found = campaign.episodes(1, seed, tmp_path, number, tmp_path / "rtl")
    assert f"REPLAY={seed}:{number}" in str(found["defect"])
