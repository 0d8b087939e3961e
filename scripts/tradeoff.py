"""`make tradeoff`: number formats side by side: accuracy, area of a PE, clock, cycles, toggles of a real run."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.files import alone, write_json
from model.golden.cycles import layer_macs
from model.graph import storage
from model.graph.graph import IntegerGraph
from model.program.compile import compile_graph
from model.program.compiled import Program
from model.program.fit import fitting_shape
from scripts.given import given_line
from scripts.guard import guarded
from scripts.local_data import BUILD
from scripts.numbers import at_a_time, cores
from scripts.vectors import load_image
from tb.common.jobs import Job, Result, finish_all
from tb.common.runner import ROOT
from tb.common.sources import read_rtl
from tb.common.tools import NAMES, find
from tb.tradeoff.jobs import jobs_of

OUT = BUILD / "tradeoff"
MOST_CYCLES = 50_000  # of a run on gates that is made unasked: some hundred cycles a second


def members(net: str, build: Path = BUILD / "train", zoo: Path = storage.ZOO) -> list[str]:
    """Names of the networks that are `net` in another format: ``<net>`` and ``<net>_...``, trained here or shipped.

    What another one was trained on from is no format of its own.

    Raises
    ------
    LockstepError
        When there is none, or a graph cannot be read.
    """
    paths = {
        path.name.removesuffix(storage.SUFFIX): path
        for path in (*zoo.glob(f"*{storage.SUFFIX}"), *build.glob(f"*/*{storage.SUFFIX}"))
    }
    found = sorted(
        name
        for name, path in paths.items()
        if name == net or (name.startswith(f"{net}_") and not storage.load(path).meta.get("recipe", {}).get("stage"))
    )
    if not found:
        raise LockstepError(f"no integer graph of network {net!r}, in no format; train one with `make train NET={net}`")
    return found


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a tool fails or gates and golden model differ, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="vgg16", help="vgg16, tiny ..., in every format that there is (%(default)s)")
    parser.add_argument("--gates", default="", help="1 or 0: run it on gates or not (if it takes few cycles)")
    parser.add_argument("--tools", help="pypi or native (pypi where it is installed)")
    parser.add_argument("--jobs", default=str(cores()), help="tools at a time (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    jobs = at_a_time(args.jobs, "tools")
    if args.gates not in ("", "0", "1"):
        raise LockstepError(f"GATES={args.gates}; expected 0 or 1, or nothing")
    names = members(args.net)
    out = args.out / args.net
    with alone(out / "lock", f"`make tradeoff` in {out}", "name another folder: OUT=<folder>"):
        (out / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
        return _run(args, given_line("tradeoff", parser, args), names, jobs, out.resolve())


def programs(graph: IntegerGraph) -> dict[str, Program]:
    """`graph` compiled for the engines that run it best, by what their PEs can do beside the plain product.

    The plain one has an empty name; ``pairs`` and ``os`` (both dataflows) are there where a layer is the faster for it.
    """
    plain = fitting_shape(graph, simd=False)
    found = {"": compile_graph(graph, plain)}
    pairs = fitting_shape(graph)
    if pairs.simd:
        found["pairs"] = compile_graph(graph, pairs)
    both = fitting_shape(graph, simd=False, dataflow="auto")
    if both.output_stationary:
        found["os"] = compile_graph(graph, both, dataflow="auto")
    return found


def facts(graph: IntegerGraph, program: Program) -> dict[str, Any]:
    """What is known without a tool: the accuracy stored with the graph, widths, cycles by the closed form."""
    maps = graph.wiring.before
    return {
        "accuracy": graph.meta.get("integer_accuracy"),
        "test_images": graph.meta.get("test_images"),
        "cycles": sum(item.cycles.total for item in program.layers),
        "macs": sum(layer_macs(layer, *entering[1:]) for layer, entering in zip(graph.layers, maps, strict=True)),
        "weights": sorted({layer.wgt.name for layer in graph.layers}),
        "act_bits": program.shape.act_width,
        "psum_bits": program.shape.psum_width,
    }


def _run(args: argparse.Namespace, line: str, names: list[str], jobs: int, out: Path) -> int:
    started = time.monotonic()
    tools = {name: find(name, args.tools) for name in NAMES}
    blocks = read_rtl()
    found: dict[str, dict[str, Any]] = {}
    work: dict[str, list[Job]] = {}
    for net in names:
        graph = storage.load(storage.find(net))
        pixels = np.asarray(load_image("sample", None, graph))
        for mode, program in programs(graph).items():
            name = f"{net} {mode}".strip()
            entry = facts(graph, program) | {"sha256": graph.sha256}
            entry["gates_run"] = args.gates == "1" or (args.gates == "" and entry["cycles"] <= MOST_CYCLES)
            folder = out / name.replace(" ", "-")
            work[name] = jobs_of(
                name, graph, program, pixels, tools, blocks, ROOT / "rtl", folder, gates=entry["gates_run"]
            )
            found[name] = entry
    done = finish_all([job for each in work.values() for job in each], jobs, _line)
    errors = [f"{name}: {result['error']}" for name, result in done.items() if result["error"]]
    for name, each in work.items():
        for job in each:
            kind = f"pe_{job.kind}" if job.group == "area" else job.group
            found[name][kind] = done[job.name]
        _derive(found[name])
    result = {
        "passed": not errors,
        "make": line,
        "errors": errors,
        "net": args.net,
        "networks": [{"name": name, **entry} for name, entry in found.items()],
        "tools": {name: {"version": tool.version, "source": tool.source} for name, tool in tools.items()},
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out / "result.json", result)
    _tell(result)
    print(f"{'PASS' if result['passed'] else 'FAIL'}  {args.out / args.net / 'result.json'}", flush=True)
    return 0 if result["passed"] else 1


def _derive(entry: dict[str, Any]) -> None:
    """Time and toggles of an image from what was measured."""
    mhz, toggles = entry["clock"].get("mhz"), entry.get("gates", {}).get("toggles")
    entry["microseconds"] = None if mhz is None else round(entry["cycles"] / mhz, 1)
    entry["toggles_per_mac"] = None if toggles is None else round(toggles / entry["macs"], 2)


def _line(result: Result) -> str:
    """A piece's line, printed as it is done."""
    kept = " (kept)" if result["kept"] else ""
    return f"  {result['name']:<28} {result['seconds']:>7.1f} s{kept}  {result['error'] or ''}"


def _tell(result: dict[str, Any]) -> None:
    """The table."""
    row = "  {:<16} {:>8} {:>8} {:>4} {:>5} {:>5} {:>6} {:>6} {:>6} {:>7} {:>10} {:>9} {:>9}".format
    area = ("gates", "FF", "iCE40", "ECP5")
    print(row("network", "accuracy", "weights", "act", "psum", *area, "MHz", "cycles", "us/image", "togg/MAC"))
    for entry in result["networks"]:
        accuracy = "-" if entry["accuracy"] is None else f"{entry['accuracy']:.2%}"
        found = [entry[f"pe_{flow}"].get(part) for flow, part in _AREA]
        rest = [entry["clock"].get("mhz"), entry["cycles"], entry["microseconds"], entry["toggles_per_mac"]]
        widths = [entry["act_bits"], entry["psum_bits"]]
        cells = ["-" if cell is None else f"{cell:,}" for cell in [*widths, *found, *rest]]
        print(row(entry["name"], accuracy, "/".join(entry["weights"]), *cells))


_AREA = (("generic", "gates"), ("generic", "flip_flops"), ("ice40", "luts"), ("ecp5", "luts"))


if __name__ == "__main__":
    sys.exit(main())
