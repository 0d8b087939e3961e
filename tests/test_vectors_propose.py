"""The proposal: every dialect is recognised from the files alone; what the data leave open is called a guess."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from model.errors import LockstepError
from model.vectors import candidates
from model.vectors.check import check_set
from model.vectors.manifest import from_json
from model.vectors.propose import propose
from model.vectors.reader import read_set
from tests.test_vectors_check import spoil
from tests.vector_sets import DIALECTS, Foreign


def neutral(manifest):
    """What data can settle of `manifest`: not which end of both operands' rows is first, nor what a lone number is."""
    files = manifest.files
    flip = {"high": "low", "low": "high", "column_even_odd": "column_odd_even", "column_odd_even": "column_even_odd"}
    act, wgt, line = files.activation.first_word, files.weight.first_word, files.weight.line
    results = [files.psum.first_word] if files.psum else []
    results += sorted(out.first_word for out in files.out)
    if line == "row":  # columns reversed in weights and results are other names of the columns
        if wgt == "low":
            wgt, results = "high", [flip[first] for first in results]
    elif act == "low":  # rows reversed in both operands are other names of the rows; the even ones become the odd ones
        act, wgt, line = "high", flip[wgt], flip.get(line, line)
    outs = sorted((out.header_lines, out.relu) for out in files.out)
    acc = files.acc and (files.acc.pattern, files.acc.base)
    heads = files.activation.header_lines, files.weight.header_lines, files.psum and files.psum.header_lines
    shape = manifest.array, manifest.bits, manifest.layer, manifest.tiles
    return (*shape, act, wgt, line, results, outs, acc, heads, "{kij}" in files.weight.pattern)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_recognised(dialect, tmp_path):
    foreign = Foreign(**DIALECTS[dialect])
    told = from_json(foreign.manifest())
    proposal = propose(foreign.write(tmp_path))
    assert check_set(read_set(tmp_path, proposal.manifest)) == []
    assert proposal.matched == proposal.total > 0
    assert proposal.ignored == ()
    assert neutral(proposal.manifest) == neutral(told)
    if foreign.psum or foreign.acc:
        assert proposal.manifest.positions == told.positions


def test_what_the_data_settle_is_confirmed_and_the_rest_called_a_guess(tmp_path):
    proposal = propose(Foreign(relus=(True, False), out_first="low").write(tmp_path))
    for entry in (
        "array = 4x3",
        "layer.kernel = 3x3",
        "layer.stride = 1x1",
        "files.weight.line = column",
        "activation and weight words in the same order = yes",
        "acc.txt base = 0",
        "out_otile0.txt first_word = low",
        "out_otile0.txt relu = no",
        "out_relu_otile0.txt relu = yes",
        "psum_itile0_otile0_kij*.txt positions = useful",
    ):
        assert entry in proposal.confirmed
    assert "files.activation.first_word = high (low would do as well)" in proposal.guessed
    assert "files.weight.first_word = high (low would do as well)" in proposal.guessed
    report = proposal.report().splitlines()
    assert report[0] == f"{proposal.total} of {proposal.total} words agree with the convolution of the operands"
    assert "confirmed by the data: array = 4x3" in report
    assert "guess: files.weight.first_word = high (low would do as well)" in report


def test_transposed_weights_are_told_by_the_data_alone(tmp_path):
    square = {"rows": 4, "cols": 4, "psum": False, "acc": False, "names": {"weight": "weight_{kij}.txt"}}
    for line in ("column", "row"):
        proposal = propose(Foreign(line=line, **square).write(tmp_path / line))
        assert proposal.manifest.files.weight.line == line
        assert f"files.weight.line = {line}" in proposal.confirmed


def test_outputs_that_are_never_negative_leave_relu_a_guess(tmp_path):
    foreign = Foreign()
    foreign.w[:] = abs(foreign.w) % 8
    for array, terms in ((foreign.p, True), (foreign.o, False)):
        array[:] = 0
        for kij in range(foreign.kijs):
            for onij in range(foreign.len_onij):
                for col in range(foreign.cols):
                    term = foreign.dot(0, 0, kij, foreign.nij(kij, onij), col)
                    array[(0, 0, kij, onij, col) if terms else (0, onij, col)] += term
    proposal = propose(foreign.write(tmp_path))
    assert "out_relu_otile0.txt relu = yes (no would do as well)" in proposal.guessed


