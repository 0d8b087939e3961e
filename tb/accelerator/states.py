"""Points of the test plan that all runs of the accelerator together must meet: stalls and resets in every state.

Watched only while `make coverage` counts, for it looks at the bus in every cycle.
"""

from __future__ import annotations

from typing import Any

from tb.common.drivers import read, settled
from tb.common.scoreboard import Coverage

STATES = ("idle", "fetch", "run", "drain")  # of the sequencer, in the order of its codes
STALLS = {
    "a weight word waits": ("s_axis_wgt_tvalid", "s_axis_wgt_tready"),
    "an activation line waits": ("s_axis_act_tvalid", "s_axis_act_tready"),
    "a result waits": ("m_axis_result_tvalid", "m_axis_result_tready"),
    "a write response waits": ("s_axil_bvalid", "s_axil_bready"),
    "read data wait": ("s_axil_rvalid", "s_axil_rready"),
}
NEVER = {("an activation line waits", "idle")}  # idle takes lines
POINTS = (
    *(f"states: {stall} in {state}" for stall in STALLS for state in STATES if (stall, state) not in NEVER),
    *(f"states: no weight word in {state}" for state in ("fetch", "run", "drain")),
    *(f"states: reset in {state}" for state in STATES),
)


async def watch_states(dut: Any) -> None:
    """Count POINTS until the test ends."""
    points = Coverage(*POINTS)
    pairs = {name: (getattr(dut, valid), getattr(dut, ready)) for name, (valid, ready) in STALLS.items()}
    state_q, before = dut.u_engine.u_sequencer.state_q, None
    try:
        while True:
            await settled(dut)
            if not read(dut.rst_ni):
                if before is not None:
                    points.hit(f"states: reset in {before}")
                before = None
                continue
            before = STATES[read(state_q)]
            for name, (valid, ready) in pairs.items():
                if (name, before) not in NEVER:
                    points.hit(f"states: {name} in {before}", read(valid) and not read(ready))
            if before != "idle":
                points.hit(f"states: no weight word in {before}", not read(dut.s_axis_wgt_tvalid))
    finally:
        points.record()
