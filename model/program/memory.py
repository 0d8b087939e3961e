"""Where the maps of a network lie in the activation memory, for as long as somebody still reads them.

Maps that a layer wants side by side are one block. Blocks are placed in order of birth, at the bottom and at the top in
turn (a chain needs no more than its two largest neighbours), into the first gap from that end that is free for the
whole life of the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

from model.errors import LockstepError

INPUT = -1  # the map loaded from outside; the others have the number of their layer


@dataclass(frozen=True)
class Block:
    """Maps side by side.

    Parameters
    ----------
    members : tuple of int
        Layers whose output maps these are, in order of address.
    sizes : tuple of int
        Lines of each, in a bank.
    birth, death : int
        First layer that writes one of them, last layer that reads one, both included.
    """

    members: tuple[int, ...]
    sizes: tuple[int, ...]
    birth: int
    death: int

    @property
    def lines(self) -> int:
        """All its lines."""
        return sum(self.sizes)

    @property
    def top(self) -> bool:
        """Whether it prefers the top of the memory."""
        return self.birth % 2 == 0

    def meets(self, other: Block) -> bool:
        """Whether there is a layer during which both are alive."""
        return self.birth <= other.death and other.birth <= self.death


def blocks_of(
    sizes: dict[int, int], last_use: dict[int, int], beside: Sequence[tuple[str, Sequence[int]]], names: Sequence[str]
) -> list[Block]:
    """The blocks, in order of birth.

    Parameters
    ----------
    sizes : dict of map to lines
    last_use : dict of map to layer
    beside : sequence of (layer name, maps)
        Maps that a layer wants side by side, in this order.
    names : sequence of str
        Of the layers.

    Raises
    ------
    LockstepError
        When two layers want different neighbours.
    """
    after: dict[int, int] = {}
    why: dict[tuple[int, int], str] = {}
    for layer, maps in beside:
        for low, high in pairwise(maps):
            others = [(at, to) for at, to in after.items() if (at == low) != (to == high)]
            if others:
                below, above = others[0]
                raise LockstepError(
                    f"layer {layer} takes {names[low]} and {names[high]} side by side, but layer {why[below, above]} "
                    f"takes {names[below]} and {names[above]} so; expected one order in both, or a layer between"
                )
            after[low] = high
            why[low, high] = layer
    blocks, seconds = [], set(after.values())
    for first in sizes:
        if first in seconds:
            continue
        members = [first]
        while members[-1] in after:
            members.append(after[members[-1]])
        blocks.append(
            Block(
                tuple(members),
                tuple(sizes[at] for at in members),
                min(members),
                max(last_use[at] for at in members),
            )
        )
    if sum(len(block.members) for block in blocks) != len(sizes):
        raise LockstepError(f"layers {', '.join(sorted(set(why.values())))} want maps side by side in a circle")
    return sorted(blocks, key=lambda block: block.birth)


def place(blocks: Sequence[Block], depth: int) -> dict[int, int] | None:
    """First line of every map in a bank of `depth` lines; None when a block finds no gap."""
    placed: list[tuple[Block, int]] = []
    for block in blocks:
        taken = sorted((base, base + other.lines) for other, base in placed if block.meets(other))
        gaps, low = [], 0
        for start, end in [*taken, (depth, depth)]:
            if start - low >= block.lines:
                gaps.append((low, start))
            low = max(low, end)
        if not gaps:
            return None
        placed.append((block, gaps[-1][1] - block.lines if block.top else gaps[0][0]))
    bases = {}
    for block, base in placed:
        for member, size in zip(block.members, block.sizes, strict=True):
            bases[member] = base
            base += size
    return bases


def alive(blocks: Sequence[Block], layer: int) -> list[Block]:
    """The blocks that occupy lines while `layer` runs."""
    return [block for block in blocks if block.birth <= layer <= block.death]


def least_depth(blocks: Sequence[Block]) -> int:
    """The fewest lines of a bank in which `place` finds room."""
    depth = max(sum(block.lines for block in alive(blocks, layer)) for layer in range(max(b.death for b in blocks) + 1))
    step = gcd(*(block.lines for block in blocks))
    while place(blocks, depth) is None:
        depth += step
    return depth
