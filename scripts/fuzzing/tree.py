"""JSON made wrong on purpose: other values, other types, keys twice, keys missing, trees too deep."""

from __future__ import annotations

import json
from random import Random
from typing import Any

# As they stand in the file: Python's own reader takes more of them than JSON has.
LITERALS = (
    *("null", "true", "false", "0", "-0", "1", "-1", "2", "3.0", "2.5", "1e2", "1e999", "-1e999", "NaN", "Infinity"),
    *("1" * 5000, "9223372036854775808", "-9223372036854775809", "1000000000000", "65537", "1" * 300 + ".0"),
    *('""', '"7"', '"\\u0000"', '"\\ud800"', '"\\u001b[2J"', '"' + "a" * 5000 + '"', '"..\\/..\\/x"', '"/dev/zero"'),
    *("[]", "{}", "[[]]", '{"a": 1}', "[" * 60_000 + "]" * 60_000, "[1, 2, 3, 4, 5]", "01", "1_0", "'x'", "", "x"),
)


class Literal(str):
    """Text that stands in the file as it is."""


class Pairs(list[tuple[str, Any]]):
    """An object, in which a key may stand twice."""


def damage_json(content: bytes, rng: Random) -> bytes:
    """One entry of the JSON in `content` changed; `content` itself where there is none."""
    try:
        root = json.loads(content, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        return content
    return _damaged(root, rng)


def _damaged(root: Any, rng: Random) -> bytes:
    holders = list(_holders(root))
    if not holders:
        return rng.choice(LITERALS).encode()
    holder = rng.choice(holders)
    at = rng.randint(0, len(holder) - 1)
    way = rng.randint(0, 7)
    fresh: Any = Literal(rng.choice(LITERALS))
    if way == 7:
        fresh = rng.choice((rng.randint(-(1 << 66), 1 << 66), rng.uniform(-4, 4), _word(rng)))
    if isinstance(holder, Pairs):
        key, value = holder[at]
        if way == 0:
            del holder[at]
        elif way == 1:
            holder.append((key, rng.choice((value, fresh))))
        elif way == 2:
            holder.insert(at, (_word(rng), fresh))
        elif way == 3:
            other = rng.randint(0, len(holder) - 1)
            holder[at], holder[other] = (key, holder[other][1]), (holder[other][0], value)
        else:
            holder[at] = (key, fresh)
    elif way == 0:
        del holder[at]
    elif way == 1:
        holder.append(holder[at])
    elif way == 2:
        holder.reverse()
    else:
        holder[at] = fresh
    return _text(root).encode("utf-8", "surrogatepass")


def _holders(value: Any) -> list[Any]:
    """Every object and list in `value` that is not empty."""
    found = [value] if isinstance(value, list) and value else []
    inner = [item for _, item in value] if isinstance(value, Pairs) else value if isinstance(value, list) else []
    return found + [holder for item in inner for holder in _holders(item)]


def _text(value: Any) -> str:
    """`value` as JSON, keys that stand twice and literals included."""
    if isinstance(value, Literal):
        return value
    if isinstance(value, Pairs):
        return "{" + ",\n".join(f"{json.dumps(key)}: {_text(item)}" for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value)


def _word(rng: Random) -> str:
    """Up to six characters of any script, and of none."""
    ranges = ((32, 127), (0, 0xD800), (0, 0x110000))
    return "".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(rng.randrange(7)))
