"""C as it is written down: lines, and blocks that indent what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

INDENT = "    "


class Lines:
    """Lines of C.

    Examples
    --------
    >>> c = Lines()
    >>> with c.block("for (;;)"):
    ...     c.put("tick();")
    >>> print(c, end="")
    for (;;) {
        tick();
    }
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def put(self, *lines: str) -> None:
        """Add lines."""
        self._lines += [INDENT * self._depth + line for line in lines]

    def each(self, lines: Iterable[str]) -> None:
        """Add the lines of an iterable."""
        self.put(*lines)

    @contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        """What is added inside stands in braces behind `head`."""
        self.put(f"{head} {{" if head else "{")
        self._depth += 1
        yield
        self._depth -= 1
        self.put("}")

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)


def table(kind: str, name: str, values: Iterable[str], across: int = 12) -> str:
    """A constant table of C: `kind`, `name`, its values, `across` of them a line."""
    found = list(values)
    lines = [", ".join(found[at : at + across]) for at in range(0, len(found), across)]
    return f"static const {kind} {name}[{len(found)}] = {{\n{INDENT}" + f",\n{INDENT}".join(lines) + "\n};\n"
