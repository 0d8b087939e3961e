"""Yosys's flows: what becomes of a module as generic gates, as iCE40 and as ECP5 cells, and how they are counted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.files import read_json
from tb.common.tools import Tool

# From the elaborated module on. Memories stay memories: generic cells, counted in bits; block RAM in the FPGAs.
FLOWS = {
    "generic": (
        "synth -run begin:fine -top {top}; opt -fast -full; opt -undriven -fine; techmap; opt -fast; abc; "
        "opt -fast; opt_clean"
    ),
    "ice40": "synth_ice40 -top {top}",
    "ecp5": "synth_ecp5 -nodsp -top {top}",
    "ecp5_dsp": "synth_ecp5 -top {top}",
}
AREA_FLOWS = ("generic", "ice40", "ecp5")
# Nothing that is driven twice, feeds back on itself without a register, or became a latch.
SOUND = "check -assert; select -assert-none t:$dlatch t:$adlatch t:$dlatchsr"


def read_script(sources: Sequence[Path], top: str, parameters: Mapping[str, int], folder: Path) -> str:
    """Yosys commands that parse, parametrize and elaborate `top`, and refuse what is unsound; copies the sources."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    for source in sources:
        shutil.copyfile(source, folder / "src" / source.name)
    files = " ".join(f"src/{source.name}" for source in sources)
    values = " ".join(f"-set {name} {value}" for name, value in parameters.items())
    chosen = f"chparam {values} {top}; " if values else ""
    # a module with parameters that were set has another name, until it is given its own back
    elaborate = f"hierarchy -check -top {top}; rename -top {top}"
    return f"read_verilog -DSYNTHESIS {files}; {chosen}{elaborate}; proc; opt_clean; {SOUND}"


def synthesize(
    yosys: Tool,
    flow: str,
    sources: Sequence[Path],
    top: str,
    folder: Path,
    parameters: Mapping[str, int] | None = None,
    write: str = "",
    refused: str = "",
) -> dict[str, int]:
    """Run one flow and count.

    Parameters
    ----------
    yosys : Tool
    flow : str
        One of FLOWS.
    sources : sequence of Path
    top : str
    folder : Path
        For a copy of the sources, log and statistics, ``<flow>.log`` and so on.
    parameters : mapping, optional
        Other than the defaults of `top`.
    write : str
        Yosys commands that write the result, into `folder`.
    refused : str
        Yosys commands that fail where the elaborated design holds what it must not.

    Returns
    -------
    dict
        As `count` gives it.

    Raises
    ------
    ToolError
        When Yosys refuses.
    """
    before, after = f"{flow}.memory.json", f"{flow}.cells.json"
    steps = [
        read_script(sources, top, parameters or {}, folder),
        *([refused] if refused else []),
        f"tee -q -o {before} stat -json",
        FLOWS[flow].format(top=top),
        f"tee -q -o {after} stat -json",
        *([write] if write else []),
    ]
    yosys.run(["-Q", "-T", "-p", "; ".join(steps)], folder, f"{flow}.log")
    bits = int(read_json(folder / before)["design"]["num_memory_bits"])
    return count(flow, read_json(folder / after)["design"]["num_cells_by_type"]) | {"memory_bits": bits}


def count(flow: str, cells: Mapping[str, Any]) -> dict[str, int]:
    """Figures from the number of cells of each type.

    Parameters
    ----------
    flow : str
        One of FLOWS.
    cells : mapping of cell type to number

    Returns
    -------
    dict
        ``gates`` and ``flip_flops``, or ``luts``, ``carries``, ``flip_flops``, ``brams`` and ``multipliers``. A LUT is
        one of four inputs; in ECP5 a carry cell takes two of them, a distributed memory of 16x4 bits six.

    Examples
    --------
    >>> count("ecp5", {"LUT4": 10, "CCU2C": 3, "TRELLIS_FF": 7})
    {'luts': 16, 'carries': 3, 'flip_flops': 7, 'brams': 0, 'multipliers': 0}
    """

    def total(*prefixes: str) -> int:
        return sum(int(number) for kind, number in cells.items() if kind.startswith(prefixes))

    if flow == "generic":
        flip_flops = total("$_DFF", "$_SDFF", "$_ADFF", "$_ALDFF", "$_DFFSR", "$_FF")
        return {"gates": total("$_") - flip_flops, "flip_flops": flip_flops}
    if flow == "ice40":
        return {
            "luts": total("SB_LUT4"),
            "carries": total("SB_CARRY"),
            "flip_flops": total("SB_DFF"),
            "brams": total("SB_RAM40", "SB_SPRAM"),
            "multipliers": total("SB_MAC16"),
        }
    carries = total("CCU2C")
    return {
        "luts": total("LUT4") + 2 * carries + 6 * total("TRELLIS_DPR16X4"),
        "carries": carries,
        "flip_flops": total("TRELLIS_FF"),
        "brams": total("DP16KD", "PDPW16KD"),
        "multipliers": total("MULT18X18", "MULT9X9"),
    }
