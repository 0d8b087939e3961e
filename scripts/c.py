"""`make c`: the integer graph as C, one header and one source, built and run against the golden model."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model.c.layer import STYLES
from model.c.source import HEADER, SOURCE, Generated, generate
from model.dataset import DIGITS_SHAPES
from model.errors import LockstepError
from model.files import alone, remove_parts, write_json
from model.golden.evaluate import Executor
from model.graph import storage
from model.graph.graph import IntegerGraph
from model.numeric.weights import named
from scripts.datasets import load_data
from scripts.given import given_line
from scripts.guard import guarded
from scripts.local_data import BUILD
from scripts.numbers import positive
from tb.c import host, rv32ec
from tb.c.compilers import CompileError, of_this_machine
from tb.c.kinds import noise, tinynet16

Array = np.ndarray[Any, Any]
OUT = BUILD / "c"
TARGETS = ("host", "rv32ec")
BUDGETS = {"host": (None, None), "rv32ec": (16384, 2048)}  # bytes of flash and of RAM; those of the CH32V003
IMAGES = {"host": 1000, "rv32ec": 20}
DRAWN = {"tinynet16": tinynet16}  # networks of no training, for comparisons
ROOM = 1 << 22  # of flash and of RAM where a program is built to be measured


class Sizes(NamedTuple):
    """Bytes that a target has or that a program takes; None: unknown, or no limit."""

    flash: int | None
    ram: int | None


class Measured(NamedTuple):
    """What came of a run: the logits, the bytes taken, and what the target tells of itself."""

    logits: Array
    taken: Sizes
    told: dict[str, Any]


def find(net: str, fmt: str | None) -> IntegerGraph:
    """The graph that NET and FORMAT mean: `net` itself where its weights are of the format, else the run of that name.

    Raises
    ------
    LockstepError
        When there is none.
    """
    drawn, _, of = net.partition("_")
    if drawn in DRAWN:
        return DRAWN[drawn](named(fmt or of or "pot4"))
    name = net if fmt is None else storage.run_name(net, named(fmt))
    if fmt is None or name == net or "/" in net or net.endswith(storage.SUFFIX):
        graph = storage.load(storage.find(net))
    elif (found := _of_format(net, fmt)) is not None:
        graph = found
    else:
        try:
            graph = storage.load(storage.find(name))
        except LockstepError as error:
            raise LockstepError(f"{error}; of this format: `make train NET={net} FORMAT={fmt}`") from error
    if fmt is not None:
        check_format(graph, fmt)
    return graph


def _of_format(net: str, fmt: str) -> IntegerGraph | None:
    """The graph called `net` where there is one and its weights are of the format; None where not."""
    try:
        graph = storage.load(storage.find(net))
        check_format(graph, fmt)
    except LockstepError:
        return None
    return graph


def check_format(graph: IntegerGraph, fmt: str) -> None:
    """Raise LockstepError unless `graph` has weights of the format called `fmt`."""
    if fmt not in (found := sorted({layer.wgt.name for layer in graph.layers})):
        raise LockstepError(f"the weights of {graph.name} are {', '.join(found)}; expected FORMAT={found[0]} or none")


def pictures(graph: IntegerGraph, count: int) -> tuple[Array, int]:
    """Inputs, and how many of them are test images of the digits: half at most, where the graph takes them.

    All 0, all of the greatest code and noise of several kinds are the others.
    """
    made = noise(graph.input_shape, graph.layers[0].act.max, count, seed=1)
    digits = made[:0]
    if graph.input_shape in DIGITS_SHAPES and count > 3:
        digits = load_data(graph.input_shape, None).test_pixels[: count // 2]
    return np.concatenate([digits, made])[:count], len(digits)


def on_host(graph: IntegerGraph, generated: Generated, pixels: Array, folder: Path) -> Measured:
    """Built under the sanitizers and run."""
    compiler = of_this_machine()
    logits = host.run(host.build(folder, compiler), graph, pixels)
    told = {"compiler": compiler.name, "sanitizers": list(compiler.sanitizers)}
    return Measured(logits, static_sizes(graph, generated), told)


def on_chip(graph: IntegerGraph, generated: Generated, pixels: Array, folder: Path) -> Measured:
    """Built for RV32EC and run in the simulator."""
    image = rv32ec.build(folder, ROOM, ROOM)
    chip = rv32ec.Chip(image, ROOM)
    runs = [chip.run(graph, each) for each in pixels]
    stack = max(each.stack for each in runs)
    counts = [each.instructions for each in runs]
    told = {
        "compiler": "ziglang",
        "helpers": list(image.helpers),
        "stack_bytes": stack,
        "instructions": {"mean": round(sum(counts) / len(counts)), "least": min(counts), "most": max(counts)},
    }
    return Measured(np.stack([each.logits for each in runs]), Sizes(image.flash, image.ram + stack), told)


def static_sizes(graph: IntegerGraph, generated: Generated) -> Sizes:
    """What is known before anything is compiled: constants; arena, input and logits."""
    callers = int(np.prod(graph.input_shape)) + 4 * len(graph.classes)
    return Sizes(generated.table_bytes, generated.plan.size + callers)


def check_budget(what: str, taken: Sizes, budget: Sizes) -> None:
    """Raise LockstepError when more is taken than there is, telling what and by how much."""
    over = [
        f"{name} {used:,} bytes of {most:,}, {used - most:,} too many"
        for name, used, most in zip(("flash", "RAM"), taken, budget, strict=True)
        if used is not None and most is not None and used > most
    ]
    if over:
        raise LockstepError(f"{what} does not fit: {'; '.join(over)}; nothing was written")


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when logits differ or the C is faulty, 2 for bad input or over the budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="micro_pot4", help="network, or path of an integer graph (%(default)s)")
    parser.add_argument("--format", help="weight format of the run of it that is meant (the one that NET says)")
    parser.add_argument("--target", default="host", help=f"{' or '.join(TARGETS)} (%(default)s)")
    parser.add_argument("--weights", default="packed", help=f"{', '.join(STYLES)} (%(default)s)")
    parser.add_argument("--multiply", help="0 or 1: whether the C may multiply (host: 1, rv32ec: 0)")
    parser.add_argument("--flash", help="bytes of flash (host: no limit, rv32ec: 16384)")
    parser.add_argument("--ram", help="bytes of RAM (host: no limit, rv32ec: 2048)")
    parser.add_argument("--images", help="inputs that are run (host: 1000, rv32ec: 20)")
    parser.add_argument("--out", default=str(OUT), help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    if args.target not in TARGETS:
        raise LockstepError(f"TARGET={args.target} is no target; expected {' or '.join(TARGETS)}")
    flash, ram = (
        default if text is None else positive(name, text, 16384)
        for name, text, default in zip(("FLASH", "RAM"), (args.flash, args.ram), BUDGETS[args.target], strict=True)
    )
    count = IMAGES[args.target] if args.images is None else positive("IMAGES", args.images, 100)
    if args.multiply not in (None, "0", "1"):
        raise LockstepError(f"MULTIPLY={args.multiply} is impossible; expected 0 or 1")
    multiplier = args.target == "host" if args.multiply is None else args.multiply == "1"
    graph = find(args.net, args.format or None)
    generated = generate(graph, args.weights, multiplier)
    for line in generated.plan.lines(graph):
        print(line)
    budget = Sizes(flash, ram)
    check_budget(graph.name, static_sizes(graph, generated), budget)
    folder = Path(args.out) / graph.name
    with alone(folder.parent / f".{graph.name}.lock", f"another `make c` of {graph.name} in {args.out}"):
        remove_parts(folder)
        for stale in (*(folder / name for name in (HEADER, SOURCE, "result.json")), folder.parent / "result.json"):
            stale.unlink(missing_ok=True)
        job = Job(graph, generated, args.target, args.weights, multiplier, budget)
        return run(job, count, folder, given_line("c", parser, args))


class Job(NamedTuple):
    """What is to be built and run."""

    graph: IntegerGraph
    generated: Generated
    target: str
    style: str
    multiplier: bool
    budget: Sizes


def run(job: Job, count: int, folder: Path, line: str) -> int:
    """Build in a folder that is thrown away, run, compare, then write; returns the exit status."""
    graph, started = job.graph, time.monotonic()
    pixels, digits = pictures(graph, count)
    expected = Executor(graph).logits(pixels)
    execute = on_host if job.target == "host" else on_chip
    folder.mkdir(parents=True, exist_ok=True)
    error, wrong, found = None, None, None
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as work:
        host.write(job.generated, Path(work))
        try:
            found = execute(graph, job.generated, pixels, Path(work))
        except CompileError as fault:
            error = str(fault)
    if found is not None:
        check_budget(f"{graph.name} on {job.target}", found.taken, job.budget)
        wrong = int((found.logits != expected).sum())
        if wrong:
            (error,) = host.differing(found.logits, expected)
        elif found.told.get("helpers") and not job.multiplier:
            error = f"the program calls {', '.join(found.told['helpers'])}; expected no multiplication or division"
    result = {
        "passed": error is None,
        "make": line,
        "net": graph.name,
        "graph_sha256": graph.sha256,
        "target": job.target,
        "weights": job.style,
        "formats": sorted({layer.wgt.name for layer in graph.layers}),
        "multiply": job.multiplier,
        "scales": {layer.name: how for layer, how in zip(graph.layers, job.generated.scales, strict=True)},
        "images": len(pixels),
        "digits": digits,
        "differing_logits": wrong,
        "error": error,
        "flash_bytes": found and found.taken.flash,
        "ram_bytes": found and found.taken.ram,
        "arena_bytes": job.generated.plan.size,
        "table_bytes": job.generated.table_bytes,
        "input_bytes": int(np.prod(graph.input_shape)),
        "budget": job.budget._asdict(),
        **(found.told if found else {}),
        "seconds": round(time.monotonic() - started, 2),
        "machine": platform.machine(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    if error is None:
        host.write(job.generated, folder)
    for path in (folder / "result.json", folder.parent / "result.json"):
        write_json(path, result)
    return tell(result, folder)


def tell(result: dict[str, Any], folder: Path) -> int:
    """Print what the result says; returns the exit status."""
    if result["error"]:
        print(f"error: {result['error']}", file=sys.stderr)
    else:
        kinds = f"{result['digits']} digits, the others noise and extremes"
        print(f"{result['net']}: {result['images']} inputs ({kinds}), every logit equal to the golden model's")
        if "instructions" in result:
            counts = result["instructions"]
            print(
                f"  {counts['mean']:,} instructions an inference ({counts['least']:,} to {counts['most']:,}); flash "
                f"{result['flash_bytes']:,} bytes, RAM {result['ram_bytes']:,} with input, logits and "
                f"{result['stack_bytes']} of stack"
            )
        else:
            print(f"  under {', '.join(result['sanitizers'])} sanitizers, {result['table_bytes']:,} bytes of constants")
    print(f"{'PASS' if result['passed'] else 'FAIL'}  {folder / 'result.json'}", flush=True)
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
