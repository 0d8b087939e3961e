"""Where a line of results stands in its vector folder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where one line of results stands: tile and position, and the line of the file.

    `ic` and `kij` are None for an output.
    """

    port: str
    oc: int
    ic: int | None
    kij: int | None
    position: int
    file: str
    line: int

    def __str__(self) -> str:
        tile = f"oc {self.oc}" + ("" if self.ic is None else f", ic {self.ic}, kij {self.kij}")
        return f"{self.port} of {tile}, position {self.position} ({self.file} line {self.line})"
