"""One reading of whole numbers for all."""

from __future__ import annotations

import doctest

import pytest

import model.typed
from model.errors import LockstepError
from model.typed import whole_number


def test_examples() -> None:
    assert doctest.testmod(model.typed) == (0, 1)


@pytest.mark.parametrize(
    "text", ["", "eight", "1.0", "1e3", "0x8", "1_0", " 8", "8\n", "+8", "--8", "٢", "²", "1" * 13]
)
def test_whatever_else_is_told_in_one_line(text: str) -> None:
    with pytest.raises(LockstepError, match=r"^COLS='.*' is not a whole number; expected COLS=8, for instance$"):
        whole_number("COLS", text, 8)
