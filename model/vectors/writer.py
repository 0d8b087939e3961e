"""A VectorSet as the files of a folder, in the one dialect that we write: see docs/vectors.md.

The same set gives the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.vectors.manifest import NAME, SIMD
from model.vectors.reader import VectorSet
from model.vectors.text import Text, encode

Array = np.ndarray[Any, Any]


def render(vectors: VectorSet) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file, the manifest with the hashes of the others last.

    Parameters
    ----------
    vectors : VectorSet
        With psums, addresses and one set of outputs; its manifest says the standard dialect: high words first, a
        weight line for each column (for a circuit that multiplies pairs two, of its even and of its odd rows), three
        header lines (none in the address file), useful positions.

    Raises
    ------
    LockstepError
        When a word does not fit its width, or the manifest says another dialect.
    """
    told = vectors.manifest
    _require_standard(vectors)
    hashes = {}
    for name, content in _texts(vectors):
        hashes[name] = hashlib.sha256(content).hexdigest()
        yield name, content
    yield NAME, told.with_hashes(hashes).to_json().encode()


def _texts(vectors: VectorSet) -> Iterator[tuple[str, bytes]]:
    told, files = vectors.manifest, vectors.manifest.files
    powers = told.bits.wgt_power
    rows, cols = f"row{told.array.rows - 1}..row0", f"col{told.array.cols - 1}..col0"
    for ic in range(told.tiles.ic):
        head = _header(f"activation,ic{ic}", "a-line-is-one-padded-map-position", rows, told.activation_text)
        name = told.file_name(files.activation.pattern, ic=ic)
        yield name, _file(name, head, vectors.act[ic], told.activation_text)
    for oc, ic, kij in told.passes(files.weight.pattern):
        line, order, words = "a-line-is-one-column", rows, vectors.wgt[oc, ic, kij]
        if told.mode == SIMD:
            line, order = "two-lines-are-one-column", f"{rows},the-even-ones,then-the-odd-ones"
            words = words.reshape(-1, words.shape[1] // 2, 2).transpose(0, 2, 1).reshape(2 * len(words), -1)
        head = _header(f"weight,oc{oc},ic{ic},kij{kij}", line, order, told.weight_text, "sign-and-index")
        name = told.file_name(files.weight.pattern, oc, ic, kij)
        yield name, _file(name, head, words if powers is None else told.bits.weights.encode(words), told.weight_text)
    assert files.psum is not None
    assert vectors.psum is not None
    for oc, ic, kij in told.passes(files.psum.pattern):
        head = _header(f"psum,oc{oc},ic{ic},kij{kij}", "a-line-is-one-output-position", cols, told.psum_text)
        name = told.file_name(files.psum.pattern, oc, ic, kij)
        yield name, _file(name, head, vectors.psum[oc, ic, kij], told.psum_text)
    assert files.acc is not None
    assert vectors.acc is not None
    yield (
        files.acc.pattern,
        _file(files.acc.pattern, b"", vectors.acc.reshape(-1, 1), told.acc_text),
    )  # an address a line
    relu, out = vectors.outs[0]
    for oc in range(told.tiles.oc):
        head = _header(f"out,oc{oc},{'relu' if relu else 'raw'}", "a-line-is-one-output-position", cols, told.out_text)
        name = told.file_name(files.out[0].pattern, oc=oc)
        yield name, _file(name, head, out[oc], told.out_text)


def _file(name: str, head: bytes, words: Array, text: Text) -> bytes:
    """One file: the header, then the words of each line with the highest row or column leftmost."""
    try:
        return head + encode(words[:, ::-1], text)
    except LockstepError as error:
        raise LockstepError(f"{name}: {error}") from error


def _header(what: str, line: str, order: str, text: Text, unsigned: str = "unsigned") -> bytes:
    """Three lines that begin with # and hold no white space, so that a testbench skips them with three %s reads."""
    kind = "signed" if text.signed else unsigned
    return f"#{what}\n#{line}:{order}\n#{text.lines}-lines,{text.bits}-bits-a-word,{kind},msb-first\n".encode()


def _require_standard(vectors: VectorSet) -> None:
    told = vectors.manifest
    files = told.files
    texts: list[Any] = [files.activation, files.weight, *([files.psum] if files.psum else []), *files.out]
    standard = (
        files.psum is not None
        and files.acc is not None
        and len(files.out) == 1
        and all(file.header_lines == 3 and file.first_word == "high" for file in texts)
        and (files.acc.header_lines, files.acc.base, told.positions) == (0, 0, "useful")
        and files.weight.line == ("column_even_odd" if told.mode == SIMD else "column")
        and "{kij}" in files.weight.pattern
        and "{kij}" in files.psum.pattern
    )
    if not standard or vectors.psum is None or vectors.acc is None:
        raise LockstepError("this set is not in the dialect that is written here; expected one made by `generate`")
