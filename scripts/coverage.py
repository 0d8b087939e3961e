"""`make coverage`: which lines, branches and bits of the RTL, and points of the test plan, the testbenches meet."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from model.errors import LockstepError
from model.files import alone, write_json
from scripts.given import given_line
from scripts.guard import guarded
from scripts.numbers import at_a_time
from tb.common.runner import ROOT
from tb.coverage.counts import KINDS
from tb.coverage.jobs import Outcome, chosen_jobs, run_job
from tb.coverage.summary import Result, share, summarize
from tb.coverage.waivers import read_waivers

OUT = Path("build/coverage")
SHOWN = 20


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when something was not met or a testbench fails, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", help="a folder of tb/: its testbenches alone, judged on the module of that name, if any"
    )
    parser.add_argument("--jobs", default="1", help="testbenches at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for results and builds (%(default)s)")
    args = parser.parse_args(arguments)
    width, waivers, jobs = at_a_time(args.jobs, "testbenches"), read_waivers(), chosen_jobs(args.only)
    with alone(args.out / "lock", f"a run in {args.out}", "name another folder: OUT=<folder>"):
        (args.out / "result.json").unlink(missing_ok=True)
        started = time.monotonic()
        outcomes, failed = [], []
        for number, (job, told) in enumerate(_all(jobs, args.out, width), start=1):
            if isinstance(told, Outcome):
                outcomes.append(told)
                state = f"{told.seconds:.0f} s" if told.fresh else "kept"
            else:
                failed.append(f"{job}: {told}")
                state = f"FAILED: {told}"
            print(f"{number} of {len(jobs)} {job}: {state}", flush=True)
        modules = None  # all
        if args.only:  # a folder that is not a module's, network, judges none
            modules = [name for name in [args.only.partition("/")[0]] if (ROOT / "rtl" / f"{name}.v").is_file()]
        result = summarize(outcomes, waivers, modules)
        result = _judged(result, failed, args.only) | {"seconds": round(time.monotonic() - started, 1)}
        result["make"] = given_line("coverage", parser, args, simulates=True)
        result["jobs"] = {outcome.job: outcome.seconds for outcome in outcomes}
        write_json(args.out / "result.json", result)
    _tell(result)
    return 0 if result["passed"] else 1


def _all(jobs: Mapping[str, Path], out: Path, width: int) -> Iterator[tuple[str, Outcome | LockstepError]]:
    """The outcomes as they come, `width` testbenches at a time; the reason of one that failed."""
    with ThreadPoolExecutor(width) as pool:
        running = {pool.submit(run_job, job, path, out): job for job, path in jobs.items()}
        try:
            for done in as_completed(running):
                try:
                    yield running[done], done.result()
                except LockstepError as error:
                    yield running[done], error
        except BaseException:  # an interrupt, or the reader of this is closed by one
            pool.shutdown(cancel_futures=True)
            raise


def _judged(result: Result, failed: list[str], only: str | None) -> Result:
    """With the verdict and the shares."""
    complete = not (result["holes"] or result["missed_points"] or result["waiver_errors"] or failed)
    sums = {
        kind: {
            name: sum(each[kind][name] for each in result["modules"].values()) for name in ("places", "met", "waived")
        }
        for kind in KINDS
    }
    shares = {kind: share(told) for kind, told in sums.items()}
    return {"passed": complete, "only": only, "failed": failed, "shares": shares, "totals": sums, **result}


def _tell(result: Result) -> None:
    """Print the figures and the first holes."""
    for module, kinds in result["modules"].items():
        told = ", ".join(f"{kind} {100 * share(kinds[kind]):.1f}%" for kind in KINDS)
        print(f"  {module:14} {told}")
    for hole in result["holes"][:SHOWN]:
        what = ", ".join(hole["what"][:4]) + (" ..." if len(hole["what"]) > 4 else "")
        print(
            f"  not met: rtl/{hole['module']}.v:{hole['line']} {hole['kind']} {what}: {hole['source']}", file=sys.stderr
        )
    if len(result["holes"]) > SHOWN:
        print(f"  and {len(result['holes']) - SHOWN} more, in result.json", file=sys.stderr)
    for line in [*(f"never met: {point}" for point in result["missed_points"]), *result["waiver_errors"]]:
        print(f"  {line}", file=sys.stderr)
    shares = ", ".join(f"{kind} {100 * value:.2f}%" for kind, value in result["shares"].items())
    points = result["points"]
    met = sum(hits > 0 for hits in points.values())
    print(f"{shares}; {met} of {len(points)} points; {len(result['failed'])} testbenches failed", flush=True)


if __name__ == "__main__":
    sys.exit(main())
