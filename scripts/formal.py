"""`make formal`: properties of the RTL proved for all inputs, each shown to fail on a fault."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.files import alone, write_json
from scripts.given import given_line
from scripts.guard import guarded
from scripts.numbers import at_a_time, cores
from tb.common.jobs import Job, Result, finish_all
from tb.common.sources import read_rtl
from tb.formal.jobs import jobs_of
from tb.formal.proof import Proof
from tb.formal.proofs import choose
from tb.formal.prove import find_tools

OUT = Path("build/formal")


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a property fails or a fault is not found, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proof", help="this one alone (all)")
    parser.add_argument("--tools", help="pypi or native (pypi where it is installed)")
    parser.add_argument("--jobs", default=str(cores()), help="tools at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    jobs = at_a_time(args.jobs, "tools")
    proofs = choose(args.proof)
    with alone(args.out / "lock", f"`make formal` in {args.out}"):
        (args.out / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
        return _run(args, given_line("formal", parser, args), proofs, jobs)


def _run(args: argparse.Namespace, line: str, proofs: Sequence[Proof], jobs: int) -> int:
    started = time.monotonic()
    tools = find_tools(args.tools)
    for tool in tools.values():
        print(f"{tool.name}: {tool.version} ({tool.source})", flush=True)
    blocks = read_rtl()
    work = [job for proof in proofs for job in jobs_of(proof, blocks, tools, args.out.resolve())]
    done = finish_all(work, jobs, _line)
    if any(each["kept"] for each in done.values()):
        print("  * kept from an earlier run, nothing it depends on has changed")
    entries = [_entry(proof, work, done) for proof in proofs]
    result = {
        "passed": all(entry["passed"] for entry in entries),
        "make": line,
        "complete": args.proof is None,
        "proofs": entries,
        "variants": sum(entry["variants"] for entry in entries),
        "faults": sum(entry["faults"] for entry in entries),
        "errors": [f"{name}: {each['error']}" for name, each in done.items() if each["error"]],
        "tools": {name: {"version": tool.version, "source": tool.source} for name, tool in tools.items()},
        "jobs": jobs,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(args.out / "result.json", result)
    _tell(result)
    print(f"{'PASS' if result['passed'] else 'FAIL'}  {args.out / 'result.json'}", flush=True)
    return 0 if result["passed"] else 1


def _entry(proof: Proof, work: Sequence[Job], done: Mapping[str, Result]) -> dict[str, Any]:
    """What became of a proof: its variants and its faults together."""
    mine = {group: [done[job.name] for job in work if _is_of(job, proof, group)] for group in ("proof", "fault")}
    pieces = mine["proof"] + mine["fault"]
    return {
        "name": proof.name,
        "block": proof.block,
        "says": proof.says,
        "method": proof.method,
        "depth": proof.depth,
        "strength": proof.strength,
        "engine": "yices",
        "variants": len(mine["proof"]),
        "faults": len(mine["fault"]),
        "proved": sum(each["error"] is None for each in mine["proof"]),
        "found": sum(each["error"] is None for each in mine["fault"]),
        "seconds": round(sum(each["seconds"] for each in pieces), 1),
        "passed": all(each["error"] is None for each in pieces),
    }


def _is_of(job: Job, proof: Proof, group: str) -> bool:
    return job.group == group and job.about["proof"] == proof.name


def _line(result: Result) -> str:
    """A piece's line, printed as it is done."""
    kept = "*" if result["kept"] else " "
    told = f"found by {result['found']}" if "found" in result else "holds"
    return f"  {result['name']:<70} {result['seconds']:>6.1f} s{kept} {result['error'] or told}"


def _tell(result: Mapping[str, Any]) -> None:
    """The table."""
    row = "  {:<20} {:<14} {:<20} {:<7} {:>8} {:>7} {:>8}  {}".format
    print(row("proof", "block", "method", "engine", "variants", "faults", "seconds", "result"))
    for entry in result["proofs"]:
        counts = [f"{entry['proved']}/{entry['variants']}", f"{entry['found']}/{entry['faults']}", entry["seconds"]]
        verdict = "proved" if entry["passed"] else "FAILS"
        print(row(entry["name"], entry["block"], entry["strength"], entry["engine"], *counts, verdict))
    for error in result["errors"]:
        print(f"error: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
