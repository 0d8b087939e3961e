"""A PE, and the 8x8 array, in every weight format: what a format costs beside the others, all else equal.

Activations have 4 bits and psums 20 everywhere. That nothing multiplies where weights are powers of two is asserted on
the elaborated design, before any flow could turn a product into gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.numeric.power import PowerFormat
from model.numeric.weights import FORMATS
from tb.common.tools import Tool
from tb.common.weight_formats import weight_parameters
from tb.synth.flows import AREA_FLOWS, synthesize
from tb.synth.gates import array_parameters, pe_parameters

NAMES = ("int2", "int4", "int8", *(name for name, fmt in FORMATS.items() if isinstance(fmt, PowerFormat)))
PE, ARRAY = "mac_tile", "mac_array"
BLOCKS = (PE, ARRAY)
SHAPE = {"ActWidth": 4, "PsumWidth": 20, "WgtLanes": 2}
SIDE = 8
MULTIPLIERS = "select -assert-none t:$mul t:$macc t:$div t:$mod t:$pow"


def parameters(block: str, name: str) -> dict[str, int]:
    """Verilog parameters of a PE or of the 8x8 array in the format `name`.

    Examples
    --------
    >>> parameters("mac_tile", "ternary")["WgtPower"]
    1
    """
    array = array_parameters({"Rows": SIDE, "Cols": SIDE, **SHAPE, **weight_parameters(FORMATS[name])})
    return array if block == ARRAY else pe_parameters(array)


def area(yosys: Tool, block: str, name: str, flow: str, sources: list[Path], folder: Path) -> Mapping[str, Any]:
    """Synthesize `block` in the format `name`.

    Raises
    ------
    ToolError
        When Yosys refuses, or a power-of-two format multiplies.
    """
    refused = MULTIPLIERS if isinstance(FORMATS[name], PowerFormat) else ""
    return synthesize(yosys, flow, sources, block, folder, parameters(block, name), refused=refused)


def table(formats: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> list[str]:
    """Lines of text: for each format its PE and its array, in gates and in LUTs."""
    row = "  {:<8} {:>5} {:>9} {:>6} {:>6} {:>6} | {:>9} {:>8} {:>7} {:>7}".format
    lines = [row("weights", "bits", "PE gates", "FF", "iCE40", "ECP5", "8x8 gates", "FF", "iCE40", "ECP5")]
    for name, blocks in formats.items():
        cells: list[Any] = []
        for flows in (blocks.get(block, {}) for block in BLOCKS):
            generic = flows.get("generic", {})
            cells += [generic.get("gates", "-"), generic.get("flip_flops", "-")]
            cells += [flows.get(flow, {}).get("luts", "-") for flow in AREA_FLOWS[1:]]
        lines.append(row(name, FORMATS[name].bits, *cells))
    return lines
