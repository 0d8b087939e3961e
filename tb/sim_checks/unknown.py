"""Unknown values at ports, each of which its block must tell: those that need no more than the port itself."""

from __future__ import annotations

from typing import NamedTuple

from tb.sim_checks.sizes import ACCELERATOR, CORE, LOADER, POOL, REQUANTIZE, TILE

X = "X"  # in every bit
PIXEL = "a pixel"  # an instruction of core, of whose pixel it is unknown whether it is one of the padding


class Unknown(NamedTuple):
    """What is at the ports of a block (0 at all others), and which module tells, and how."""

    top: str
    parameters: dict[str, int]
    ports: dict[str, int | str]
    message: str
    module: str


SRAM = {"Width": 8, "Depth": 3}
SFP = {"Cols": 2, "PsumWidth": 8}
FIFO = {"Width": 8, "Depth": 2}
COUNT = {"Cols": 2, "ColWidth": 1, "ParWords": 1}
RESULTS = {"Cols": 2, "Width": 8, "Depth": 1}
WRITES = {"AddrWidth": 4, "Segs": 1}
LANES = {"Lanes": 3, "Width": 8}
LAYERS = {"Layers": 2}

UNKNOWN = {
    "sram_enable": Unknown("sram", SRAM, {"we_i": X}, "X on an enable", "sram"),
    "sram_write_address": Unknown("sram", SRAM, {"we_i": 1, "waddr_i": X}, "X in the write address", "sram"),
    "sram_read_address": Unknown("sram", SRAM, {"re_i": 1, "raddr_i": X}, "X in the read address", "sram"),
    "sfp_valid": Unknown("sfp", SFP, {"valid_i": X}, "X on valid", "sfp"),
    "sfp_flag": Unknown("sfp", SFP, {"valid_i": 1, "first_i": X}, "X in the flags of a valid line", "sfp"),
    "sfp_line": Unknown(
        "sfp",
        SFP,
        {"valid_i": 1, "first_i": 1, "last_i": 1, "data_i": X},
        "X in a valid line (a psum never written?)",
        "sfp",
    ),
    "fifo_push": Unknown("fifo", FIFO, {"push_i": X}, "X on push or pop", "fifo"),
    "fifo_word": Unknown("fifo", FIFO, {"push_i": 1, "data_i": X}, "X in a word that is pushed", "fifo"),
    "loader_stop": Unknown("loader", LOADER, {"stop_i": X}, "X on a control input", "loader"),
    "loader_last": Unknown("loader", LOADER, {"valid_i": 1, "last_i": X}, "X on last of a valid word", "loader"),
    "par_count_clear": Unknown("par_count", COUNT, {"clear_i": X}, "X on a control input", "par_count"),
    "result_stream_end": Unknown("result_stream", RESULTS, {"end_i": X}, "X on a control input", "result_stream"),
    "sequencer_early": Unknown("sequencer", LAYERS, {"early_i": X}, "X on a control input", "sequencer"),
    "walker_take": Unknown("walker", {}, {"take_i": X}, "X on start or take", "walker"),
    "writeback_valid": Unknown("writeback", WRITES, {"valid_i": X}, "X on start or valid", "writeback"),
    "pool_valid": Unknown("pool", POOL, {"valid_i": X}, "X on valid", "pool"),
    "requantize_valid": Unknown("requantize", REQUANTIZE, {"valid_i": X}, "X on a valid", "requantize"),
    "requantize_parameter": Unknown(
        "requantize", REQUANTIZE, {"par_valid_i": 1, "par_data_i": X}, "X in a parameter word", "requantize"
    ),
    "ofifo_valid": Unknown("ofifo", LANES, {"valid_i": X}, "X on an aligned valid", "ofifo"),
    "mac_tile_valid": Unknown("mac_tile", TILE, {"valid_i": X}, "X on valid, swap or wgt_valid", "mac_tile"),
    "mac_tile_flit": Unknown("mac_tile", TILE, {"wgt_valid_i": 1, "wgt_i": X}, "X in a valid weight flit", "mac_tile"),
    "core_enable": Unknown("core", CORE, {"act_we_i": X}, "X on a valid or an enable", "core"),
    "core_pixel": Unknown("core", CORE, {"inst_i": PIXEL}, "X in the fields of a pixel", "core"),
    "stream_ready": Unknown(
        "accelerator", ACCELERATOR, {"m_axis_result_tready": X}, "X on valid or ready of a stream", "accelerator"
    ),
    "activation_line": Unknown(
        "accelerator",
        ACCELERATOR,
        {"s_axis_act_tvalid": 1, "s_axis_act_tdata": X},
        "X in an activation line",
        "accelerator",
    ),
    "weight_word": Unknown(
        "accelerator", ACCELERATOR, {"s_axis_wgt_tvalid": 1, "s_axis_wgt_tdata": X}, "X in a weight word", "accelerator"
    ),
    "bus_valid": Unknown("accelerator", ACCELERATOR, {"s_axil_awvalid": X}, "X on a valid or ready", "axil_regs"),
    "write_address": Unknown(
        "accelerator", ACCELERATOR, {"s_axil_awvalid": 1, "s_axil_awaddr": X}, "X in a write address", "axil_regs"
    ),
    "write_strobes": Unknown(
        "accelerator", ACCELERATOR, {"s_axil_wvalid": 1, "s_axil_wstrb": X}, "X in write data or strobes", "axil_regs"
    ),
    "read_address": Unknown(
        "accelerator", ACCELERATOR, {"s_axil_arvalid": 1, "s_axil_araddr": X}, "X in a read address", "axil_regs"
    ),
}
