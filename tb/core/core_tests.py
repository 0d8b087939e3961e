"""Replays a vector folder on the core and judges every psum and every output in its own cycle.

Inputs change, and outputs are looked at, on the falling edge: registers have settled, in every simulator, and one
wake-up a cycle is enough. The environment's LOCKSTEP_REPLAY names a JSON file: the folder, its manifest, and where the
report and the progress lines go.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import cocotb
from cocotb.triggers import FallingEdge, SimTimeoutError, with_timeout
from cocotb.types import Logic
from cocotb.utils import get_sim_steps, get_sim_time

from model.files import write_json
from tb.common.drivers import PERIOD_NS, start_clock
from tb.core.judge import Judge, Line
from tb.core.os_replay import OsReplay
from tb.core.replay import Replay, read_replay

WINDOW = 4096  # cycles made ready at a time
RESET_CYCLES = 4
ZERO, ONE = Logic(0), Logic(1)


@dataclass
class Moments:
    """Simulation times, in steps, of what is seen on the core's signals; None until seen.

    Attributes
    ----------
    period : int
        Steps of a clock cycle.
    first_write : int
        An activation write, a weight flit or an instruction is on the ports.
    first_activation, last_term : int
        A pixel is at row 0 of the array; output stationary, the last term of one.
    first_psum, last_psum, last_out : int
        A line leaves the ofifo, the sfp.
    psums, outs : int
        Lines seen.
    terms : int
        Output stationary: cycles with a term at row 0 of the array.
    """

    period: int
    first_write: int | None = None
    first_activation: int | None = None
    last_term: int | None = None
    first_psum: int | None = None
    last_psum: int | None = None
    last_out: int | None = None
    psums: int = 0
    outs: int = 0
    terms: int = 0

    def metrics(self) -> dict[str, int | None]:
        """Cycles between the moments, both ends included."""

        def span(first: int | None, last: int | None) -> int | None:
            return None if first is None or last is None else (last - first) // self.period + 1

        ends = [moment for moment in (self.last_psum, self.last_out) if moment is not None]
        load, fill = span(self.first_write, self.first_activation), span(self.first_activation, self.first_psum)
        drain = span(self.last_term, self.last_psum)
        return {
            "cycles": span(self.first_write, max(ends, default=None)),
            "stream_cycles": span(self.first_activation, self.last_psum),
            "load_cycles": None if load is None else load - 1,  # the first activation belongs to what follows
            "fill_cycles": None if fill is None else fill - 1,
            "drain_cycles": None if drain is None else drain - 1,
            "psum_span": span(self.first_psum, self.last_psum),
            "terms": self.terms,
            "psums": self.psums,
            "outs": self.outs,
        }


class Bench:
    """Drives one run of a replay and watches the outputs.

    Parameters
    ----------
    dut : handle of the core
    replay : Replay
    which : int or None
        Output files judged.
    relu : bool
    judge_psums : bool
    progress : TextIO or None
        One JSON line for every finished tile.
    """

    def __init__(
        self,
        dut: Any,
        replay: Replay | OsReplay,
        which: int | None,
        relu: bool,
        judge_psums: bool,
        progress: TextIO | None,
    ) -> None:
        plan, cols, width = replay.plan, replay.plan.shape.cols, replay.manifest.bits.psum
        self.dut, self.replay, self.stream, self.progress = dut, replay, replay.stream(relu), progress
        lines = replay.psum_lines() if judge_psums else None
        self.psums = Judge("psum", plan.psum_cycle.ravel(), lines, cols, width, replay.psum_place)
        outs = replay.out_lines(which)
        self.outs = Judge("out", plan.out_cycle.ravel(), outs, cols, width, lambda line: replay.out_place(which, line))
        self.moments = Moments(get_sim_steps(PERIOD_NS, "ns"))
        self._loading = self._writing = False  # write enables as last driven
        self._told = (0, 0)  # words checked and wrong before the tile under way

    async def run(self) -> int:
        """Reset, play, drain; returns the number of cycles watched."""
        await self._reset()
        shape, end = self.stream.plan.shape, self.stream.plan.end
        tile = shape.taps * shape.pass_size
        ends = self.psums.cycles[tile - 1 :: tile].tolist()  # last psum of each (oc, ic)
        last = end + shape.latency + 8  # long enough for whatever might still come out
        start = 0
        while start < last:
            stop = min(start + WINDOW, last, *(end + 1 for end in ends[:1]))
            await self._window(start, stop)
            if ends and ends[0] < stop:
                self._tell(len(self.psums.cycles) // tile - len(ends), ends.pop(0))
            start = stop
        return last

    async def _reset(self) -> None:
        dut, edge = self.dut, FallingEdge(self.dut.clk_i)
        for port in (
            dut.act_we_i,
            dut.act_waddr_i,
            dut.act_wdata_i,
            dut.wgt_valid_i,
            dut.wgt_group_i,
            dut.wgt_i,
            dut.inst_i,
        ):
            port.value = 0
        dut.simd_i.value = int(getattr(self.stream.plan.shape, "simd", False))
        dut.os_i.value = int(self.stream.os)
        dut.rst_ni.value = 0
        for _ in range(RESET_CYCLES):
            await edge
        dut.rst_ni.value = 1
        await edge  # the first edge out of reset: from here on every cycle counts

    async def _window(self, start: int, stop: int) -> None:
        """Cycles ``start .. stop - 1``: in each, look at the outputs, then drive the inputs."""
        dut, edge = self.dut, FallingEdge(self.dut.clk_i)
        psum_valid, out_valid, inst_port = dut.psum_valid_o, dut.out_valid_o, dut.inst_i
        act_we, act_waddr, act_wdata = dut.act_we_i, dut.act_waddr_i, dut.act_wdata_i
        wgt_valid, wgt_group, wgt_data = dut.wgt_valid_i, dut.wgt_group_i, dut.wgt_i
        words = self.stream.window(start, stop)
        psums_due, outs_due = self.psums.due(start, stop), self.outs.due(start, stop)
        look = self.moments.first_activation is None
        loading, writing, before = self._loading, self._writing, -1
        for cycle, act, wgt, inst, psum_due, out_due in zip(
            range(start, stop), words.act, words.wgt, words.inst, psums_due, outs_due, strict=True
        ):
            # what the core shows in this cycle
            if look:
                look = self._look_for_first(cycle)
            if self.stream.os and self._enters():
                self.moments.terms += 1
                self.moments.last_term = get_sim_time("step")
            flag = psum_valid.value
            if flag is not ZERO or psum_due is not None:
                self._see_psum(cycle, flag, psum_due)
            flag = out_valid.value
            if flag is not ZERO or out_due is not None:
                self._see_out(cycle, flag, out_due)
            # what it is told to do in this cycle
            if act is not None:
                act_waddr.value, act_wdata.value = act
            if loading != (act is not None):
                loading = not loading
                act_we.value = int(loading)
            if wgt is not None:
                wgt_group.value, wgt_data.value = wgt
            if writing != (wgt is not None) and not self.stream.os:  # output stationary, weights have no flag
                writing = not writing
                wgt_valid.value = int(writing)
            if inst != before:
                inst_port.value = before = inst
            await edge
        self._loading, self._writing = loading, writing

    def _enters(self) -> bool:
        """Whether a pixel, or a term of one, is at row 0 of the array."""
        return str(self.dut.u_array.valid_i.value)[-1] == "1"

    def _look_for_first(self, cycle: int) -> bool:
        """Note the first request on the ports (driven half a cycle ago) and the first pixel at the array.

        True while there is more to look for.
        """
        dut, moments = self.dut, self.moments
        flags = (dut.act_we_i, dut.wgt_valid_i, dut.x_valid, dut.a_valid)
        if moments.first_write is None and cycle > 0 and any("1" in str(flag.value) for flag in flags):
            moments.first_write = get_sim_time("step") - moments.period
        if self._enters():
            moments.first_activation = get_sim_time("step")
            return False
        return True

    def _see_psum(self, cycle: int, flag: Logic, due: int | None) -> None:
        now, moments = get_sim_time("step"), self.moments
        got = _line(flag, self.dut.psum_o, self.psums, due)
        if got is not None:
            if moments.first_psum is None:
                moments.first_psum = now
            moments.last_psum = now
            moments.psums += 1
        self._judge(self.psums, cycle, now, due, got)

    def _see_out(self, cycle: int, flag: Logic, due: int | None) -> None:
        now = get_sim_time("step")
        got = _line(flag, self.dut.out_o, self.outs, due)
        if got is not None:
            self.moments.last_out = now
            self.moments.outs += 1
        self._judge(self.outs, cycle, now, due, got)

    def _judge(self, judge: Judge, cycle: int, now: int, due: int | None, got: Line) -> None:
        if got == due:
            judge.agree()
        else:
            judge.differ(cycle, now * PERIOD_NS / self.moments.period, due, got)

    def report(self) -> dict[str, Any]:
        """What was judged, by port, for the report."""
        return {
            judge.port: {
                "judged": judge.lines is not None,
                "lines": len(judge.cycles),
                "came": judge.came,
                "expected": judge.expected,
                "checked": judge.checked,
                "mismatches": judge.mismatches,
                "complete": judge.complete,
                "first": [mismatch.to_json() for mismatch in judge.kept],
            }
            for judge in (self.psums, self.outs)
        }

    def _tell(self, tile: int, cycle: int) -> None:
        if self.progress is None:
            return
        oc, ic = divmod(tile, self.stream.plan.shape.ic_tiles)
        checked, wrong = self.psums.checked - self._told[0], self.psums.mismatches - self._told[1]
        self._told = (self.psums.checked, self.psums.mismatches)
        line = {
            "oc": oc,
            "ic": ic,
            "checked": checked,
            "wrong": wrong,
            "cycles": cycle + 1,
            "judged": self.psums.lines is not None,
        }
        self.progress.write(json.dumps(line) + "\n")
        self.progress.flush()


def _line(flag: Logic, bus: Any, judge: Judge, due: int | None) -> Line:
    """What a port shows: nothing, a packed line, or digits where some are unknown (all of them if the flag is).

    A line whose content is not judged is not read: it is what was due.
    """
    if flag is ZERO:
        return None
    if flag is ONE and judge.lines is None and due is not None:
        return due
    digits = str(bus.value)  # the quick way to a number, and one where no setting of cocotb's lets an X through
    if flag is not ONE:
        return "x" * len(digits)
    try:
        return int(digits, 2)
    except ValueError:
        return digits.lower()


@cocotb.test()
async def replay(dut: Any) -> None:
    """Every psum of every tile and kernel position, then every output, to the cycle and to the bit."""
    job = json.loads(Path(os.environ["LOCKSTEP_REPLAY"]).read_text())
    manifest = job["manifest"] and Path(job["manifest"])
    prepared = read_replay(Path(job["folder"]), manifest, job["wgt_lanes"], job["simd"])
    start_clock(dut)
    limit = 2 * (prepared.plan.end + prepared.plan.shape.latency + 100) * PERIOD_NS
    reports, judges = [], []
    with Path(job["progress"]).open("a", encoding="utf-8") as progress:
        for number, (which, relu) in enumerate(prepared.runs):
            first = number == 0
            bench = Bench(dut, prepared, which, relu, judge_psums=first, progress=progress if first else None)
            started = time.perf_counter()
            try:
                watched = await with_timeout(bench.run(), limit, "ns")
            except SimTimeoutError:
                raise AssertionError(f"run {number} did not end within {limit} ns: the clock stands still") from None
            timing = {"watched_cycles": watched, "seconds": time.perf_counter() - started}
            reports.append({"relu": relu, **timing, "measured": bench.moments.metrics(), **bench.report()})
            judges += [bench.psums, bench.outs]
    name = f"{cocotb.SIM_NAME} {cocotb.SIM_VERSION}"
    write_json(Path(job["report"]), {"simulator": name, "seed": int(os.environ["COCOTB_RANDOM_SEED"]), "runs": reports})
    for judge in judges:
        told = f"{judge.mismatches} mismatches, {judge.checked} of {judge.expected} words checked"
        assert judge.complete, f"{judge.port}: {told}, {judge.came} of {len(judge.cycles)} lines came"
