"""`make sim`: replay a vector folder on the array in a simulator and check every psum and every output."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import alone, write_atomic, write_json
from model.typed import whole_number
from model.vectors.check import require_psum_bits
from model.vectors.manifest import NAME
from model.vectors.os_check import require_os_psum_bits
from scripts.given import given_line
from scripts.guard import guarded, require_own
from scripts.proposals import refuse_with_proposal
from tb.common.runner import DEFAULT_SEED, SimulationError, default_simulator, seed_of, simulate
from tb.common.simulators import find
from tb.common.weight_formats import weight_parameters
from tb.core.launch import run_replay, wave_format
from tb.core.os_replay import OsReplay
from tb.core.replay import DEFAULT_WGT_LANES, Replay
from tb.waves.layout import gtkwave, surfer

DEFAULT_SET = Path("vectors/vgg16/features.27/imgsample")
OUT = Path("build/sim")
REGISTER_TEST = "test_registers_of_back_to_back_tiles_shorter_than_the_wave"
PAIR_TEST = "test_registers_of_pairs_and_single_codes_in_turns"
OS_REGISTER_TEST = "test_no_bubble_between_groups_of_as_many_terms_as_rows"
RESULTS = ("core.fst", "core.gtkw", "core.sucl", "core.vcd", "job.json", "progress.jsonl", "report.json", "result.json")
OWN = {*RESULTS, "build", "lock", "proposed"}
FATAL = re.compile(r"FATAL|%Fatal|%Error")


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when the RTL and the files disagree, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", default=str(DEFAULT_SET), help="the vector folder (%(default)s)")
    parser.add_argument("--manifest", help="its description, where it is not manifest.json in the folder")
    parser.add_argument("--sim", help="icarus or verilator (the environment's SIM, else icarus)")
    parser.add_argument("--waves", default="", help="1 or fst, or vcd: dump every signal")
    parser.add_argument(
        "--wgt-lanes", default=str(DEFAULT_WGT_LANES), help="columns of weights in a cycle (%(default)s)"
    )
    parser.add_argument("--simd", default="", help="1: on half the rows, two input channels each, of 2 bits at most")
    parser.add_argument(
        "--seed", default=os.environ.get("SEED") or str(DEFAULT_SEED), help="of the random tiles (%(default)s)"
    )
    parser.add_argument("--out", default=str(OUT), help="folder for the result and the dump (%(default)s)")
    parser.add_argument(
        "--no-registers", action="store_true", help="leave out the check of every register of the array"
    )
    args = parser.parse_args(arguments)
    folder, out = Path(args.vectors), Path(args.out)
    manifest = Path(args.manifest) if args.manifest else None
    require_own(out, OUT, "sim", OWN)
    if manifest is None and folder.is_dir() and not (folder / NAME).exists():
        refuse_with_proposal(folder, out)
    if folder == DEFAULT_SET and not folder.exists():
        raise LockstepError(f"{folder} is missing; run `make vectors` first, or name another folder: VECTORS=<folder>")
    args.wgt_lanes = whole_number("WGT_LANES", args.wgt_lanes, DEFAULT_WGT_LANES)
    args.seed = seed_of(args.seed)
    args.sim = args.sim or default_simulator()
    find(args.sim)
    line = given_line("sim", parser, args, simulates=True)
    if args.simd not in ("", "0", "1"):
        raise LockstepError(f"SIMD={args.simd}; expected 1, or nothing")
    waves = wave_format(args.waves, args.sim)
    # Job, progress and report go through files in `out`: a second run there would be judged by the first one's.
    with alone(out / "lock", f"`make sim` in {out}", "name a folder that can be: OUT=<folder>"):
        return _run(folder, manifest, out, args, waves, line)


def _run(folder: Path, manifest: Path | None, out: Path, args: argparse.Namespace, waves: str | None, line: str) -> int:
    started, dump = time.monotonic(), None if waves is None else out / f"core.{waves}"
    replays: list[Replay | OsReplay] = []

    def begin(replay: Replay | OsReplay) -> None:
        where = str(manifest or folder / NAME)
        if isinstance(replay, OsReplay):
            require_os_psum_bits(replay.vectors, where)
        else:
            require_psum_bits(replay.vectors, where)
        replays.append(replay)
        (out / "result.json").unlink(missing_ok=True)  # an older verdict is not to be taken for this run's
        bits, array = replay.manifest.bits, replay.manifest.array
        powers = "" if bits.wgt_power is None else f" ({bits.weights.name})"
        widths = f"act {bits.act}, wgt {bits.wgt}{powers}, psum {bits.psum} bits"
        shape = replay.plan.shape
        pairs = ", two channels a row" if getattr(shape, "simd", False) else ""
        flow = ", output stationary" if isinstance(replay, OsReplay) else ""
        print(f"{folder} on the {shape.rows}x{array.cols} array{flow} ({widths}{pairs})", flush=True)

    try:
        result: dict[str, Any] = run_replay(
            *(folder, out, manifest),
            wgt_lanes=args.wgt_lanes,
            simd=args.simd == "1",
            simulator=args.sim,
            seed=args.seed,
            waves=waves,
            build_root=_build_root(out),
            on_start=begin,
            on_tile=_print_tile,
        )
        _print_table(result)
    except SimulationError as error:
        result = {"passed": False, "stopped": _reason(error), "simulator": args.sim}
        print(f"stopped: {result['stopped']}", file=sys.stderr)
    if not args.no_registers:
        result["registers"] = _registers(replays[0], args.sim, args.seed, _build_root(out))
        result["passed"] = result["passed"] and result["registers"]["passed"]
    result["make"] = line
    result["vectors"], result["manifest"] = str(folder), str(manifest or folder / NAME)
    result["waves"] = str(dump) if dump is not None and dump.is_file() else None
    if result["waves"]:
        write_atomic(out / "core.gtkw", gtkwave(replays[0].parameters))
        write_atomic(out / "core.sucl", surfer(replays[0].parameters))
    result["seconds"] = round(time.monotonic() - started, 2)
    write_json(out / "result.json", result)
    if result.get("first_mismatch"):
        print(describe(result["first_mismatch"], result["mismatches"], result["waves"]), file=sys.stderr)
    if result["waves"]:
        print(f"  waves            {result['waves']} (make waves opens it)")
    print(f"{'PASS' if result['passed'] else 'FAIL'}  {out / 'result.json'}", flush=True)
    return 0 if result["passed"] else 1


def _build_root(out: Path) -> Path:
    """Builds of their own: the tests may run at the same time."""
    return Path(os.environ.get("LOCKSTEP_BUILD") or out / "build")


def _registers(replay: Replay | OsReplay, simulator: str, seed: int, build_root: Path) -> dict[str, Any]:
    """Every PE register at every edge against the cycle model, on the set's array, 8x8 at most."""
    parameters = replay.parameters
    rows, cols, lanes = min(parameters["Rows"], 8), min(parameters["Cols"], 8), parameters["WgtLanes"]
    fmt = replay.manifest.bits.weights
    extreme = rows * ((1 << parameters["ActWidth"]) - 1) * -fmt.min  # largest magnitude, of a negative psum
    groups = -(-cols // lanes)
    chosen = {
        "Rows": rows,
        "Cols": cols,
        "ActWidth": parameters["ActWidth"],
        **weight_parameters(fmt),
        "PsumWidth": max(parameters["PsumWidth"], extreme.bit_length() + 1),
        "WgtLanes": lanes,
        "GroupWidth": max(1, (groups - 1).bit_length()),
    }
    tests = "tb.mac_array.mac_array_tests", REGISTER_TEST
    if "Simd" in parameters:
        chosen |= {"Simd": 1, "GroupWidth": chosen["GroupWidth"] + 1}
        tests = "tb.mac_array.mac_array_pair_tests", PAIR_TEST
    if isinstance(replay, OsReplay):
        chosen["OutputStationary"] = 1
        tests = "tb.mac_array.mac_array_os_tests", OS_REGISTER_TEST
    result: dict[str, Any] = {"array": [rows, cols], "passed": True}
    try:
        outcome = simulate(
            *("mac_array", tests[0], chosen),
            simulator=simulator,
            seed=seed,
            only=[tests[1]],
            build_root=build_root,
            announce=False,
        )
        result["seconds"] = round(outcome.seconds, 2)
    except SimulationError as error:
        result |= {"passed": False, "stopped": _reason(error)}
    told = "equal the cycle model at every edge" if result["passed"] else f"FAIL: {result['stopped']}"
    print(f"  PE registers     {told} ({rows}x{cols}, random tiles)", flush=True)
    return result


def _print_tile(tile: Mapping[str, Any]) -> None:
    psums = f"{tile['checked']} psums" + (f", {tile['wrong']} WRONG" if tile["wrong"] else " ok")
    psums = (
        psums
        if tile["judged"]
        else "psums not judged" + (f", {tile['wrong']} late or missing" if tile["wrong"] else "")
    )
    print(f"  oc {tile['oc']:<3} ic {tile['ic']:<3} {psums:>24} {tile['cycles']:>9} cycles", flush=True)


def _print_table(result: Mapping[str, Any]) -> None:
    def share(part: str) -> str:
        return "-" if result[part] is None else f"{100 * result[part]:.1f}%"

    kinds = " and ".join(result["outputs_judged"])
    rows = [
        (
            "psums checked",
            f"{result['checked_psums']} of {result['expected_psums']}"
            if result["psums_judged"]
            else "none: the folder has no psum files",
        ),
        (
            "outputs checked",
            f"{result['checked_outputs']} of {result['expected_outputs']} ({kinds})"
            if kinds
            else "none: the folder has no out files",
        ),
        ("mismatches", str(result["mismatches"])),
        ("cycles", f"{result['cycles']} (first write to last output)"),
        ("stream cycles", f"{result['stream_cycles']} (first activation at the array to last psum)"),
    ]
    parts = result["breakdown"]
    if parts:
        told = ", ".join(f"{name.replace('_', ' ')} {cycles}" for name, cycles in parts.items())
        rows.append(("where they go", told))
    rows.append(("PE utilization", f"{share('utilization')} of the stream, {share('utilization_total')} of all cycles"))
    rows.append(("simulator", f"{result['simulator']}, {result['cycles_per_second']:.0f} cycles/s"))
    for name, value in rows:
        print(f"  {name:<16} {value}")
    sys.stdout.flush()


def describe(first: Mapping[str, Any], count: int, waves: str | None) -> str:
    """One mismatch in full, as a line.

    Parameters
    ----------
    first : mapping
        `first_mismatch` of the result.
    count : int
        All mismatches.
    waves : str or None
        The dump, when there is one.
    """
    head = f"{count} mismatch{'es' if count != 1 else ''}; the first: "
    if "oc" in first:
        inner = "" if first["ic"] is None else f" ic {first['ic']} kij {first['kij']}"
        place = f"{first['port']} oc {first['oc']}{inner} position {first['position']}"
        place += "" if first["column"] is None else f" column {first['column']}"
        place += f" ({first['file']} line {first['line']})"
    else:
        place = "a line that no file promises"
    if first["column"] is not None:
        told = f"expected {first['expected']}, got {first['got']}"
    else:
        told = {"missing": "did not come in its cycle", "unknown": f"is unknown ({first['got']})"}.get(
            first["fault"], "came"
        )
    look = f"{first['signal']} in {waves}" if waves else f"{first['signal']}; WAVES=1 records it"
    return f"{head}{place}: {told}, cycle {first['cycle']}, {first['time_ns']:g} ns; see {look}"


def _reason(error: SimulationError) -> str:
    """The line of the log that says why the simulation broke off, else the first line of the error."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if FATAL.search(line)), lines[0])


if __name__ == "__main__":
    sys.exit(main())
