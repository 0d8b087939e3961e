"""`make mutation`: Yosys' mutations of every RTL module; a real one that no test kills is named by its source line."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import alone, write_json
from model.typed import whole_number
from scripts.given import given_line
from scripts.guard import guarded, require_own
from scripts.numbers import at_a_time, cores, positive
from tb.common.jobs import Job, Result, finish_all
from tb.common.runner import default_simulator
from tb.common.sources import contained, read_rtl
from tb.formal.prove import find_tools
from tb.mutants.stages import STAGES
from tb.mutation.campaign import Campaign
from tb.mutation.netlist import Mutation
from tb.mutation.share import shares
from tb.mutation.subject import Subject
from tb.mutation.summary import Entry, entry, line, survivors, totals

OUT = Path("build/mutation")
processes = partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn"))
Listed = list[tuple[Subject, list[Mutation]]]


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a real mutant survives or a piece fails, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", default="1000", help="mutants of all modules together (%(default)s)")
    parser.add_argument("--module", help="mutants of this module alone, its share of N")
    parser.add_argument("--tools", help="pypi or native (pypi where it is installed)")
    parser.add_argument("--jobs", default=str(cores()), help="simulations at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    wanted, seed = positive("N", args.n, 1000), whole_number("SEED", os.environ.get("SEED") or "1", 1)
    jobs, rtl = at_a_time(args.jobs, "simulations"), read_rtl()
    if args.module not in (None, *rtl):
        raise LockstepError(f"there is no module {args.module!r}; expected one of {', '.join(rtl)}")
    if default_simulator() != "icarus":
        raise LockstepError(
            f"SIM={default_simulator()} cannot be used here: mutants run on Icarus; expected SIM=icarus"
        )
    out = args.out.resolve()
    require_own(args.out, OUT, "mutation")
    with alone(out / "lock", f"`make mutation` in {args.out}"):
        (out / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
        shutil.rmtree(out / "builds", ignore_errors=True)
        campaign = Campaign(rtl, find_tools(args.tools), out, seed, STAGES)
        return _run(campaign, given_line("mutation", parser, args, simulates=True), wanted, args.module, jobs)


def _run(campaign: Campaign, given: str, wanted: int, module: str | None, jobs: int) -> int:
    started = time.monotonic()
    for tool in campaign.tools.values():
        print(f"{tool.name}: {tool.version} ({tool.source})", flush=True)
    errors: list[str] = []
    entries: list[Entry] = []
    if _finish("what the simulations elaborate", [campaign.elaboration()], jobs, errors):
        listed = _list(campaign, wanted, module, jobs, errors)
        entries = _try(campaign, listed, jobs, errors) if not errors else []
    modules = dict.fromkeys(each["module"] for each in entries)
    result: Result = {
        **totals(entries),
        "passed": bool(entries) and not errors and not survivors(entries),
        "make": given,
        "complete": module is None,
        "modules": {name: totals([each for each in entries if each["module"] == name]) for name in modules},
        "survivors": survivors(entries),
        "errors": errors,
        "seed": campaign.seed,
        "asked": wanted,
        "tools": {name: {"version": tool.version, "source": tool.source} for name, tool in campaign.tools.items()},
        "jobs": jobs,
        "seconds": round(time.monotonic() - started, 1),
        "results": entries,
    }
    write_json(campaign.out / "result.json", result)
    shutil.rmtree(campaign.builds, ignore_errors=True)
    _tell(result)
    print(f"{'PASS' if result['passed'] else 'FAIL'}  {campaign.out / 'result.json'}", flush=True)
    return 0 if result["passed"] else 1


def _list(campaign: Campaign, wanted: int, module: str | None, jobs: int, errors: list[str]) -> Listed:
    """The subjects and their mutants."""
    every = campaign.subjects()
    every.sort(key=lambda each: len(contained(each.stages[0].top, campaign.rtl)))  # quick simulations first
    parts = zip(every, shares(wanted, every, campaign.rtl), strict=True)
    work = {each.name: (each, part) for each, part in parts if part and module in (None, each.module)}
    chosen = [each for each, _ in work.values()]
    done = _finish("mutants", [campaign.netlist(each, part) for each, part in work.values()], jobs, errors)
    found = [(each, done[each.name].get("mutations", [])) for each in chosen]
    return [(each, [Mutation(**mutation) for mutation in mutations]) for each, mutations in found if mutations]


def _try(campaign: Campaign, listed: Listed, jobs: int, errors: list[str]) -> list[Entry]:
    """Simulate all, then prove what survives."""
    work = [job for each, mutations in listed for job in campaign.trials(each, mutations)]
    done = _finish("simulations", work, jobs, errors, workers=processes)
    killed: dict[str, dict[str, Any]] = {each.name: {} for each, _ in listed}
    for result in done.values():
        killed[result["subject"]].update(result.get("killed", {}))  # none of a piece with an error
    judged = [
        (each, mutations, number)
        for each, mutations in listed
        for number in range(1, len(mutations) + 1)
        if str(number) in killed[each.name]
    ]
    living = [campaign.proof(*which) for which in judged if killed[which[0].name][str(which[2])] is None]
    proved = _finish("comparisons with the original", living, jobs, [])
    proofs = {(result["subject"], result["number"]): result for result in proved.values()}
    return [
        entry(each, number, mutations[number - 1], killed[each.name][str(number)], proofs.get((each.name, number)))
        for each, mutations, number in judged
    ]


def _finish(what: str, work: Sequence[Job], jobs: int, errors: list[str], **options: Any) -> dict[str, Result]:
    """Finish pieces with a line each; their errors are added to `errors`."""
    count, began = 0, time.monotonic()

    def told(result: Result) -> str:
        nonlocal count
        count += 1
        seconds = f"{result['seconds']:>6.1f} s" + ("*" if result["kept"] else " ")
        return f"  {count}/{len(work)} {result['name']:<56} {seconds} {_news(result)}"

    if work:
        print(f"{what}, {len(work)}:", flush=True)
    done = finish_all(work, jobs, told, **options)
    if work:
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    errors += [f"{name}: {each['error']}" for name, each in done.items() if each["error"]]
    return done


def _news(result: Result) -> str:
    if result["error"]:
        return str(result["error"]).partition("\n")[0]
    if "killed" in result:
        dead = sum(by is not None for by in result["killed"].values())
        return f"{dead} of {len(result['killed'])} killed"
    return str(result.get("verdict", "")) or (f"{len(result['mutations'])} mutants" if "mutations" in result else "")


def _tell(result: Result) -> None:
    """The table and the survivors."""
    row = "  {:<14} {:>8} {:>11} {:>6} {:>7} {:>7}".format
    print(row("module", "mutants", "equivalent", "real", "killed", "rate"))
    for name, each in [*result["modules"].items(), ("all", result)]:
        rate = "-" if each["rate"] is None else f"{100 * each['rate']:.1f}%"
        print(row(name, each["mutants"], each["equivalent"], each["real"], each["killed"], rate))
    for each in result["survivors"]:
        print(f"survived: {line(each)}", file=sys.stderr)
    for error in result["errors"]:
        print(f"error: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
