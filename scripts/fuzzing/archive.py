"""Zip archives made wrong on purpose, with checksums that fit: members changed, doubled, missing, packed, and lies."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from random import Random

CENTRAL = b"PK\x01\x02"  # before each entry of the directory
SIZES = (20, 24)  # in it: the size as packed, and as unpacked
LIES = (0, 1, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


def damage_archive(content: bytes, rng: Random, changed: Callable[[str, bytes, Random], bytes]) -> bytes:
    """The archive `content` with one thing wrong in it; `changed` damages the content of a member."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
    except Exception:  # damaged before: nothing is left to take apart
        return content
    if not members:
        return content
    at = rng.randint(0, len(members) - 1)
    name, data = members[at]
    way, packing = rng.randint(0, 9), zipfile.ZIP_STORED
    if way <= 3:
        members[at] = name, changed(name, data, rng)
    elif way == 4:
        members.append((name, changed(name, data, rng)))
    elif way == 5:
        del members[at]
    elif way == 6:
        members.append((rng.choice(("more", f"{name}.x", "../x", "/x")), data))
    elif way == 7:
        members[at] = f"{name}x", data
    elif way == 8:  # little in the file, much in memory
        members[at], packing = (name, bytes(rng.choice((*[len(data)] * 7, 1 << 25)))), zipfile.ZIP_DEFLATED
    fresh = _archive(members, packing)
    if way != 9:
        return fresh
    lie = bytearray(fresh)
    entry = lie.find(CENTRAL)
    struct.pack_into("<I", lie, entry + rng.choice(SIZES), rng.choice(LIES))
    return bytes(lie)


def _archive(members: list[tuple[str, bytes]], packing: int) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that stand twice: they are meant to
        with zipfile.ZipFile(buffer, "w", packing, compresslevel=1) as archive:
            for name, data in members:
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, packing)
    return buffer.getvalue()
