"""What a simulation leaves behind for `make coverage`, where the environment's LOCKSTEP_COVERAGE names a folder.

With Verilator: counts of lines, branches and toggles of the circuit alone, so without SIM_CHECKS and with SYNTHESIS
defined (tb/sim_checks shows that each check and each refusal of a parameter works). And the points of the test plan
(`tb.common.scoreboard`), with either simulator. Every file has a name of its own; `tb.coverage` adds them up.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from model.files import write_json

VARIABLE = "LOCKSTEP_COVERAGE"
TOGGLES = Path(__file__).with_name("verilator")  # where a header stands before Verilator's, and says why
BUILD = ("--coverage-line", "--coverage-toggle", "-DSYNTHESIS", "-CFLAGS", f"-O0 -iquote {quote(str(TOGGLES))}")


def folder() -> Path | None:
    """Where this run's files go; None where nothing is measured."""
    named = os.environ.get(VARIABLE)
    return Path(named).resolve() if named else None


def counts_lines(simulator: str) -> bool:
    """Whether this simulation counts lines, branches and toggles."""
    return folder() is not None and simulator == "verilator"


def plusargs() -> list[str]:
    """Tells Verilator where its counts go: a new file in the folder, which is made."""
    target = folder()
    assert target is not None, f"{VARIABLE} is not set"
    target.mkdir(parents=True, exist_ok=True)
    return [f"+verilator+coverage+file+{target / uuid.uuid4().hex}.dat"]


def write_points(hits: Mapping[str, int]) -> None:
    """Leave the hits of named points behind; without a folder, nothing."""
    target = folder()
    if target is not None:
        write_json(target / f"{uuid.uuid4().hex}.points.json", dict(hits))
