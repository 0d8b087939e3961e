"""The numeric check: a good set has no mismatch, a wrong word is found as exactly that word."""

from __future__ import annotations

import numpy as np
import pytest

from model.vectors.check import Mismatch, check_set, true_outputs, true_psums
from model.vectors.manifest import from_json
from model.vectors.reader import read_set
from tests.vector_sets import DIALECTS, Foreign, digits


def spoil(path, line, word, bits, value):
    """Replace word `word` (from 0, leftmost) of line `line` (from 1) of the file `path`."""
    lines = path.read_text().splitlines()
    text = lines[line - 1]
    lines[line - 1] = text[: word * bits] + digits(value, bits) + text[(word + 1) * bits :]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_good_set_has_no_mismatch(dialect, tmp_path):
    foreign = Foreign(**DIALECTS[dialect])
    vectors = read_set(foreign.write(tmp_path), from_json(foreign.manifest()))
    assert check_set(vectors) == []
    np.testing.assert_array_equal(true_psums(vectors), foreign.p)
    np.testing.assert_array_equal(true_outputs(vectors), foreign.o)


def test_one_bad_psum_word_is_found_as_that_word(tmp_path):
    foreign = Foreign(positions="all", ic=2, oc=2)
    folder = foreign.write(tmp_path)
    name = "psum_itile1_otile0_kij2.txt"
    spoil(folder / name, 3 + 16 + 1, 2, 16, -32768)  # position 16; the rightmost of three words is column 0
    true = int(foreign.p[0, 1, 2, 16, 0])
    found = check_set(read_set(folder, from_json(foreign.manifest())))
    assert found == [Mismatch("psum", name, 20, 0, 1, 2, 16, 0, -32768, true)]
    assert str(found[0]) == f"{name} line 20 (psum oc 0 ic 1 kij 2 position 16 column 0): found -32768, expected {true}"


def test_bad_words_in_files_of_all_kernel_positions_and_low_first(tmp_path):
    foreign = Foreign(whole=True, psum_first="low", oc=2)
    folder = foreign.write(tmp_path)
    spoil(folder / "psum_itile0_otile1.txt", 3 + 4 * 9 + 5 + 1, 1, 16, 1234)  # kij 4, position 5, column 1
    (found,) = check_set(read_set(folder, from_json(foreign.manifest())))
    assert (found.line, found.oc, found.kij, found.position, found.column) == (45, 1, 4, 5, 1)
    assert (found.found, found.expected) == (1234, int(foreign.p[1, 0, 4, 5, 1]))


def test_bad_address_and_bad_outputs_are_found_with_the_values_of_the_file(tmp_path):
    foreign = Foreign(base=1, relus=(True, False), seed=2)
    folder = foreign.write(tmp_path)
    spoil(folder / "acc.txt", 12, 0, 11, 7)  # output 1, kij 2
    spoil(folder / "out_relu_otile0.txt", 4, 0, 16, 99)  # output 0, column 2
    spoil(folder / "out_otile0.txt", 12, 2, 16, -5)  # output 8, column 0
    acc, relu, raw = check_set(read_set(folder, from_json(foreign.manifest())))
    assert acc == Mismatch("acc", "acc.txt", 12, None, None, 2, 1, None, 7, 2 * 9 + 1 + 1)
    assert str(acc) == "acc.txt line 12 (acc kij 2 position 1): found 7, expected 20"
    assert relu == Mismatch("out", "out_relu_otile0.txt", 4, 0, None, None, 0, 2, 99, max(0, int(foreign.o[0, 0, 2])))
    assert raw == Mismatch("out", "out_otile0.txt", 12, 0, None, None, 8, 0, -5, int(foreign.o[0, 8, 0]))


def test_relu_files_called_raw_are_wrong_wherever_the_sum_is_negative(tmp_path):
    foreign = Foreign(relus=(True,), seed=4)
    value = foreign.manifest()
    value["files"]["out"][0]["relu"] = False
    found = check_set(read_set(foreign.write(tmp_path), from_json(value)))
    assert len(found) == int((foreign.o < 0).sum()) > 0
