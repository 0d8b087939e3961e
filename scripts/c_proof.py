"""`make c-proof`: every weight format, kind of layer and sign of bias as C, on thousands of inputs against golden."""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from model.c.source import generate
from model.errors import LockstepError
from model.files import alone, write_json
from model.golden.evaluate import Executor
from model.graph.graph import IntegerGraph
from model.numeric.weights import FORMATS, named
from model.typed import whole_number
from scripts.c import ROOM, pictures
from scripts.given import given_line
from scripts.guard import guarded
from scripts.local_data import BUILD
from scripts.numbers import at_a_time, cores, positive
from tb.c import host, rv32ec
from tb.c.compilers import CompileError, Compiler, of_this_machine
from tb.c.kinds import BIASES, KINDS
from tb.common.jobs import Job, Result, finish_all
from tb.common.runner import ROOT

Array = np.ndarray[Any, Any]
OUT = BUILD / "c-proof"
# Style, and whether the C may multiply.
ON_HOST = (("packed", True), ("packed", False), ("unrolled", False))
ON_CHIP = (("packed", False), ("unrolled", False))
ON_CHIP_IMAGES = 10
DECIDING = ("model/c/*.py", "model/golden/*.py", "model/graph/*.py", "model/numeric/*.py", "tb/c/*.*", "scripts/c*.py")


@dataclass
class Tally:
    """What was run in one weight format.

    Parameters
    ----------
    programs, inferences : int
        On this machine.
    chip_programs, chip_inferences : int
        On RV32EC.
    faults : list of str
        Programs that differ from golden, break off or call a multiplication.
    """

    programs: int = 0
    inferences: int = 0
    chip_programs: int = 0
    chip_inferences: int = 0
    faults: list[str] = field(default_factory=list)


