"""`make random`: drawn layers on engines of many sizes, under stalls, against the golden model and the cycle model."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.files import alone, write_json
from model.program.draw import ARRAYS
from model.typed import whole_number
from scripts.given import given_line
from scripts.guard import guarded
from scripts.numbers import at_a_time, cores, positive
from scripts.reporting.results import make_line
from tb.common.initial import random_start
from tb.common.jobs import Job, Result, finish_all
from tb.common.runner import SimulationError, default_seed, default_simulator
from tb.network.draws import any_draw, run_draws
from tb.network.whole import run_key

OUT = Path("build/random")
CHUNK = 50  # draws of one array in one simulation


@dataclass(frozen=True)
class Asked:
    """What the make line asks for: draws `first` and those behind it, `count` in all, of `seed`."""

    count: int
    seed: int
    first: int
    simulator: str
    line: str

    def again(self, index: int) -> str:
        """The make line of one draw."""
        values: dict[str, object] = {"N": 1, "SEED": self.seed, "FIRST": index, "SIM": self.simulator}
        return make_line("random", values | {"INIT": "random" if random_start() else ""})

    def rounds(self) -> Iterator[list[list[int]]]:
        """Numbers of draws, a list for each simulation; those of a round are of different arrays."""
        arrays = len(ARRAYS)
        end = self.first + self.count
        for start in range(self.first, end, CHUNK * arrays):
            stop = min(start + CHUNK * arrays, end)
            of_array = [[index for index in range(start, stop) if index % arrays == k] for k in range(arrays)]
            yield [indices for indices in of_array if indices]


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a draw fails, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", default="200", help="draws (%(default)s)")
    parser.add_argument("--seed", default=os.environ.get("SEED") or "1", help="(%(default)s)")
    parser.add_argument("--first", default="0", help="number of the first draw (%(default)s)")
    parser.add_argument("--sim", default=default_simulator(), help="icarus or verilator (%(default)s)")
    parser.add_argument("--jobs", default=str(cores()), help="simulations at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for results and builds (%(default)s)")
    args = parser.parse_args(arguments)
    count, jobs = positive("N", args.n, 200), at_a_time(args.jobs, "simulations")
    seed, first = (whole_number(name.upper(), getattr(args, name), 1) for name in ("seed", "first"))
    if min(seed, first) < 0:
        raise LockstepError(f"SEED={seed}, FIRST={first}; expected 0 or more")
    asked = Asked(count, seed, first, args.sim, given_line("random", parser, args, simulates=True))
    init = default_seed() if random_start() else None
    key = run_key(args.sim, ("random", init, platform.python_version(), np.__version__))
    with alone(args.out / "lock", f"a run in {args.out}", "name another folder: OUT=<folder>"):
        (args.out / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
        return _run(asked, key, jobs, args.out)


def _run(asked: Asked, key: str, jobs: int, out: Path) -> int:
    started = time.monotonic()
    done: list[Result] = []
    for batches in asked.rounds():
        work = [_job(asked, key, indices, out) for indices in batches]
        done += finish_all(work, jobs, lambda result: _told(asked, result)).values()
        if any(each["broken"] for each in done):  # it stopped the whole simulation, and would stop the others, too
            break
    wrong = sorted(int(index) for each in done for index in each["wrong"])
    error = next((each["broken"] for each in done if each["broken"]), None)
    passed = not wrong and error is None
    sums = {name: sum(each[name] for each in done) for name in ("draws", "cycles", "checked_values")}
    result = {
        "passed": passed,
        "make": asked.line,
        "error": error,
        "wanted": asked.count,
        **sums,
        "kept": sum(each["draws"] for each in done if each["kept"]),
        "seed": asked.seed,
        "first": asked.first,
        "failed": wrong,
        "simulator": asked.simulator,
        "init": "random" if random_start() else None,
        "jobs": jobs,
        "seconds": round(time.monotonic() - started, 3),
    }
    write_json(out / "result.json", result)
    print(f"{sums['draws']} draws, {len(wrong)} wrong; {sums['checked_values']:,} values, {sums['cycles']:,} cycles")
    return 0 if passed else 1


def _job(asked: Asked, key: str, indices: list[int], out: Path) -> Job:
    """The draws of one simulation, all of one array: kept when nothing is wrong with them."""
    array = list(ARRAYS)[indices[0] % len(ARRAYS)]
    told = f"draws {indices[0]}..{indices[-1]} on {array}"

    def work() -> dict[str, Any]:
        draws = [any_draw(asked.seed, index) for index in indices]
        try:
            found, report = run_draws(draws, out / asked.simulator / array, asked.simulator)
        except SimulationError as broken:
            none = {"draws": 0, "cycles": 0, "checked_values": 0, "wrong": {}}
            return none | {"broken": f"{told}: {broken}", "error": "broken off"}
        values = sum(int(each.values) for each in draws)
        wrong = {str(each.index): f"{each}: {found[each.index]}" for each in draws if each.index in found}
        counts = {"draws": len(draws), "cycles": report.cycles, "checked_values": values}
        return counts | {"wrong": wrong, "broken": None, "error": f"{len(wrong)} wrong" if wrong else None}

    place = f"{asked.seed}-{indices[0]}-{indices[-1]}-{asked.simulator}"
    return Job(told, "random", array, asked.simulator, out / "jobs" / place, f"{key} {asked.seed} {indices}", work)


def _told(asked: Asked, result: Result) -> str:
    """The line of a simulation; what is wrong in it goes to stderr, with the make line that repeats it."""
    wrong = [(text, asked.again(int(index))) for index, text in result["wrong"].items()]
    if result["broken"]:
        wrong.append((result["broken"], asked.line))
    for text, again in wrong:
        print(f"FAILED: {text}\n  again: {again}", file=sys.stderr)
    state = "kept" if result["kept"] else f"{result['error'] or 'none wrong'}, {result['cycles']:,} cycles"
    return f"{result['name']}: {state}"


if __name__ == "__main__":
    sys.exit(main())
