"""Which engine an accelerator holds, by its registers, and whether a program runs on it (docs/rtl/accelerator.md)."""

from __future__ import annotations

from collections.abc import Mapping

from model.errors import LockstepError
from model.golden.bus import Register
from model.program.array import EngineShape
from model.program.compiled import Program

TOLD = (Register.SHAPE, Register.WIDTHS, Register.ACT_LINES, Register.PSUM_LINES, Register.MODES)
# Of the engine that a program was compiled for: what lines, words and descriptors are cut to.
SAME = ("rows", "cols", "act_width", "wgt_lanes", "mul_width", "bias_width")
AT_LEAST = ("psum_width", "psum_depth", "act_depth")
MOST_LAYERS = 255  # that RANGE can count


def shape_of(words: Mapping[Register, int]) -> EngineShape:
    """The engine behind an accelerator.

    Parameters
    ----------
    words : mapping of Register to int
        What was read from each register of TOLD, unsigned 32 bits.

    Raises
    ------
    LockstepError
        When the words tell of no engine.
    """
    shape, widths, modes = (words[name] for name in (Register.SHAPE, Register.WIDTHS, Register.MODES))
    return EngineShape(
        rows=shape & 255,
        cols=shape >> 8 & 255,
        act_width=shape >> 16 & 15,
        wgt_width=shape >> 20 & 15,
        wgt_lanes=shape >> 24 & 255,
        psum_width=widths & 255,
        mul_width=widths >> 8 & 255,
        bias_width=widths >> 16 & 255,
        layers=min(MOST_LAYERS, (widths >> 24 & 255) + 1),
        act_depth=words[Register.ACT_LINES],
        psum_depth=words[Register.PSUM_LINES],
        wgt_power=modes & 255,
        wgt_step=modes >> 8 & 255,
        wgt_zero=modes >> 16 & 1,
        simd=modes >> 17 & 1,
        output_stationary=modes >> 18 & 1,
    )


def require_runs(program: Program, engine: EngineShape) -> None:
    """Raise LockstepError, saying what `engine` lacks, unless it runs `program` as the engine does it was compiled for.

    Memories, psums and the table may be larger, and modes be built in that the program does not use.
    """
    meant = program.shape
    banked = ("act_depth",) if meant.banks > 1 else ()
    if engine.wgt != meant.wgt:
        raise LockstepError(
            f"the accelerator multiplies by {engine.wgt.name}; the program was compiled for {meant.wgt.name}"
        )
    for name in (*SAME, *banked):
        _refuse(getattr(engine, name) != getattr(meant, name), name, engine, meant)
    for name in AT_LEAST:
        _refuse(getattr(engine, name) < getattr(meant, name), name, engine, meant)
    if len(program.layers) > engine.layers:
        raise LockstepError(f"{len(program.layers)} layers; the accelerator has {engine.layers} descriptors")
    for layer in program.layers:
        if (layer.descriptor.simd or layer.descriptor.out_pair) and not engine.simd:
            raise LockstepError(f"layer {layer.layer.name} works in pairs; the accelerator was built without Simd")
        if layer.descriptor.os and not engine.output_stationary:
            raise LockstepError(
                f"layer {layer.layer.name} is output stationary; the accelerator was built without OutputStationary"
            )


def _refuse(wrong: bool, name: str, engine: EngineShape, meant: EngineShape) -> None:
    if wrong:
        raise LockstepError(
            f"the accelerator has {name} {getattr(engine, name)}; the program was compiled for {getattr(meant, name)}"
        )
