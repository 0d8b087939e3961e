"""`make synth`: area of every block, clock of the array, and the array's own tests on its gates."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import alone, write_json
from scripts.given import given_line
from scripts.guard import guarded
from scripts.numbers import at_a_time, cores
from tb.common.jobs import Job, Result, finish_all
from tb.common.runner import SimulationError
from tb.common.sources import read_rtl
from tb.common.tools import NAMES, find
from tb.synth import formats
from tb.synth.gates import run_tests, shape
from tb.synth.jobs import ARRAY, GATES_SHAPE, area_jobs, array_jobs, format_jobs, gates_folder

OUT = Path("build/synth")


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a block is refused or the gates fail the tests, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", help="pypi or native (pypi where it is installed)")
    parser.add_argument("--only", metavar="BLOCK", action="append", help="this block (may be given again)")
    parser.add_argument("--sim", help="icarus or verilator (the environment's SIM, else icarus)")
    parser.add_argument("--jobs", default=str(cores()), help="tools at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    jobs = at_a_time(args.jobs, "tools")
    blocks = read_rtl()
    unknown = sorted(set(args.only or ()) - set(blocks))
    if unknown:
        raise LockstepError(f"there is no block {unknown[0]!r}; expected one of {', '.join(blocks)}")
    with alone(args.out / "lock", f"`make synth` in {args.out}"):
        (args.out / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
        return _run(args, given_line("synth", parser, args), blocks, jobs)


def _run(args: argparse.Namespace, line: str, blocks: dict[str, str], jobs: int) -> int:
    started = time.monotonic()
    chosen = [block for block in blocks if not args.only or block in args.only]
    tools = {name: find(name, args.tools) for name in NAMES}
    for tool in tools.values():
        print(f"{tool.name}: {tool.version} ({tool.source})", flush=True)
    out = args.out.resolve()
    work = area_jobs(chosen, blocks, tools, out) + format_jobs(chosen, blocks, tools, out)
    if ARRAY in chosen:
        work += array_jobs(blocks, tools, out)
    done = finish_all(work, jobs, _line)
    if any(each["kept"] for each in done.values()):
        print("  * kept from an earlier run, nothing it depends on has changed")
    result: dict[str, Any] = {
        "passed": all(entry["error"] is None for entry in done.values()),
        "make": line,
        "complete": chosen == list(blocks),
        "tools": {name: {"version": tool.version, "source": tool.source} for name, tool in tools.items()},
        "blocks": {
            block: {job.kind: done[job.name] for job in work if job.block == block and job.group == "area"}
            for block in chosen
        },
    }
    if any(job.group == "format" for job in work):
        result["formats"] = {
            name: {
                block: {job.kind: done[job.name] for job in work if _is_format(job, block, name)}
                for block in formats.BLOCKS
                if block in chosen
            }
            for name in formats.NAMES
        }
    if ARRAY in chosen:
        result["fmax"] = [done[job.name] for job in work if job.group == "fmax"]
        result["per_pe"] = _per_pe(result["blocks"][ARRAY])
        gates = next(job for job in work if job.group == "gates")
        result["gate_level"] = done[gates.name] | _gate_level(gates, done[gates.name], args.sim, out)
        result["passed"] = result["passed"] and result["gate_level"]["passed"]
    result["seconds"] = round(time.monotonic() - started, 1)
    write_json(args.out / "result.json", result)
    _tell(result)
    print(f"{'PASS' if result['passed'] else 'FAIL'}  {args.out / 'result.json'}", flush=True)
    return 0 if result["passed"] else 1


def _is_format(job: Job, block: str, name: str) -> bool:
    return job.group == "format" and job.block == block and job.about["format"] == name


def _line(result: Result) -> str:
    """A piece's line, printed as it is done."""
    kept = "*" if result["kept"] else " "
    return f"  {result['name']:<34} {result['seconds']:>7.1f} s{kept} {result['error'] or _figures(result)}"


def _figures(result: Result) -> str:
    names = ("gates", "luts", "flip_flops", "brams", "memory_bits", "used", "available", "mhz")
    return ", ".join(f"{name.replace('_', ' ')} {result[name]}" for name in names if result.get(name))


def _per_pe(array: dict[str, Result]) -> dict[str, dict[str, float]]:
    """The array's figures divided by its PEs; by default it has the shape of the netlist."""
    pes = GATES_SHAPE[0] * GATES_SHAPE[1]
    parts = ("gates", "luts", "carries", "flip_flops")
    return {
        flow: {part: round(found[part] / pes, 2) for part in parts if part in found} for flow, found in array.items()
    }


def _gate_level(job: Job, made: Result, simulator: str | None, out: Path) -> dict[str, Any]:
    """The array's tests on its netlist."""
    if made["error"] is not None:
        return {"passed": False, "tests": 0}
    rows, cols = job.about["rows"], job.about["cols"]
    print(f"the tests of mac_array on the gates of {rows}x{cols} ...", flush=True)
    try:
        outcome = run_tests(gates_folder(out), shape(rows, cols), simulator)
    except SimulationError as error:
        print(f"error: {error}", file=sys.stderr)
        return {"passed": False, "tests": 0, "stopped": str(error).splitlines()[0]}
    return {"passed": True, "tests": outcome.tests, "test_seconds": round(outcome.seconds, 1)}


def _tell(result: dict[str, Any]) -> None:
    """The tables."""
    row = "  {:<15} {:>9} {:>7} {:>9} | {:>7} {:>7} {:>6} | {:>7} {:>7} {:>6}".format
    print(row("block", "gates", "FF", "mem bits", "iCE40", "FF", "BRAM", "ECP5", "FF", "BRAM"))
    for block, flows in result["blocks"].items():
        generic, ice40, ecp5 = (flows[flow] for flow in ("generic", "ice40", "ecp5"))
        cells = [generic.get(part, "-") for part in ("gates", "flip_flops", "memory_bits")]
        cells += [found.get(part, "-") for found in (ice40, ecp5) for part in ("luts", "flip_flops", "brams")]
        print(row(block, *cells))
    if "formats" in result:
        print("\n".join(formats.table(result["formats"])))
    if "fmax" not in result:
        return
    for flow, parts in result["per_pe"].items():
        print(f"  a PE of the 8x8 array, {flow}: " + ", ".join(f"{p.replace('_', ' ')} {n}" for p, n in parts.items()))
    for target in result["fmax"]:
        told = target["error"] or f"{target['mhz']} MHz, {target['used']} of {target['available']} logic cells"
        products = "multipliers" if target["flow"].endswith("dsp") else "LUTs"
        print(f"  {target['rows']}x{target['cols']} in {target['device']} (products in {products}): {told}")
    gates = result["gate_level"]
    verdict = f"{gates['tests']} tests pass" if gates["passed"] else "FAIL"
    print(f"  mac_array at gate level ({gates['rows']}x{gates['cols']}): {verdict}")


if __name__ == "__main__":
    sys.exit(main())
