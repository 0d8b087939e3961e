"""Replays a vector folder in a simulator from the outside: job in, progress lines while it runs, one result out."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import read_json, write_json
from tb.common.runner import SimulationError, simulate
from tb.core.os_replay import OsReplay
from tb.core.replay import DEFAULT_WGT_LANES, Replay, read_replay

Result = dict[str, Any]
TESTS = "tb.core.core_tests"
POLL_SECONDS = 0.05


def run_replay(
    folder: Path,
    out: Path,
    manifest: Path | None = None,
    *,
    wgt_lanes: int = DEFAULT_WGT_LANES,
    simd: bool = False,
    simulator: str | None = None,
    waves: str | None = None,
    seed: int | None = None,
    checks: bool = True,
    rtl: Path | None = None,
    build_root: Path | None = None,
    on_start: Callable[[Replay | OsReplay], object] = lambda replay: None,
    on_tile: Callable[[Mapping[str, Any]], object] = lambda tile: None,
) -> Result:
    """Replay the vector set in `folder` on the core and judge it.

    Parameters
    ----------
    folder, manifest : Path
        The set, and its description where that is not in the folder.
    out : Path
        Folder for the job, the report and the dump ``core.fst`` or ``core.vcd``.
    wgt_lanes : int
        Columns of weights entering in a cycle.
    simd : bool
        On an array of half the rows that multiplies pairs of input channels.
    simulator, waves, seed, checks, rtl, build_root
        As for `tb.common.runner.simulate`.
    on_start, on_tile : functions
        Called with the replay before anything is written (it may raise), and with every finished tile while it runs:
        {oc, ic, checked, wrong, cycles, judged}.

    Returns
    -------
    dict
        See docs/sim.md. `passed` is true when every promised word came in its cycle and equals its file.

    Raises
    ------
    LockstepError
        When the folder or the simulator is not usable.
    SimulationError
        When the RTL does not build or the simulation breaks off (a SIM_CHECKS assertion, a crash): nothing was judged.
    """
    replay = read_replay(folder, manifest, wgt_lanes, simd)
    on_start(replay)
    out = out.resolve()
    report, progress = out / "report.json", out / "progress.jsonl"
    for stale in (report, progress, *out.glob(".core.*.part*")):
        stale.unlink(missing_ok=True)
    job = {"folder": str(folder.resolve()), "manifest": None if manifest is None else str(manifest.resolve())}
    job |= {"report": str(report), "progress": str(progress)}
    write_json(out / "job.json", {**job, "wgt_lanes": wgt_lanes, "simd": simd})
    failure = None
    with _dumped(out, waves) as dump, _followed(progress, on_tile):
        try:
            simulate(
                "core",
                TESTS,
                replay.parameters,
                simulator=simulator,
                waves=waves,
                seed=seed,
                only=["replay"],
                # One write a bus and cycle, all on the falling edge: nothing races, the simulator's own writes do.
                environment={"LOCKSTEP_REPLAY": str(out / "job.json"), "COCOTB_TRUST_INERTIAL_WRITES": "1"},
                dump=dump,
                checks=checks,
                rtl=rtl,
                build_root=build_root,
                announce=False,
            )
        except SimulationError as error:
            failure = error
    if not report.exists():
        raise failure or SimulationError("the simulation left no report")
    return _result(replay, read_json(report), failure)


def _result(replay: Replay | OsReplay, report: Result, failure: SimulationError | None) -> Result:
    """The report of the simulation in the terms of docs/sim.md."""
    runs, first = report["runs"], report["runs"][0]
    judged = [run[port] for run in runs for port in ("psum", "out")]
    kept = sorted((entry for port in judged for entry in port["first"]), key=lambda entry: float(entry["time_ns"]))
    measured, pes = first["measured"], replay.plan.shape.channels * replay.plan.shape.cols
    watched, seconds = sum(run["watched_cycles"] for run in runs), sum(run["seconds"] for run in runs)
    complete = all(port["complete"] for port in judged) and len(runs) == len(replay.runs)
    if complete == (failure is not None):
        raise failure or SimulationError("the report tells of mismatches, but the simulation passed")
    source = replay.manifest.source

    def use(cycles: int | None) -> float | None:
        return None if not cycles else round(replay.macs / (pes * cycles), 4)

    return {
        "passed": complete,
        "checked_psums": sum(run["psum"]["checked"] for run in runs),
        "expected_psums": sum(run["psum"]["expected"] for run in runs),
        "checked_outputs": sum(run["out"]["checked"] for run in runs),
        "expected_outputs": sum(run["out"]["expected"] for run in runs),
        "psums_judged": first["psum"]["judged"],
        "outputs_judged": [f"{'relu' if run['relu'] else 'raw'}" for run in runs if run["out"]["judged"]],
        "mismatches": sum(port["mismatches"] for port in judged),
        "first_mismatch": kept[0] if kept else None,
        "more_mismatches": kept[1:],
        "cycles": measured["cycles"],
        "stream_cycles": measured["stream_cycles"],
        "breakdown": _breakdown(measured, replay),
        "macs": replay.macs,
        "utilization": use(measured["stream_cycles"]),
        "utilization_total": use(measured["cycles"]),
        "simulated_cycles": watched,
        "cycles_per_second": round(watched / seconds, 1),
        "simulator": report["simulator"],
        "seed": report["seed"],
        "dataflow": replay.manifest.dataflow,
        "parameters": replay.parameters,
        "graph_sha256": source.get("graph_sha256"),
        "source": source,
    }


def _breakdown(measured: Mapping[str, int | None], replay: Replay | OsReplay) -> dict[str, int] | None:
    """Where the cycles went, from the moments seen on the signals: the parts add up to `cycles`.

    None when a moment never came.
    """
    names = ("load_cycles", "fill_cycles", "psum_span", "cycles", "psums", "stream_cycles")
    load, fill, span, cycles, psums, stream = (measured[name] for name in names)
    if load is None or fill is None or span is None or cycles is None or psums is None or stream is None:
        return None
    if isinstance(replay, OsReplay):  # psums do not tell how many terms there were
        terms, drain = measured["terms"], measured["drain_cycles"]
        if terms is None or drain is None:
            return None
        parts = {"load": load, "pixels": terms, "fill_and_drain": drain, "bubbles": stream - terms - drain}
        return {**parts, "accumulation": cycles - load - stream}
    return {
        "load": load,
        "pixels": psums,
        "fill_and_drain": fill,
        "bubbles": span - psums,
        "accumulation": cycles - load - stream,
    }


@contextmanager
def _dumped(out: Path, waves: str | None) -> Iterator[Path | None]:
    """Where the simulator dumps to while the block runs; the dump becomes ``core.<waves>`` only if the block ends."""
    if waves is None:
        yield None
        return
    part, dump = out / f".core.{waves}.part", out / f"core.{waves}"
    try:
        yield part
        if part.is_file():
            part.replace(dump)
        else:
            dump.unlink(missing_ok=True)
    finally:
        for left in out.glob(f"{part.name}*"):  # Icarus keeps a second file beside an FST that it writes
            left.unlink(missing_ok=True)


@contextmanager
def _followed(path: Path, on_line: Callable[[Mapping[str, Any]], object]) -> Iterator[None]:
    """Call `on_line` with every JSON line added to `path` while the block runs, and with the rest at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    finished = threading.Event()

    def follow() -> None:
        with path.open(encoding="utf-8") as file:
            rest, last = "", False
            while not last:
                last = finished.wait(POLL_SECONDS)  # what was written before the end is still read below
                *lines, rest = (rest + file.read()).split("\n")
                for line in lines:
                    on_line(json.loads(line))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def wave_format(text: str, simulator: str) -> str | None:
    """The dump that WAVES asks for: none for "" or "0", "fst" or "vcd" by name, the best `simulator` can do for "1".

    Raises
    ------
    LockstepError
        For anything else, and for an FST that Verilator cannot write here.

    >>> wave_format("1", "icarus"), wave_format("0", "icarus"), wave_format("vcd", "verilator")
    ('fst', None, 'vcd')
    """
    formats = {"": None, "0": None, "1": "fst", "fst": "fst", "vcd": "vcd"}
    chosen = formats.get(text.lower(), text)
    if chosen not in (None, "fst", "vcd"):
        raise LockstepError(f"WAVES is {text!r}; expected 1, fst or vcd, or 0 for none")
    if chosen == "fst" and simulator == "verilator" and not _has_headers("lz4.h", "zlib.h"):
        if text == "1":
            return "vcd"
        raise LockstepError(
            "Verilator writes FST with lz4 and zlib, whose headers are not here; "
            "install them (apt install liblz4-dev zlib1g-dev) or take WAVES=vcd"
        )
    return chosen


def _has_headers(*names: str) -> bool:
    """Whether the C++ compiler finds all of these headers."""
    includes = [word for name in names for word in ("-include", name)]
    try:
        done = subprocess.run(
            ["g++", "-E", "-x", "c++", *includes, os.devnull], check=False, capture_output=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
