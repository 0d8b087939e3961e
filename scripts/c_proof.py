"""`make c-proof`: every weight format, kind of layer and sign of bias as C, on thousands of inputs against golden."""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from model.c.source import generate
from model.errors import LockstepError
from model.files import write_json
from model.golden.evaluate import Executor
from model.graph.graph import IntegerGraph
from model.numeric.weights import FORMATS, named
from scripts.c import ROOM, pictures
from scripts.guard import guarded
from scripts.local_data import BUILD
from scripts.numbers import cores, positive, tools_at_a_time, whole_number
from tb.c import host, rv32ec
from tb.c.compilers import CompileError, Compiler, of_this_machine
from tb.c.kinds import BIASES, KINDS

Array = np.ndarray[Any, Any]
OUT = BUILD / "c-proof"
# Style, and whether the C may multiply.
ON_HOST = (("packed", True), ("packed", False), ("unrolled", False))
ON_CHIP = (("packed", False), ("unrolled", False))
ON_CHIP_IMAGES = 10


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
    parser.add_argument("--jobs", default=str(cores()), help="formats at a time (%(default)s)")
    parser.add_argument("--out", default=str(OUT), help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    count, seed = positive("N", args.n, 10000), whole_number("SEED", args.seed, 1)
    jobs = tools_at_a_time(args.jobs)
    if count < ON_CHIP_IMAGES or seed < 0:
        raise LockstepError(f"N={count} SEED={seed} is impossible; expected {ON_CHIP_IMAGES} or more, and 0 or more")
    formats = [args.format] if args.format else list(FORMATS)
    named(formats[0])
    result_path, compiler, started = Path(args.out) / "result.json", of_this_machine(), time.monotonic()
    result_path.unlink(missing_ok=True)

    def proved(name: str) -> Tally:
        tally = Tally()
        for (bias, sign), (kind, make) in itertools.product(BIASES.items(), KINDS.items()):
            prove(make(named(name), sign, seed), f"{name}, {kind}, {bias} bias", count, compiler, tally)
        for fault in tally.faults:
            print(f"error: {fault}", file=sys.stderr)
        print(
            f"{name:8} {tally.programs} programs, {tally.inferences:,} inferences here; {tally.chip_programs} and "
            f"{tally.chip_inferences} on RV32EC; {len(tally.faults)} faulty  ({time.monotonic() - started:.0f} s)",
            flush=True,
        )
        return tally

    with ThreadPoolExecutor(jobs) as pool:  # the work is done by the compiler and the programs
        tallies = dict(zip(formats, pool.map(proved, formats), strict=True))
    faults = [fault for tally in tallies.values() for fault in tally.faults]
    write_json(
        result_path,
        {
            "passed": not faults,
            "inputs": count,
            "seed": seed,
            "biases": list(BIASES),
            "layers": {
                kind: [layer.name for layer in make(FORMATS["int4"], 0, seed).layers] for kind, make in KINDS.items()
            },
            "formats": {name: {**vars(tally), "faults": len(tally.faults)} for name, tally in tallies.items()},
            "faults": faults,
            "inferences": sum(tally.inferences for tally in tallies.values()),
            "chip_inferences": sum(tally.chip_inferences for tally in tallies.values()),
            "compiler": compiler.name,
            "sanitizers": list(compiler.sanitizers),
            "seconds": round(time.monotonic() - started, 1),
        },
    )
    print(f"{'FAIL' if faults else 'PASS'}  {result_path}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
