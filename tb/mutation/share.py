"""How many mutants each subject gets: by the size of its module, none below a floor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tb.mutation.subject import Subject

FLOOR = 8  # mutants of a module, at least


def lines_of_code(source: str) -> int:
    r"""Lines of `source` that hold more than a comment.

    >>> lines_of_code("// a\n\nwire b;  // c\n")
    1
    """
    return sum(bool(re.sub(r"//.*", "", line).strip()) for line in source.splitlines())


def spread(wanted: int, weights: Mapping[str, int], floor: int) -> dict[str, int]:
    """`wanted` split in proportion to `weights`, `floor` at least each, the sum exact unless the floors exceed it.

    >>> spread(100, {"a": 1, "b": 30, "c": 60}, 10)
    {'a': 10, 'b': 30, 'c': 60}
    """
    fixed: dict[str, int] = {}
    while True:
        rest = {name: weight for name, weight in weights.items() if name not in fixed}
        left, total = wanted - sum(fixed.values()), sum(rest.values())
        low = [name for name, weight in rest.items() if left * weight < floor * total]
        if not low:
            break
        fixed |= dict.fromkeys(low, floor)
    exact = {name: left * weight / total for name, weight in rest.items()}
    parts = fixed | {name: int(part) for name, part in exact.items()}
    by_remainder = sorted(exact, key=lambda name: parts[name] - exact[name])
    for name in by_remainder[: max(0, wanted - sum(parts.values()))]:
        parts[name] += 1
    return {name: parts[name] for name in weights}


def shares(wanted: int, subjects: Sequence[Subject], rtl: Mapping[str, str]) -> list[int]:
    """Mutants of each subject: those of its module in equal parts, the first ones one more where they do not divide."""
    modules = dict.fromkeys(subject.module for subject in subjects)
    parts = spread(wanted, {module: lines_of_code(rtl[module]) for module in modules}, FLOOR)
    result = []
    for subject in subjects:
        same = [each for each in subjects if each.module == subject.module]
        each, more = divmod(parts[subject.module], len(same))
        result.append(each + (same.index(subject) < more))
    return result
