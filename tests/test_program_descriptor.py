from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from model.errors import LockstepError
from model.program.descriptor import COUNT, FIELDS, SIGNED, USED, WORDS, WRAP, Descriptor

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rtl" / "sequencer.md"

PLAIN_ONE = Descriptor(
    **{item.name: 1 if item.kind == COUNT else 0 for item in FIELDS}  # a single pixel
)


def random_descriptor(rng: np.random.Generator) -> Descriptor:
    values = {item.name: int(rng.integers(item.least, item.most, endpoint=True)) for item in FIELDS}
    for item in FIELDS:
        if item.kind == WRAP:
            values[item.name] = int(rng.integers(-(1 << 15), 1 << 15))
    values["wx"], values["wy"] = int(rng.integers(1, 129)), int(rng.integers(1, 129))
    values["out_map"] = values["wx"] * values["wy"]
    values["os"] &= ~(values["simd"] | values["out_pair"])
    values["passes"] = values["kx"] * values["ky"] * values["sub"] * values["ic"]
    return Descriptor(**values)


def test_decode_is_the_inverse_of_encode() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        descriptor = random_descriptor(rng)
        words = descriptor.encode()
        assert words.dtype == np.uint32
        assert words.shape == (WORDS,)
        assert Descriptor.decode(words) == descriptor


def test_no_two_fields_share_a_bit_and_every_value_has_one() -> None:
    taken = np.zeros((WORDS, 32), int)
    for item in FIELDS:
        taken[item.word, item.low : item.low + item.width] += 1
    assert taken.max() == 1
    assert [item.name for item in FIELDS] == [item.name for item in fields(Descriptor)]


def test_fields_lie_where_the_page_says() -> None:
    """Every `high:low` (or lone bit) of the page's table is a field, word by word in its order, and no other is."""
    section = PAGE.read_text().partition("## Descriptor")[2].partition("\n## ")[0]
    told = []
    for word, text in re.findall(r"^\| (\d+) \| (.+?) \|$", section, re.MULTILINE):
        for high, low, alone in re.findall(r"(\d+):(\d+)|(\d+) (?=`)", text):
            told.append((int(word), int(low or alone), int(high or alone) - int(low or alone) + 1))
    assert told == [(item.word, item.low, item.width) for item in FIELDS]


def test_counts_are_coded_less_one_and_steps_wrap() -> None:
    assert PLAIN_ONE.encode().tolist() == [0] * WORDS
    some = replace(PLAIN_ONE, kx=3, ky=5, passes=15, in_start=-35, y_start=-1, x_kx=2, wide=1, planes=1, shift=40)
    words = some.encode().tolist()
    assert words[0] == 65536 - 35
    assert words[2] == 2 | 4 << 4
    assert words[7] == 0xFF
    assert words[8] == 2 << 24
    assert words[10] == 14
    assert words[11] == 40 | 1 << 16 | 1 << 17


@pytest.mark.parametrize("item", FIELDS, ids=lambda item: item.name)
def test_a_value_past_its_field_is_refused(item) -> None:
    for value in (item.least - 1, item.most + 1):
        with pytest.raises(LockstepError, match=rf"descriptor: {item.name} is {value}; expected {item.least}\.\."):
            replace(PLAIN_ONE, **{item.name: value})


def test_signed_fields_are_eight_bits() -> None:
    assert {item.width for item in FIELDS if item.kind == SIGNED} == {8}


def test_contradictions_are_refused() -> None:
    with pytest.raises(LockstepError, match="passes is 8; its loops make 9"):
        replace(PLAIN_ONE, kx=3, ky=3, passes=8)
    with pytest.raises(LockstepError, match="out_map is 5; its windows are 6"):
        replace(PLAIN_ONE, wx=3, wy=2, out_map=5)
    for mode in ("simd", "out_pair"):
        with pytest.raises(LockstepError, match="os beside simd or out_pair; expected one of them"):
            replace(PLAIN_ONE, os=1, **{mode: 1})
    with pytest.raises(LockstepError, match="a descriptor of 11 words; expected 12"):
        Descriptor.decode([0] * 11)


@pytest.mark.parametrize("word", range(WORDS))
def test_bits_that_belong_to_no_field_are_refused(word: int) -> None:
    """They were dropped: found by make fuzz."""
    words = PLAIN_ONE.encode().astype(np.int64)
    free = [bit for bit in range(33) if not USED[word] >> bit & 1]
    for bit in free:
        with pytest.raises(LockstepError, match=f"word {word} is"):
            Descriptor.decode(words + (1 << bit) * (np.arange(WORDS) == word))
