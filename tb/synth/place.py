"""nextpnr: how fast a clock the placed and routed array bears, in the devices that it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.files import read_json
from tb.common.runner import ROOT
from tb.common.tools import Tool, ToolError
from tb.synth.flows import synthesize
from tb.synth.gates import PARTS, shape

HARNESS = ROOT / "tb" / "synth" / "harness.v"
SEED = 1  # of the placement
GOAL_MHZ = 100  # what the placer strives for; whether it is reached is told, not required


@dataclass(frozen=True)
class Target:
    """An array in a device.

    Parameters
    ----------
    flow : str
        One of `tb.synth.flows.FLOWS`: the family, and whether products are made of LUTs or of multipliers.
    device, package : str
        nextpnr's names.
    rows, cols : int
    """

    flow: str
    device: str
    package: str
    rows: int
    cols: int

    @property
    def name(self) -> str:
        """A folder's name: ``array_8x8_ecp5_85k``."""
        return f"array_{self.rows}x{self.cols}_{self.flow}_{self.device}"

    @property
    def family(self) -> str:
        """The part of nextpnr's name: ``ice40`` or ``ecp5``."""
        return self.flow.partition("_")[0]


# 8x8 takes 5,477 of the 7,680 cells of an iCE40 HX8K: too many for an UP5K, which has 5,280.
TARGETS = (
    Target("ice40", "hx8k", "ct256", 8, 8),
    Target("ice40", "up5k", "sg48", 4, 4),
    Target("ecp5", "85k", "CABGA756", 8, 8),
    Target("ecp5_dsp", "85k", "CABGA756", 8, 8),
)


def place(
    yosys: Tool, nextpnr: Tool, target: Target, rtl: Path, folder: Path, parameters: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Synthesize, place and route the array between registers (harness.v).

    Parameters
    ----------
    yosys, nextpnr : Tool
    target : Target
    rtl, folder : Path
    parameters : mapping, optional
        Of the array; default: those of `tb.synth.gates.shape` in the target's size.

    Returns
    -------
    dict
        ``mhz`` (of the worst path between registers), ``used`` and ``available`` logic cells, ``seed``.

    Raises
    ------
    ToolError
        When a tool fails, for instance because the array does not fit.
    """
    sources = [rtl / f"{name}.v" for name in PARTS] + [HARNESS]
    parameters = shape(target.rows, target.cols) if parameters is None else parameters
    synthesize(yosys, target.flow, sources, "harness", folder, parameters, "write_json netlist.json")
    given = [f"--{target.device}", "--package", target.package, "--json", "netlist.json", "--report", "report.json"]
    nextpnr.run(
        [*given, "--seed", str(SEED), "--freq", str(GOAL_MHZ), "--timing-allow-fail"], folder, f"{nextpnr.name}.log"
    )
    report = read_json(folder / "report.json")
    clocks = list(report["fmax"].values())
    if len(clocks) != 1:
        raise ToolError(f"{nextpnr.name} reports {len(clocks)} clocks; expected one; see {folder / 'report.json'}")
    cells = report["utilization"]["ICESTORM_LC" if target.family == "ice40" else "TRELLIS_COMB"]
    return {
        "mhz": round(float(clocks[0]["achieved"]), 1),
        "used": int(cells["used"]),
        "available": int(cells["available"]),
        "seed": SEED,
    }