def prove(graph: IntegerGraph, where: str, count: int, compiler: Compiler, tally: Tally) -> None:
    """Run `graph` in every style, here and on RV32EC; what is found goes into `tally`."""
    pixels, _ = pictures(graph, count)
    expected = Executor(graph).logits(pixels)
    for style, multiplier in ON_HOST:
        with tempfile.TemporaryDirectory(prefix="lockstep-c-") as work:
            host.write(generate(graph, style, multiplier), Path(work))
            try:
                found = host.run(host.build(Path(work), compiler, optimize="-O0"), graph, pixels)
                faults = host.differing(found, expected)
            except CompileError as error:
                faults = [str(error)]
        tally.programs, tally.inferences = tally.programs + 1, tally.inferences + len(pixels)
        tally.faults += [f"{where}, {style}, multiplier {multiplier}: {fault}" for fault in faults]
    chosen = np.arange(ON_CHIP_IMAGES) * len(pixels) // ON_CHIP_IMAGES
    for style, multiplier in ON_CHIP:
        with tempfile.TemporaryDirectory(prefix="lockstep-c-") as work:
            host.write(generate(graph, style, multiplier), Path(work))
            try:
                image = rv32ec.build(Path(work), ROOM, ROOM)
                chip = rv32ec.Chip(image, ROOM)
                found = np.stack([chip.run(graph, each).logits for each in pixels[chosen]])
                faults = host.differing(found, expected[chosen]) + [f"it calls {name}" for name in image.helpers]
            except CompileError as error:
                faults = [str(error)]
        tally.chip_programs, tally.chip_inferences = tally.chip_programs + 1, tally.chip_inferences + len(chosen)
        tally.faults += [f"{where}, {style} on RV32EC: {fault}" for fault in faults]


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a logit differs or a program is faulty, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", default="10000", help="inputs of each program (%(default)s)")
    parser.add_argument("--format", help=f"one of {', '.join(FORMATS)} (all)")
    parser.add_argument("--seed", default="1", help="of weights and biases (%(default)s)")
    parser.add_argument("--jobs", default=str(cores()), help="networks at a time (%(default)s)")
    parser.add_argument("--out", default=str(OUT), help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    count, seed = positive("N", args.n, 10000), whole_number("SEED", args.seed, 1)
    jobs = at_a_time(args.jobs, "networks")
    if count < ON_CHIP_IMAGES or seed < 0:
        raise LockstepError(f"N={count} SEED={seed} is impossible; expected {ON_CHIP_IMAGES} or more, and 0 or more")
    formats = [args.format] if args.format else list(FORMATS)
    named(formats[0])
    compiler, started, out = of_this_machine(), time.monotonic(), Path(args.out)
    with alone(out / "lock", f"a run in {out}", "name another folder: OUT=<folder>"):
        (out / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
        work = [
            _job(name, bias, kind, seed, count, compiler, out)
            for name, bias, kind in itertools.product(formats, BIASES, KINDS)
        ]
        done = finish_all(work, jobs, _line)
        result = _summary(formats, count, seed, compiler, list(done.values()))
        result |= {"make": given_line("c-proof", parser, args), "seconds": round(time.monotonic() - started, 1)}
        write_json(out / "result.json", result)
    for name, tally in result["formats"].items():
        print(
            f"{name:8} {tally['programs']} programs, {tally['inferences']:,} inferences here; "
            f"{tally['chip_programs']} and {tally['chip_inferences']} on RV32EC; {tally['faults']} faulty"
        )
    print(f"{'PASS' if result['passed'] else 'FAIL'}  {out / 'result.json'}", flush=True)
    return 0 if result["passed"] else 1


def _job(name: str, bias: str, kind: str, seed: int, count: int, compiler: Compiler, out: Path) -> Job:
    """One network in one format, in every style: a piece of the work, kept when nothing is wrong with it."""

    def work() -> dict[str, Any]:
        tally = Tally()
        prove(KINDS[kind](named(name), BIASES[bias], seed), f"{name}, {kind}, {bias} bias", count, compiler, tally)
        for fault in tally.faults:
            print(f"error: {fault}", file=sys.stderr)
        return {**vars(tally), "error": f"{len(tally.faults)} faulty" if tally.faults else None}

    place = f"{name}/{kind}-{bias}".replace(" ", "-")
    depends = f"{seed} {count} {ON_HOST} {ON_CHIP} {ON_CHIP_IMAGES} {_tools(compiler)}\n{_sources()}"
    return Job(place, "c-proof", name, kind, out / "jobs" / place, depends, work, {"format": name})


@cache
def _tools(compiler: Compiler) -> str:
    """Which compilers and which processor they are."""
    programs = [Path(found).resolve() for word in compiler.command[:1] if (found := shutil.which(word))]
    told = [f"{path} {path.stat().st_mtime_ns}" for path in programs]
    return repr([compiler, told, [version(name) for name in ("ziglang", "unicorn")]])


@cache
def _sources() -> str:
    """All that writes, builds, runs and judges the programs."""
    return "".join(path.read_text() for pattern in DECIDING for path in sorted(ROOT.glob(pattern)))


def _line(result: Result) -> str:
    state = result["error"] or ("kept" if result["kept"] else f"{result['seconds']:.0f} s")
    return (
        f"{result['name']:36} {result['inferences']:,} inferences here, {result['chip_inferences']} on RV32EC: {state}"
    )


def _summary(formats: Sequence[str], count: int, seed: int, compiler: Compiler, done: Sequence[Result]) -> Result:
    """The result of `make c-proof`, but for the make line and the time."""
    sums = ("programs", "inferences", "chip_programs", "chip_inferences")
    told = {name: [each for each in done if each["format"] == name] for name in formats}
    faults = [fault for each in done for fault in each["faults"]]
    return {
        "passed": not faults,
        "inputs": count,
        "seed": seed,
        "biases": list(BIASES),
        "layers": {
            kind: [layer.name for layer in make(FORMATS["int4"], 0, seed).layers] for kind, make in KINDS.items()
        },
        "formats": {
            name: {key: sum(each[key] for each in parts) for key in sums}
            | {"faults": sum(len(each["faults"]) for each in parts)}
            for name, parts in told.items()
        },
        "faults": faults,
        "inferences": sum(each["inferences"] for each in done),
        "chip_inferences": sum(each["chip_inferences"] for each in done),
        "compiler": compiler.name,
        "sanitizers": list(compiler.sanitizers),
    }


if __name__ == "__main__":
    sys.exit(main())
