"""What a block is owed by those around it, as its own SIM_CHECKS say it, in a form that a proof can assume.

A run that the block's checks would stop in simulation is none that its equivalence has to hold for. The source is read
once more with its checks, each ``$fatal`` an assumption that it is not reached; comparisons with x are never true.
"""

from __future__ import annotations

import re

CHECKS = re.compile(r"^`ifdef SIM_CHECKS\n.*?^`endif", re.MULTILINE | re.DOTALL)
NESTED = r"(?:[^()\"]|\"[^\"]*\"|\({0}\))*"
ARGUMENTS = NESTED.format(NESTED.format(NESTED.format(r"[^()]*")))
FATAL = re.compile(rf"\$fatal\s*\({ARGUMENTS}\)\s*;")
UNKNOWN = "=== 1'bx"
NEVER = "== 2'd2"  # of one bit


def with_assumptions(source: str) -> str:
    r"""`source`, to be read with SIM_CHECKS: each ``$fatal`` of its checks is ``assume (1'b0)``.

    >>> print(with_assumptions("`ifdef SIM_CHECKS\nif (a === 1'bx) $fatal(1, \"x (%0d)\", $signed(a));\n`endif"))
    `ifdef SIM_CHECKS
    if (a == 2'd2) assume (1'b0);
    `endif
    """
    return CHECKS.sub(lambda found: FATAL.sub("assume (1'b0);", found[0].replace(UNKNOWN, NEVER)), source)
