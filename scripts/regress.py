"""`make regress`: images x layers x modes, and drawn layers, as independent jobs on as many workers as there are."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model.errors import LockstepError
from model.files import alone, read_json, remove_parts, write_json
from model.graph import storage
from model.typed import whole_number
from scripts.guard import guarded, require_own
from scripts.network import layer_range
from scripts.numbers import MOST_JOBS, cores
from scripts.regression.plan import LeftOut, draw_cases, keep_images, layer_cases, modes_of
from scripts.regression.summary import Told, summarize, tell
from scripts.regression.workers import Choice, answers, look_everywhere, workers
from scripts.reporting.results import make_line
from tb.common.initial import random_start
from tb.common.runner import default_simulator, rtl_folder
from tb.common.simulators import find, require_simulator
from tb.network.cases import Case, DrawCase, case_to_json
from tb.network.whole import run_key

if TYPE_CHECKING:
    from distributed import Client

OUT = Path("build/regress")


@dataclass(frozen=True)
class Run:
    """What is asked for: the cases, their keys, what their requests have in common; and the make line, in parts."""

    cases: Sequence[Case]
    left_out: Sequence[LeftOut]
    keys: Mapping[str, str]
    common: Mapping[str, Any]
    given: Mapping[str, object]
    line: str
    only: str
    out: Path

    def request(self, case: Case) -> str:
        """What `tb.network.run_case` takes."""
        return json.dumps({**self.common, "key": self.keys[case.name], "case": case_to_json(case)})

    def place(self, case: Case) -> Path:
        """The file of its result."""
        return self.out / "jobs" / f"{self.keys[case.name]}.json"

    def again(self, case: Case) -> str:
        """The make line that runs it alone."""
        if isinstance(case, DrawCase):
            values: dict[str, object] = {"IMAGES": 0, "DRAWS": 1, "SEED": case.seed, "FIRST": case.number}
            values |= {name: self.given[name] for name in ("SIM", "CHECKS", "INIT", "OUT")}
        else:
            values = {**self.given, "DRAWS": 0}
        return make_line("regress", values | {"ONLY": case.name})

    def kept(self, case: Case) -> dict[str, Any] | None:
        """Its result of an earlier run; None where there is none, or it did not pass, or is broken."""
        try:
            result = read_json(self.place(case))
        except LockstepError:
            return None
        good = isinstance(result, dict) and result.get("key") == self.keys[case.name] and result.get("passed") is True
        return {**result, "kept": True} if good and not self.only else None

    def keep(self, case: Case, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write the result of a case that was run; returns it with all that the summary needs."""
        whole = {**result, "key": self.keys[case.name], "job": case.name, "mode": case.mode, "layer": case.group}
        write_json(self.place(case), whole)
        for begun in (self.out / "work").glob(f"{self.keys[case.name]}.*") if whole["passed"] else ():
            shutil.rmtree(begun, ignore_errors=True)
        return {**whole, "kept": False}


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a job fails, 2 for bad input, 130 when interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="tiny", help="network, or path of an integer graph (%(default)s)")
    parser.add_argument("--images", help="that many test images, evenly spread; 0: no network (the shipped sample)")
    parser.add_argument("--data", help="folder of the data set (the bundled digits)")
    parser.add_argument("--layers", default="", help="from:to, numbers from 0 or names, both included (all)")
    parser.add_argument("--modes", default="", help="some of ws,os,pairs (all)")
    parser.add_argument("--rows", default="8", help="rows of the array (%(default)s)")
    parser.add_argument("--cols", default="8", help="columns of the array (%(default)s)")
    parser.add_argument("--draws", default="100", help="drawn layers (%(default)s)")
    parser.add_argument("--seed", default=os.environ.get("SEED") or "1", help="of the draws (%(default)s)")
    parser.add_argument("--first", default="0", help="number of the first draw (%(default)s)")
    parser.add_argument("--only", default="", help="the one job of this name, anew")
    parser.add_argument("--sim", default=default_simulator(), help="icarus or verilator (%(default)s)")
    parser.add_argument("--checks", default="", help="0: without the assertions of the RTL, which is faster (1)")
    parser.add_argument("--jobs", default=str(cores()), help="processes here, or jobs of a farm (%(default)s)")
    parser.add_argument("--scheduler", default="", help="address of a Dask scheduler that is there: tcp://host:port")
    parser.add_argument("--cluster", default="", help="slurm or lsf: workers are jobs of that farm")
    parser.add_argument("--config", default="", help="with --cluster: what a job of the farm is (TOML)")
    parser.add_argument("--out", default=str(OUT), help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    jobs = whole_number("JOBS", args.jobs, cores())
    if jobs < 1 or (jobs > MOST_JOBS and not args.cluster):
        raise LockstepError(f"JOBS={jobs} is impossible; expected 1..{MOST_JOBS}, or more on a farm")
    require_simulator(args.sim)
    if args.checks not in ("", "0", "1"):
        raise LockstepError(f"CHECKS={args.checks}; expected 0, or nothing")
    out = Path(args.out).resolve()
    choice = Choice(jobs, args.scheduler, args.cluster, args.config, out)
    find(args.sim)
    require_own(Path(args.out), OUT, "regress")
    with alone(out / "lock", f"a run in {args.out}", "name another folder: OUT=<folder>"):
        return _run(_plan(args, out), choice)


def _plan(args: argparse.Namespace, out: Path) -> Run:
    rows, cols = (whole_number(name.upper(), getattr(args, name), 8) for name in ("rows", "cols"))
    numbers = {name: whole_number(name.upper(), getattr(args, name), 1) for name in ("draws", "seed", "first")}
    images = None if args.images is None else whole_number("IMAGES", args.images, 4)
    for name, value in (numbers | {"images": images or 0}).items():
        if value < 0:
            raise LockstepError(f"{name.upper()}={value} is impossible; expected 0 or more")
    modes = modes_of(args.modes)
    cases: list[Case] = []
    left_out: list[LeftOut] = []
    if images != 0:
        path = storage.find(args.net)
        graph = storage.load(path)
        first, last = layer_range(args.layers, graph)
        names = [layer.name for layer in graph.layers[first : last + 1]]
        kept = keep_images(graph, images, args.data, out / "images")
        found, left_out = layer_cases(path, graph, kept, names, modes, rows, cols)
        cases += found
        if not found:
            raise LockstepError(f"MODES={args.modes}: no layer of {graph.name} runs so ({left_out[0].why})")
    cases += draw_cases(numbers["seed"], numbers["first"], numbers["draws"])
    if args.only:
        chosen = [case for case in cases if case.name == args.only]
        if not chosen:
            raise LockstepError(
                f"ONLY={args.only} is none of the {len(cases)} jobs; expected {cases[:1] and cases[0].name}"
            )
        cases = chosen
    if not cases:
        raise LockstepError("IMAGES=0 and DRAWS=0: nothing to run; expected one of them above 0")
    checks = args.checks != "0"
    init = numbers["seed"] if random_start() else None
    sources = run_key(args.sim, ("regress", checks, init, platform.python_version(), np.__version__))
    keys = {case.name: hashlib.sha256(f"{sources} {json.dumps(case.told)}".encode()).hexdigest() for case in cases}
    given = {"NET": args.net, "IMAGES": args.images, "DATA": args.data, "SIM": args.sim}
    given |= {"ROWS": "" if rows == 8 else rows, "COLS": "" if cols == 8 else cols, "CHECKS": "" if checks else "0"}
    given |= {"INIT": "" if init is None else "random", "SEED": "" if init is None else init}
    given |= {"OUT": "" if out == OUT.resolve() else str(out)}
    asked = given | {"LAYERS": args.layers, "MODES": args.modes, "ONLY": args.only}
    asked |= {name.upper(): value for name, value in numbers.items()}
    common = {"simulator": args.sim, "checks": checks, "rtl": str(rtl_folder()), "out": str(out), "init": init}
    return Run(cases, left_out, keys, common, given, make_line("regress", asked), args.only, out)


def _run(run: Run, choice: Choice) -> int:
    started = time.monotonic()
    (run.out / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
    shutil.rmtree(run.out / "work", ignore_errors=True)
    for name in ("work", "jobs", "simulators"):
        (run.out / name).mkdir(parents=True, exist_ok=True)
    remove_parts(run.out / "jobs")
    results = {case.name: kept for case in run.cases if (kept := run.kept(case))}
    missing = [case for case in run.cases if case.name not in results]
    print(f"{len(run.cases)} jobs, {len(results)} kept from an earlier run; {choice.told}", flush=True)
    count = {mode: sum(each.mode == mode for each in run.left_out) for mode in {each.mode for each in run.left_out}}
    for mode, layers in sorted(count.items()):
        print(f"  {layers} layers do not run in mode {mode}: the result says why", flush=True)
    told = Told(len(run.cases), len(results))
    try:
        if missing:
            with workers(choice) as client:
                if choice.scheduler:
                    _look(client, run)
                patient = bool(choice.scheduler or choice.cluster)  # theirs may be long in coming
                cases = {case.name: case for case in missing}
                requests = {name: run.request(case) for name, case in cases.items()}
                for name, answer in answers(client, requests, patient):
                    results[name] = run.keep(cases[name], answer)
                    told.done(results[name], run.again(cases[name]))
    except KeyboardInterrupt:
        print(f"\n{len(results)} of {len(run.cases)} jobs are done and kept; the same command goes on", file=sys.stderr)
        raise
    finally:
        told.close()
    summary = summarize([results[case.name] for case in run.cases], {case.name: run.again(case) for case in run.cases})
    summary |= {
        "only": run.only or None,
        "make": run.line,
        "left_out": [asdict(each) for each in run.left_out],
        "simulator": run.common["simulator"],
        "checks": run.common["checks"],
        "init": run.common["init"],
        "on": choice.told,
        "wall_seconds": round(time.monotonic() - started, 1),
    }
    write_json(run.out / "result.json", summary)
    return tell(summary, run.out / "result.json")


def _look(client: Client, run: Run) -> None:
    """Raise LockstepError unless every worker that is there could run a job."""
    token = run.out / "work" / f"look-{uuid.uuid4().hex}"
    token.touch()
    answers = look_everywhere(client, json.dumps({**run.common, "look": str(token)}))
    if not answers:
        print("  it has no workers yet; waiting for the first", flush=True)
    for worker, answer in answers.items():
        what = str(answer) if isinstance(answer, BaseException) else json.loads(answer.stdout)["what"]
        if what:
            raise LockstepError(
                f"worker {worker} cannot run this ({what}); expected the project and OUT under the same paths there"
            )


if __name__ == "__main__":
    sys.exit(main())
