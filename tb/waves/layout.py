"""The signals of a replay worth seeing, in reading order, as a GTKWave save file and as a Surfer command file.

One list serves both viewers and every parameter set; `make sim WAVES=1` writes the two files beside its dump.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tb.common.instruction import InstructionFormat

TOP = "core"
# GTKWave's trace flags: radix, right-justified values, and the lines that open and close a group
RADIX = {"hex": 0x22, "bits": 0x28, "unsigned": 0x24, "signed": 0x420}
GROUP_BEGIN, GROUP_END = 0x800200, 0x1000200
ZOOM = -16.0  # about 40 cycles of 10 ns on a wide screen


@dataclass(frozen=True)
class Signal:
    """A signal of the dump, or a word of one.

    Parameters
    ----------
    path : str
        Below the top module, without its range.
    width : int
        Bits of the whole signal.
    radix : {"hex", "bits", "unsigned", "signed"}
    name : str
        Shown for a word; empty for a whole signal.
    low, bits : int
        Lowest bit and width of the word; 0 bits for the whole signal.
    """

    path: str
    width: int
    radix: str
    name: str = ""
    low: int = 0
    bits: int = 0

    @property
    def full(self) -> str:
        """Name with hierarchy and range, as GTKWave calls it."""
        return f"{TOP}.{self.path}" + (f"[{self.width - 1}:0]" if self.width > 1 else "")


def groups(parameters: Mapping[str, int]) -> list[tuple[str, list[Signal]]]:
    """(title, signals) in reading order for a core of `parameters` (those of `tb.core.replay.Replay`)."""
    rows, cols, lanes = (parameters[name] for name in ("Rows", "Cols", "WgtLanes"))
    act, wgt, psum = (parameters[name] for name in ("ActWidth", "WgtWidth", "PsumWidth"))
    fmt = InstructionFormat(parameters["ActDepth"], parameters["PsumDepth"])
    fields = [Signal(name, width, "bits" if width == 1 else "unsigned") for name, width in fmt.fields()]
    group_width = max(1, (-(-cols // lanes) - 1).bit_length())
    x_addr, p_addr = (width for name, width in fmt.fields() if name in ("x_addr", "p_addr"))

    def columns(path: str, name: str) -> list[Signal]:
        return [Signal(path, cols * psum, "signed", f"{name} {c}", c * psum, psum) for c in range(cols)]

    def element(row: int, col: int) -> list[Signal]:
        path = f"u_array.gen_row[{row}].u_row.gen_col[{col}].u_tile"
        registers = (("valid_q", 1), ("act_q", act), ("shadow_q", wgt), ("active_q", wgt), ("psum_q", psum))
        radix = {"valid_q": "bits", "act_q": "unsigned"}
        return [Signal(f"{path}.{name}", width, radix.get(name, "signed")) for name, width in registers]

    loads = [Signal("act_we_i", 1, "bits"), Signal("act_waddr_i", x_addr, "unsigned")]
    loads += [Signal("act_wdata_i", rows * act, "hex"), Signal("wgt_valid_i", 1, "bits")]
    loads += [Signal("wgt_group_i", group_width, "unsigned"), Signal("wgt_i", lanes * rows * wgt, "hex")]
    front = [Signal(f"u_array.{name}", rows, "bits") for name in ("valid_i", "swap_i", "wgt_valid_i")]
    front += [Signal("u_array.psum_valid_o", cols, "bits")]
    banks = [Signal("w_valid", 1, "bits"), Signal("w_wbank", 1, "bits"), Signal("w_addr", p_addr, "unsigned")]
    sums = [Signal(name, 1, "bits") for name in ("s_valid", "s_first", "s_last")]
    return [
        ("clock", [Signal("clk_i", 1, "bits"), Signal("rst_ni", 1, "bits")]),
        ("loads: activation line, weight flit", loads),
        ("instruction: stream a pixel (x), its psum (p), accumulate (a)", fields),
        ("wavefront: rows in, columns out", front),
        ("first PE", element(0, 0)),
        ("last PE", element(rows - 1, cols - 1)),
        ("psum of the pass, by column", [Signal("psum_valid_o", 1, "bits"), *columns("psum_o", "psum")]),
        ("psum memory write", banks),
        ("accumulation, by column", [*sums, *columns("u_sfp.acc_q", "acc")]),
        ("output, by column", [Signal("out_valid_o", 1, "bits"), *columns("out_o", "out")]),
    ]


def gtkwave(parameters: Mapping[str, int]) -> str:
    """The save file: groups with decoded fields; words of a bus are shown as signed numbers."""
    lines = [
        "[*] Lockstep, core",
        "[timestart] 0",
        "[size] 1600 1000",
        "[sst_expanded] 0",
        "[signals_width] 260",
        f"*{ZOOM:.6f} 0",
    ]
    for title, signals in groups(parameters):
        lines += [f"@{GROUP_BEGIN:x}", f"-{title}"]
        for signal in signals:
            lines.append(f"@{RADIX[signal.radix]:x}")
            if signal.bits:
                first = signal.width - signal.low - signal.bits  # GTKWave counts bits from the left
                bits = " ".join(f"({first + bit}){signal.full}" for bit in range(signal.bits))
                lines.append(f"#{{{signal.name}}} {bits}")
            else:
                lines.append(signal.full)
        lines += [f"@{GROUP_END:x}", f"-{title}"]
    return "\n".join(lines) + "\n"


def surfer(parameters: Mapping[str, int]) -> str:
    """The command file: a divider a group; a bus is shown whole, since Surfer cannot cut words out of one."""
    lines = []
    for title, signals in groups(parameters):
        lines.append(f"divider_add {title}")
        paths = dict.fromkeys(f"{TOP}.{signal.path}" for signal in signals)
        lines += [f"variable_add {path}" for path in paths]
    return "\n".join([*lines, "zoom_fit"]) + "\n"
