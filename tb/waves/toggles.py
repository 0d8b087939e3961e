"""How often the nets of a dump change between 0 and 1: what dynamic power is proportional to, net for net.

P = f * sum over nets of activity * C * V**2 / 2, so with every net taken as one unit of capacitance the number of
toggles of a gate-level run is a measure of its energy (no wire lengths, no glitches within a time step).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from model.errors import LockstepError
from tb.waves.vcd import Dump

LEVELS = frozenset("01")


def count(
    path: Path, begin: int = 0, wanted: Callable[[str], bool] = lambda name: True, live: bool = False
) -> dict[str, int]:
    """Changes from 0 to 1 and from 1 to 0 of every net, from a time on.

    Parameters
    ----------
    path : Path
        A VCD dump.
    begin : int
        Picoseconds; changes before it give the nets their levels and are not counted.
    wanted : function
        Whether the signal of a full name (``mac_array.u_row.act_q``) counts. A net with several names counts once,
        under the first of those that are wanted.
    live : bool
        As for `tb.waves.vcd.Dump`.

    Returns
    -------
    dict of str to int
        Toggles by full name, of all bits together; nets that stayed still have 0.

    Raises
    ------
    LockstepError
        When the file is missing or no dump, or no signal in it is wanted.
    """
    with Dump(path, live) as dump:
        name_of: dict[str, str] = {}
        widths: dict[str, int] = {}
        for name, (ident, width) in dump.signals.items():
            if ident not in name_of and wanted(name):
                name_of[ident], widths[ident] = name, width
        if not name_of:
            raise LockstepError(f"{path} has none of the signals that are to be counted")
        level = {ident: "x" * width for ident, width in widths.items()}
        toggles = dict.fromkeys(name_of, 0)
        for time, ident, bits in dump.changes():
            before = level.get(ident)
            if before is None:
                continue
            now = bits if len(bits) == len(before) else full(bits, len(before))
            level[ident] = now
            if time * dump.scale < begin:
                continue
            if len(now) == 1:  # nearly all nets of a netlist
                toggles[ident] += now != before and now in LEVELS and before in LEVELS
            else:
                toggles[ident] += sum(a != b and a in LEVELS and b in LEVELS for a, b in zip(before, now, strict=True))
    return {name_of[ident]: total for ident, total in toggles.items()}


def full(bits: str, width: int) -> str:
    """`bits` with the leading ones that a dump leaves out: 0, or x and z where that is the first (IEEE 1364, 18.2.1).

    >>> full("10", 4), full("x1", 4), full("0", 1)
    ('0010', 'xxx1', '0')
    """
    return bits.rjust(width, bits[0] if bits[0] in "xz" else "0")
