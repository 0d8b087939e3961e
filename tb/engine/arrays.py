"""The engines whose wires are tested: arrays of `make random`, one of them built for both dataflows."""

from __future__ import annotations

from dataclasses import replace

from model.program.draw import EVERY_ARRAY

NAMES = ("4x4", "12x4", "4x12", "4x4 pairs", "8x4 pairs")
SETS = {name: dict(EVERY_ARRAY[name].parameters) for name in NAMES}
SETS["4x4 both"] = dict(replace(EVERY_ARRAY["4x4"], output_stationary=1).parameters)
