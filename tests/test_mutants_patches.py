"""The patches: each applies, changes one file and makes RTL of its own, and odd ones are refused in one line."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from model.errors import LockstepError
from tb.common.sources import read_rtl
from tb.mutants.campaign import mutate
from tb.mutants.patches import PATCHES, read_mutant, read_mutants
from tests.mutant_patches import TOLD, write_patch

ROOT = Path(__file__).resolve().parents[1]
RTL = read_rtl()
MUTANTS = read_mutants()


def code(source: str) -> str:
    """Verilog without comments and layout."""
    return re.sub(r"\s+", " ", re.sub(r"//.*", "", source))


def test_there_are_enough_and_every_module_has_one() -> None:
    assert len(MUTANTS) >= 20
    assert {mutant.module for mutant in MUTANTS} == set(RTL)


def test_names_are_unique_and_told_in_the_docs() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) == len(list(PATCHES.glob("*.patch")))
    page = (ROOT / "docs" / "mutants.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) \|", page, re.MULTILINE)
    assert sorted(told) == sorted((mutant.name, mutant.module, mutant.fault) for mutant in MUTANTS)


def test_every_patch_applies_and_no_two_make_the_same_rtl() -> None:
    made = {code(mutate(mutant, RTL)[mutant.module]) for mutant in MUTANTS}
    assert len(made) == len(MUTANTS)
    assert not made & {code(source) for source in RTL.values()}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_applies_them_to_the_same_effect(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "rtl", tmp_path / "rtl")
    for mutant in MUTANTS[::8]:
        subprocess.run(["git", "apply", str(mutant.path)], cwd=tmp_path, check=True)
        assert (tmp_path / "rtl" / f"{mutant.module}.v").read_text() == mutate(mutant, RTL)[mutant.module]
        subprocess.run(["git", "apply", "-R", str(mutant.path)], cwd=tmp_path, check=True)


def test_a_hunk_that_has_moved_still_applies(tmp_path: Path) -> None:
    mutant = read_mutant(write_patch(tmp_path, "moved", TOLD + " // changed"))
    source = "// a\n// b\n" + RTL["sfp"]
    assert mutant.apply(source) == source.replace(TOLD, TOLD + " // changed")


def test_of_several_places_the_one_it_says_is_meant(tmp_path: Path) -> None:
    mutant = read_mutant(write_patch(tmp_path, "twice", "  // changed"))
    block = f"\n{TOLD}\n  assign out_o       = out_q;\n"
    changed, before = block.replace(TOLD, "  // changed"), "\n" * 63
    assert mutant.apply(before + block + block) == before + block + changed
    with pytest.raises(LockstepError, match=r"hunk 1 fits lines 1, 4 of rtl/sfp\.v, but not line 67, where it says"):
        mutant.apply(block + block)


def test_a_hunk_whose_lines_are_gone_is_an_error(tmp_path: Path) -> None:
    mutant = read_mutant(write_patch(tmp_path, "gone", "  // changed", old="  assign out_valid_o = 1'b0;"))
    with pytest.raises(LockstepError, match=r"gone\.patch does not apply: hunk 1 .* not in rtl/sfp\.v .* again"):
        mutate(mutant, RTL)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.partition("\n")[2], "line 1: expected `# Fault"),
        (lambda text: text.replace(". Stands for: a test.", ""), "line 1: expected `# Fault"),
        (lambda text: text.replace("rtl/sfp.v", "tb/sfp.v"), "exactly one file"),
        (lambda text: text + text.partition("\n")[2], "exactly one file"),
        (lambda text: text.replace("67,3 +67,3", "67,3 +67,4"), "3 old and 3 new lines, its head promises 3 and 4"),
        (lambda text: text.partition("@@")[0], "changes nothing"),
        (lambda text: text.replace("@@ -67,3 +67,3 @@", "@@ 67 @@"), "line 4: '@@ 67 @@' belongs to no hunk"),
        (lambda text: text + "and so on\n", "line 9: 'and so on' belongs to no hunk"),
    ],
)
def test_an_odd_patch_is_refused(tmp_path: Path, edit: Callable[[str], str], message: str) -> None:
    path = write_patch(tmp_path, "odd", "  // changed")
    path.write_text(edit(path.read_text()))
    with pytest.raises(LockstepError, match=message) as error:
        read_mutant(path)
    assert "\n" not in str(error.value)


def test_a_name_that_is_no_fault_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LockstepError, match="named by its fault"):
        read_mutant(write_patch(tmp_path, "Mutant-3", "  // changed"))