def test_examples_in_the_text_hold():
    assert doctest.testmod(candidates) == (0, 1)


def test_one_bad_word_does_not_spoil_the_proposal(tmp_path):
    foreign = Foreign(positions="all", relus=(True, False))
    folder = foreign.write(tmp_path)
    spoil(folder / "psum_itile0_otile0_kij2.txt", 20, 2, 16, -32768)
    proposal = propose(folder)
    assert proposal.total - proposal.matched == 1
    assert neutral(proposal.manifest) == neutral(from_json(foreign.manifest()))
    (found,) = check_set(read_set(folder, proposal.manifest))
    assert (found.kij, found.position, found.column, found.found) == (2, 16, 0, -32768)


def test_other_files_are_left_out_with_the_reason(tmp_path):
    folder = Foreign().write(tmp_path)
    (folder / "README.md").write_text("# Notes\n101\nnot vectors\n")
    (folder / ".hidden.txt").write_text("0101\n")
    (folder / "activation_os.txt").write_text("0101\n" * 7)
    (folder / "output_other.txt").write_text((folder / "out_relu_otile0.txt").read_text().replace("0", "1"))
    proposal = propose(folder)
    assert proposal.ignored[0] == "README.md (its shape fits none of psums, addresses and outputs)"
    assert proposal.ignored[1] == "activation_os.txt (its shape fits none of psums, addresses and outputs)"
    assert proposal.ignored[2].startswith("output_other.txt (at best ")
    assert len(proposal.ignored) == 3


def test_proposal_says_the_same_in_another_folder_and_writes_nothing(tmp_path):
    folder = Foreign(ic=2, padded=(4, 4)).write(tmp_path / "set")
    before = {path: path.read_bytes() for path in folder.rglob("*")}
    first = propose(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*")} == before
    assert propose(folder) == first
    assert replace(first).report() == first.report()


def test_folders_that_cannot_be_understood_are_refused_in_one_line(tmp_path):
    with pytest.raises(LockstepError) as caught:
        propose(tmp_path / "none")
    assert str(caught.value) == f"{tmp_path}/none is missing; expected a folder of vectors"
    with pytest.raises(LockstepError) as caught:
        propose(tmp_path)
    assert str(caught.value) == f"{tmp_path} holds no file of binary digits; expected a folder of vectors"
    operands = Foreign(psum=False, acc=False, relus=()).write(tmp_path / "operands")
    with pytest.raises(LockstepError) as caught:
        propose(operands)
    assert str(caught.value) == (
        f"{operands}: no activations, weights and results of shapes that fit "
        "(activation_tile0.txt: 1 x 25 lines of 16; "
        "weight_itile0_otile0_kij*.txt: 9 x 3 lines of 16); write manifest.json by hand (docs/vectors.md)"
    )


def test_numbers_that_agree_under_no_reading_are_refused(tmp_path):
    folder = Foreign(psum=False, acc=False).write(tmp_path / "a")
    other = Foreign(psum=False, acc=False, seed=9).write(tmp_path / "b")
    (other / "out_relu_otile0.txt").rename(folder / "out_relu_otile0.txt")
    with pytest.raises(
        LockstepError, match=r"under no reading of its files do the numbers agree \(at best \d+% of a file's"
    ):
        propose(folder)


def test_a_missing_kernel_position_is_no_complete_set(tmp_path):
    folder = Foreign(psum=False, acc=False).write(tmp_path)
    (folder / "weight_itile0_otile0_kij4.txt").unlink()
    with pytest.raises(
        LockstepError, match=r"no activations, weights and results of shapes that fit \(.*: 8 x 3 lines"
    ):
        propose(folder)


def test_a_damaged_file_is_named(tmp_path):
    folder = Foreign().write(tmp_path)
    path = folder / "weight_itile0_otile0_kij4.txt"
    path.write_text(path.read_text().replace("0", "x", 8))
    with pytest.raises(LockstepError, match=r"kij4.txt line 4: found '(x|0)+.*"):
        propose(folder)
