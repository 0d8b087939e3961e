"""Words as lines of binary digits, most significant bit first, and back.

Whole files are converted at once: a digit is one byte, so a file is a matrix of bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model.errors import LockstepError

Array = np.ndarray[Any, Any]
ZERO, NEWLINE = ord("0"), ord("\n")


class Text(NamedTuple):
    """What one file of a kind holds: data lines, words a line, bits a word, two's complement or not."""

    lines: int
    words: int
    bits: int
    signed: bool

    @property
    def width(self) -> int:
        """Digits a line."""
        return self.words * self.bits


def encode(words: Array, text: Text) -> bytes:
    """Lines of digits for `words` (integer array [line][word], leftmost word first), each line ended by a newline.

    Raises
    ------
    LockstepError
        When a word does not fit its bits.
    """
    lines, count = words.shape
    least, most = (-(1 << text.bits - 1), (1 << text.bits - 1) - 1) if text.signed else (0, (1 << text.bits) - 1)
    bad = np.argwhere((words < least) | (words > most))
    if len(bad):
        line, word = (int(index) for index in bad[0])
        raise LockstepError(
            f"word {word} of line {line} is {int(words[line, word])}; expected {least}..{most} ({text.bits} bits)"
        )
    shifts = np.arange(text.bits - 1, -1, -1, dtype=np.int64)
    digits = np.empty((lines, count * text.bits + 1), np.uint8)
    digits[:, :-1] = ((words.astype(np.int64)[:, :, None] >> shifts & 1) + ZERO).reshape(lines, -1)  # (line, word, bit)
    digits[:, -1] = NEWLINE
    return digits.tobytes()


def decode(digits: Array, text: Text) -> Array:
    """Words (int64, [line][word]) of a matrix of digits (uint8 of value 0 or 1, [line][text.width])."""
    planes = digits.reshape(len(digits), text.words, text.bits)
    words = np.zeros(planes.shape[:2], np.int64)
    for bit in range(text.bits):
        words = 2 * words + planes[:, :, bit]
    if text.signed:
        words -= (words >> (text.bits - 1)) << text.bits
    return words


def read_text(path: Path, header_lines: int, text: Text, sha256: str | None = None) -> Array:
    """Words (int64, [line][word], leftmost first) of the file `path`: `read_digits`, decoded."""
    return decode(read_digits(path, header_lines, text, sha256), text)


def read_digits(path: Path, header_lines: int, text: Text, sha256: str | None = None) -> Array:
    """Digits (uint8 of value 0 or 1, [line][text.width]) of the file `path`.

    Parameters
    ----------
    path : Path
    header_lines : int
        Lines to skip; none of them may be data.
    text : Text
        What must follow. Blanks at the end of a line and empty lines at the end of the file are allowed.
    sha256 : str, optional
        What the file's bytes must hash to.

    Raises
    ------
    LockstepError
        When the file is missing; else names the first line that is not as it should be, what is found and expected.
    """
    enough = 2 * text.lines * (text.width + 2) + (1 << 20)
    try:
        if not path.is_file():
            raise LockstepError(f"{path} is {'not a file' if path.exists() else 'missing'}; expected {_content(text)}")
        with path.open("rb") as file:
            data = file.read(enough)
    except OSError as error:
        raise LockstepError(f"cannot read {path}: {error.strerror}") from error
    body = _skip_header(path, data, header_lines)
    digits = _regular(body, text)
    if digits is None:
        digits = _irregular(path, body, header_lines, text)
    if sha256 is not None and (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise LockstepError(f"{path}: sha256 is {found}; expected {sha256} by the manifest: the file was changed")
    return digits


def _skip_header(path: Path, data: bytes, header_lines: int) -> bytes:
    start = 0
    for number in range(1, header_lines + 1):
        end = data.find(b"\n", start)
        line = data[start : end if end >= 0 else len(data)].rstrip()
        if end < 0:
            raise LockstepError(
                f"{path} line {number}: the file ends in its header; expected {header_lines} header lines"
            )
        if line and not line.strip(b"01"):
            expected = f"a header line: header_lines ({header_lines}) is too large"
            raise LockstepError(f"{path} line {number}: found {len(line)} binary digits; expected {expected}")
        start = end + 1
    return data[start:]


def _regular(body: bytes, text: Text) -> Array | None:
    """Digits of a `body` that is exactly as we would write it (a missing last newline allowed), or None."""
    size = text.lines * (text.width + 1)
    if len(body) == size - 1:
        body += b"\n"
    if len(body) != size:
        return None
    matrix = np.frombuffer(body, np.uint8).reshape(text.lines, text.width + 1)
    digits = matrix[:, :-1] - ZERO  # wraps for bytes below "0"
    if (matrix[:, -1] != NEWLINE).any() or (digits > 1).any():
        return None
    return digits


def _irregular(path: Path, body: bytes, header_lines: int, text: Text) -> Array:
    """Digits of a `body` with blanks at line ends or empty lines at its end; whatever else it is is told."""
    lines = [line.rstrip(b" \t\r") for line in body.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    for index, line in enumerate(lines[: text.lines]):
        if len(line) != text.width or line.strip(b"01"):
            found, expected = _blame(line, text, index == 0)
            raise LockstepError(f"{path} line {header_lines + index + 1}: found {found}; expected {expected}")
    if len(lines) < text.lines:
        number = header_lines + len(lines) + 1
        raise LockstepError(f"{path} line {number}: the file ends after {len(lines)} data lines; expected {text.lines}")
    if len(lines) > text.lines:
        number = header_lines + text.lines + 1
        raise LockstepError(
            f"{path} line {number}: found a further line; expected the end after {text.lines} data lines"
        )
    return np.frombuffer(b"".join(lines), np.uint8).reshape(text.lines, text.width) - ZERO


def _blame(line: bytes, text: Text, first: bool) -> tuple[str, str]:
    """What is wrong with the data line `line` (the file's first one or not), and what it should be."""
    whole = f"{text.width} binary digits ({text.words} x {text.bits} bits)"
    odd = [byte for byte in line if byte not in b"01xXzZ \t"]
    if not line or 2 * len(odd) > len(line):
        found = f"{line[:16].decode(errors='replace')!r}" if line else "an empty line"
        return found, f"{whole}: header_lines is too small" if first else whole
    column = next((index for index, byte in enumerate(line) if byte not in b"01"), None)
    if column is None:
        return f"{len(line)} binary digits", whole
    character = chr(line[column])
    if character in "xXzZ":
        return f"{character!r} in column {column + 1}, an unknown value", "a binary digit"
    if character in " \t":
        return f"a blank in column {column + 1}", f"{whole} without blanks"
    return f"{character!r} in column {column + 1}", "a binary digit"


def _content(text: Text) -> str:
    return f"a file of {text.lines} lines of {text.words} x {text.bits} bits"
