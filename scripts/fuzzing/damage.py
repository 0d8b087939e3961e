"""Valid files made wrong on purpose: bits, lines, numbers, JSON trees, archives, and what stands where a file should.

A step of damage is a number, the seed of its choices: Hypothesis draws a few steps, leaves out what a failure does not
need, and the same numbers do the same damage again.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from scripts.fuzzing.archive import damage_archive
from scripts.fuzzing.tree import damage_json

NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
AWKWARD = (
    *(b"0", b"-1", b"1", b"2", b"255", b"256", b"-32769", b"65536", b"2147483648", b"1000000000000"),
    *(b"9223372036854775808", b"1" * 5000, b"nan", b"inf", b"-inf", b"1e999", b"0.5", b"1_0", b"0x10", b"+3", b""),
    *("\u0663".encode(), b"\xb2", b"true", b'"7"', b"1 2"),
)
INSERTED = (
    b"\0",
    b"\r\n",
    b"\n",
    b"\n\n",
    b" ",
    b"\t",
    b"\x1b[2J",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x85",
    b"\xa0",
    b"x",
)
NESTED = (b"[" * 100_000, b'{"a":' * 100_000, b"(" * 100_000, b"[[" * 2000 + b"]]" * 2000)


class Place(enum.Enum):
    """What stands in a file's place."""

    MISSING = "nothing"
    FOLDER = "a folder"
    LOOP = "a link to itself"
    PIPE = "a pipe that nobody writes to"
    DEVICE = "a device without an end"
    LARGE = "an empty file of 64 GiB"


Content = bytes | Place
Way = Callable[[bytes, Random], bytes]


def put(folder: Path, files: Mapping[str, Content]) -> None:
    """Write `files` below `folder`, which is created."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is Place.FOLDER:
            path.mkdir()
        elif content is Place.LOOP:
            path.symlink_to(path.name)
        elif content is Place.PIPE:
            os.mkfifo(path)
        elif content is Place.DEVICE:
            path.symlink_to("/dev/zero")
        elif content is Place.LARGE:
            with path.open("wb") as file:
                file.truncate(1 << 36)


def damaged(files: Mapping[str, bytes], targets: Sequence[str], steps: Sequence[int]) -> dict[str, Content]:
    """`files`, of which each of `steps` damages one of `targets` further."""
    found: dict[str, Content] = dict(files)
    for step in steps:
        rng = Random(step)
        name = rng.choice(targets)
        content = found[name]
        if isinstance(content, bytes):
            kind = rng.randrange(20)
            if kind == 0:
                found[name] = rng.choice(list(Place))
            else:
                found[name] = rng.randbytes(rng.randrange(200)) if kind == 1 else changed(name, content, rng)
    return found


def changed(name: str, content: bytes, rng: Random) -> bytes:
    """`content` with one change that fits its kind of file."""
    ways: list[Way] = [_bits, _slices, _inserted]
    if name.endswith(".json"):
        ways += [damage_json] * 6 + [_numbers, _lines]
    elif content[:2] == b"PK":
        ways += [lambda data, rng: damage_archive(data, rng, changed)] * 6
    elif b"\0" not in content:
        ways += [_numbers] * 3 + [_lines] * 3 + [_words]
    return rng.choice(ways)(content, rng)


def _bits(content: bytes, rng: Random) -> bytes:
    """One to four bits turned over."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4) if data else 0):
        data[rng.randint(0, len(data) - 1)] ^= 1 << rng.randint(0, 7)
    return bytes(data)


def _slices(content: bytes, rng: Random) -> bytes:
    """A piece left out, doubled, put elsewhere or set to one byte; or all that follows a place left out."""
    start = rng.randint(0, len(content))
    end = min(len(content), start + rng.randint(1, 64))
    piece, rest = content[start:end], content[:start] + content[end:]
    other = rng.randint(0, len(rest))
    fill = rng.choice((b"\0", b"\xff", b"0", b"1"))
    ways = (content[:start], rest, content[:end] + piece + content[end:], rest[:other] + piece + rest[other:])
    return rng.choice((*ways, content[:start] + fill * len(piece) + content[end:], b"", content + content))


def _inserted(content: bytes, rng: Random) -> bytes:
    """Bytes that do not belong there, at a place or at an end."""
    at = rng.choice((0, len(content), rng.randint(0, len(content))))
    return content[:at] + rng.choice((*INSERTED, *NESTED, rng.randbytes(4))) + content[at:]


def _numbers(content: bytes, rng: Random) -> bytes:
    """A number of the text replaced by an awkward one."""
    found = list(NUMBER.finditer(content))
    if not found:
        return content
    match = rng.choice(found)
    fresh = rng.choice((*AWKWARD, b"%d" % rng.randint(-(1 << rng.randrange(70)), 1 << 20)))
    return content[: match.start()] + fresh + content[match.end() :]


def _words(content: bytes, rng: Random) -> bytes:
    """Two words of the text exchanged, or one doubled or left out."""
    parts = re.split(rb"(\s+)", content)
    one, other = (2 * rng.randint(0, len(parts) // 2) for _ in range(2))
    way = rng.randint(0, 2)
    if way == 0:
        parts[one], parts[other] = parts[other], parts[one]
    elif way == 1:
        parts[one] += b" " + parts[other]
    else:
        parts[one] = b""
    return b"".join(parts)


def _lines(content: bytes, rng: Random) -> bytes:
    """Lines doubled, left out, exchanged, emptied or lengthened; other ends of lines; no end at all."""
    lines = content.split(b"\n")
    one, other = (rng.randint(0, len(lines) - 1) for _ in range(2))
    way = rng.randint(0, 8)
    if way == 0:
        lines.insert(other, lines[one])
    elif way == 1:
        del lines[one]
    elif way == 2:
        lines[one], lines[other] = lines[other], lines[one]
    elif way == 3:
        lines[one] = b""
    elif way == 4:
        lines[one] += lines[other]
    elif way == 5:
        lines[one] += rng.choice((b" ", b"\t", b"\r", b"0", b"1", b"x", b"\x0b", b" \x0c", b"\0"))
    elif way == 6:
        return content.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"", b" ", b" \n")))
    elif way == 7:
        return content.rstrip(b"\n")
    else:
        lines[one] = lines[one][::-1]
    return b"\n".join(lines)
