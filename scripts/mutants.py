"""`make mutants`: put each named fault into a copy of the RTL; the tests must fail, and must not without it."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from model.errors import LockstepError
from model.files import alone, write_json
from scripts.given import given_line
from scripts.guard import guarded, require_own
from scripts.numbers import at_a_time, cores
from tb.common.runner import default_seed, default_simulator
from tb.common.sources import read_rtl
from tb.mutants.campaign import Result, Trial, baseline, trials
from tb.mutants.patches import PATCHES, Mutant, read_mutants

OUT = Path("build/mutants")


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns 0 when every mutant is killed, 1 when one survives or the RTL itself fails, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", help="this mutant (may be given again)")
    parser.add_argument("--jobs", default=str(cores()), help="simulations at a time (%(default)s)")
    parser.add_argument("--patches", type=Path, default=PATCHES, help="folder of the mutants (tb/mutants)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for sources, logs and results (%(default)s)")
    args = parser.parse_args(arguments)
    jobs = at_a_time(args.jobs, "simulations")
    default_seed()  # every simulation asks for it: a wrong one is told here
    mutants, out = read_mutants(args.patches), args.out.resolve()
    chosen = _choose(mutants, args.only)
    require_own(args.out, OUT, "mutants")
    with alone(out / "lock", f"`make mutants` in {args.out}"):
        (out / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
        try:
            return _run(
                chosen, given_line("mutants", parser, args, simulates=True), len(chosen) == len(mutants), out, jobs
            )
        except KeyboardInterrupt:
            print("stopped; what is finished is kept, the same command goes on from there", file=sys.stderr)
            raise


def _choose(mutants: list[Mutant], names: Sequence[str] | None) -> list[Mutant]:
    unknown = sorted(set(names or ()) - {mutant.name for mutant in mutants})
    if unknown:
        known = ", ".join(mutant.name for mutant in mutants)
        raise LockstepError(f"there is no mutant {unknown[0]!r}; expected one of {known}")
    return [mutant for mutant in mutants if not names or mutant.name in names]


def _run(mutants: list[Mutant], line: str, complete: bool, out: Path, jobs: int) -> int:
    started = time.monotonic()
    rtl = read_rtl()
    tried = trials(mutants, rtl, out)  # every patch applies, or nothing is simulated
    sound = baseline(tried, rtl, out)
    print(f"the RTL as it is, {len(sound)} simulations, with and without SIM_CHECKS", flush=True)
    unsound = []
    for result in _results(sound, jobs):
        if result["outcome"] != "passed":
            unsound.append(result)
            print(f"  {_place(result['last'])}: {result['last']['message']}", file=sys.stderr)
    results: list[Result] = []
    if not unsound:
        print(f"  all pass\n{_row('mutant', 'module', 'caught by', 'how', 'seconds ')}", flush=True)
        for result in _results(tried, jobs):
            results.append(result)
            _print_result(result, loud=not complete)
    summary = _summary(results)
    summary |= {
        "passed": not unsound and summary["killed"] == len(mutants),
        "make": line,
        "complete": complete and not unsound,
        "mutants": len(mutants),
        "baseline_failures": [result["last"] for result in unsound],
        "simulator": default_simulator(),
        "seed": os.environ.get("SEED") or None,
        "jobs": jobs,
        "seconds": round(time.monotonic() - started, 1),
        "results": [{name: value for name, value in result.items() if name != "key"} for result in results],
    }
    write_json(out / "result.json", summary)
    return _tell(summary, results, out)


def _results(tried: Sequence[Trial], jobs: int) -> Iterator[Result]:
    """Results in order, `jobs` trials at a time."""
    if jobs == 1:
        yield from (trial.run() for trial in tried)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(Trial.run, tried)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _row(*cells: str) -> str:
    widths = (38, 9, 60, 14)
    return "  " + " ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False)) + f" {cells[-1]:>8}"


def _place(by: Result) -> str:
    return f"{by['block']} {by['test']}".strip()


def _how(result: Result) -> str:
    without = result["by_without_checks"]
    if result["by"]["how"] == "comparison":
        return "comparison"
    if without is None:
        return "assertion only"
    return "assertion" if without["how"] == "comparison" else "parameters"  # the checks at time zero are always there


def _print_result(result: Result, loud: bool) -> None:
    outcome, by = result["outcome"], result["by"]
    caught = _place(by) if outcome == "killed" else {"survived": "SURVIVES", "error": "ERROR"}[outcome]
    how = _how(result) if outcome == "killed" else ""
    seconds = f"{result['seconds']:.1f}" + ("*" if result["kept"] else " ")
    print(_row(result["name"], result["module"], caught, how, seconds), flush=True)
    for key, what in (("by", "with SIM_CHECKS"), ("by_without_checks", "without")):
        if result[key] and (loud or outcome == "error"):
            print(f"    {what}: {_place(result[key])}: {result[key]['message']}", flush=True)


def _summary(results: Sequence[Result]) -> Result:
    killed = [result for result in results if result["outcome"] == "killed"]
    return {
        "killed": len(killed),
        "killed_by_comparison": sum(result["by"]["how"] == "comparison" for result in killed),
        "killed_without_checks": sum(result["by_without_checks"] is not None for result in killed),
        "assertion_only": [result["name"] for result in killed if result["by_without_checks"] is None],
        "survived": [result["name"] for result in results if result["outcome"] == "survived"],
        "errors": [result["name"] for result in results if result["outcome"] == "error"],
    }


def _tell(summary: Result, results: Sequence[Result], out: Path) -> int:
    """The last lines, and the exit status."""
    if summary["baseline_failures"]:
        print("error: the RTL without a fault fails its own tests, so the figures would mean nothing", file=sys.stderr)
        return 1
    if any(result["kept"] for result in results):
        print("  * kept from an earlier run, nothing it depends on has changed")
    print(
        f"{summary['killed']} of {summary['mutants']} mutants killed, {len(summary['survived'])} survived, "
        f"{len(summary['errors'])} errors; {summary['killed_without_checks']} are caught without SIM_CHECKS too; "
        f"{summary['seconds']:.0f} s, {summary['jobs']} at a time"
    )
    if summary["assertion_only"]:
        print(f"  by an assertion only: {', '.join(summary['assertion_only'])}")
    print(f"{'PASS' if summary['passed'] else 'FAIL'}  {out / 'result.json'}", flush=True)
    for result in results:
        if result["outcome"] == "survived":
            print(f"survived: {result['name']} ({result['module']}): {result['fault']}", file=sys.stderr)
        elif result["outcome"] == "error":
            last = result["by_without_checks"] or result["by"]
            print(f"error: {result['name']} ({result['module']}): {last['message']}", file=sys.stderr)
    return 2 if summary["errors"] else 0 if summary["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
