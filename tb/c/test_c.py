"""Generated C on this machine: equal to the golden model in every format, and faults in every stage of it are found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.c.source import SOURCE, generate
from model.golden.execute import logits
from model.graph.graph import IntegerGraph
from model.numeric.weights import FORMATS, named
from tb.c import host
from tb.c.compilers import CompileError, of_this_machine
from tb.c.kinds import BIASES, KINDS, noise

Array = np.ndarray[Any, Any]
SAMPLE = 300  # inputs; `make c-proof` runs 10,000
COMPILER = of_this_machine()
# Each format once in both styles; kinds and signs go round, so that every format meets others of them. Unrolled
# integers are many statements, which gcc is slow at under sanitizers: the smallest network, and without them.
CASES = [
    (name, style, "signals" if style == "unrolled" and "int" in name else kind, list(BIASES)[(at + at // 3) % 3])
    for at, name in enumerate(FORMATS)
    for style, kind in (("packed", list(KINDS)[at % 3]), ("unrolled", list(KINDS)[(at + 1) % 3]))
]


def run(
    graph: IntegerGraph,
    folder: Path,
    source: str | None = None,
    count: int = SAMPLE,
    sanitize: bool = True,
    **wishes: Any,
) -> Array:
    """Logits of the C of `graph`, or of `source` in its place."""
    generated = generate(graph, **wishes)
    host.write(generated, folder)
    if source is not None:
        (folder / SOURCE).write_text(source)
    return host.run(host.build(folder, COMPILER, sanitize, "-O0"), graph, noise(graph.input_shape, 255, count, 1))


@pytest.mark.parametrize(("name", "style", "kind", "bias"), CASES, ids=lambda value: str(value))
def test_logits_equal_the_golden_models(tmp_path: Path, name: str, style: str, kind: str, bias: str) -> None:
    graph = KINDS[kind](named(name), BIASES[bias], 7)
    multiplier, many = style == "packed" and "int" in name, style == "unrolled" and "int" in name
    np.testing.assert_array_equal(
        run(graph, tmp_path, sanitize=not many, style=style, multiplier=multiplier),
        logits(graph, noise(graph.input_shape, 255, SAMPLE, 1)),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMATS)
def test_the_inputs_tell_logits_apart(name: str, kind: str) -> None:
    """Equality says little where most inputs give the same: here hardly two do."""
    for bias in BIASES.values():
        graph = KINDS[kind](named(name), bias, 7)
        found = logits(graph, noise(graph.input_shape, 255, SAMPLE, 1))
        assert len(np.unique(found, axis=0)) > 0.7 * SAMPLE


# What is done to the C of `planes` in pot4, packed, and how it must be found: by a sanitizer's words, or by logits.
FAULTS = {
    "a shift that is one too far": (r"t >>= s1\[q\];", "t = t >> s1[q] >> 1;", None),
    "a bias that is left out": (r"\(uint32_t\)b3\[q\]", "(uint32_t)b3[q] * 0u", None),
    "a negative sum that is not clamped": (r"    if \(t < 0\)\n        return 0;\n(    t >>= .*;)", r"\1", None),
    "pixels that are read as signed": (r"\(uint32_t\)\*a <<", "(uint32_t)(int8_t)*a <<", None),
    "shifts of weights that end at 4": (r"<< \(word & 7u\)", "<< ((word & 7u) < 4u ? (word & 7u) : 4u)", None),
    "a wrong weight": (r"w2\[(\d+)\] = \{\n    0x(\w+),", r"w2[\1] = {\n    0x\2 ^ 0x8,", None),
    "pooling that misses a row": (r"dy < 2", "dy < 1", None),
    "two maps in one place": (r"layer3\(.*\);", "layer3(arena, arena, arena);", None),
    "weights read past their end": (r"(for \(int ky = 0; ky <) 3", r"\1 4", "global-buffer-overflow"),
    "a row read before the map": (r"if \(y < 0 \|\| ", "if (y < -1 || ", "overflow"),
    "a column read behind the map": (r"x >= 8\)", "x >= 9)", "overflow"),
    "logits written past their end": (r"o < 5; o\+\+", "o < 6; o++", "overflow"),
    "a shift by more bits than there are": (r"<< \(word & 7u\)", "<< ((word & 7u) + 32u)", "shift exponent"),
    "a sum that leaves 32 bits": (
        r"(static int32_t psum1\(.*\{\n    int32_t p =) 0;",
        r"\1 INT32_MAX;",
        "signed integer",
    ),
    "a warning": (r"int32_t best = INT32_MIN;", "int32_t best = INT32_MIN, idle;", "unused variable"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_c_is_found(tmp_path: Path, fault: str) -> None:
    pattern, instead, told = FAULTS[fault]
    graph = KINDS["planes"](named("pot4"), 1, 7)
    source = generate(graph, "packed", False).source
    broken, count = re.subn(pattern, instead, source, count=1)
    assert count == 1, f"the C has no {pattern}"
    if told is None:
        expected = logits(graph, noise(graph.input_shape, 255, 60, 1))
        assert (run(graph, tmp_path, broken, count=60) != expected).any()
    else:
        with pytest.raises(CompileError, match=told):
            run(graph, tmp_path, broken, count=60)
