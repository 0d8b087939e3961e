"""`make network`: a whole network on the RTL, pixels in, class out; every activation compared with the golden model."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import alone, write_json
from model.golden.cycles import floor_cycles, layer_macs, scale_sim_cycles
from model.graph import storage
from model.graph.graph import IntegerGraph
from model.program.compile import compile_graph
from model.program.compiled import Program
from model.program.dataflows import dataflow_table, table_lines
from model.program.fit import fitting_shape
from model.program.os_compile import require_dataflow
from model.typed import whole_number
from scripts.given import given_line
from scripts.guard import guarded
from scripts.vectors import BOTH_MODES, image_name, load_image
from tb.common.runner import SimulationError, default_simulator
from tb.common.simulators import require_simulator
from tb.network.bench import LayerRun, Report, build, simulate, write_jobs
from tb.network.whole import Maps, Progress, counters_differ, job_of, run_key

OUT = Path("build/network")
COLUMNS = {"layer": -12, "MACs": 12, "cycles": 10, "pixels": 10, "waiting": 8, "filling": 7, "use": 7, "cycles/s": 12}
HEAD = " ".join(f"{name:{'<' if width < 0 else '>'}{abs(width)}}" for name, width in COLUMNS.items())


def layer_range(text: str, graph: IntegerGraph) -> tuple[int, int]:
    """First and last layer of LAYERS=from:to: numbers from 0 or layer names, both inclusive; one alone is one layer.

    Raises
    ------
    LockstepError
        When there is no such layer or the range is empty.
    """
    names = [layer.name for layer in graph.layers]

    def number(word: str, default: int) -> int:
        if not word:
            return default
        if word in names:
            return names.index(word)
        if word.isascii() and word.isdigit() and int(word) < len(names):
            return int(word)
        raise LockstepError(
            f"LAYERS={text}: no layer {word!r} in {graph.name}; "
            f"expected 0..{len(names) - 1} or one of {', '.join(names)}"
        )

    first_word, colon, last_word = text.partition(":")
    first = number(first_word, 0)
    last = number(last_word, len(names) - 1) if colon or not text else first
    if first > last:
        raise LockstepError(f"LAYERS={text}: layer {first} comes after layer {last}; expected LAYERS=from:to")
    return first, last


def table_line(name: str, run: dict[str, Any], macs: int, cells: int, rate: float | None) -> str:
    """A layer's line of the table."""
    use = macs / (run["cycles"] * cells)
    speed = "" if rate is None else f"{rate:>12,.0f}"
    return (
        f"{name:<12} {macs:>12,} {run['cycles']:>10,} {run['pixels']:>10,} {run['waiting']:>8,} {run['filling']:>7,} "
        f"{use:>7.1%} {speed}"
    )


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when RTL and golden model disagree, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="vgg16", help="network, or path of an integer graph (%(default)s)")
    parser.add_argument("--image", default="sample", help="sample, a file, or an index into --data (%(default)s)")
    parser.add_argument("--data", help="folder of the data set that an index counts in")
    parser.add_argument("--layers", default="", help="from:to, numbers from 0 or names, both included (all)")
    parser.add_argument("--rows", default="8", help="rows of the array (%(default)s)")
    parser.add_argument("--cols", default="8", help="columns of the array (%(default)s)")
    parser.add_argument("--input", default="fold", help="how the input is laid out: none, fold or patch (%(default)s)")
    parser.add_argument("--simd", default="", help="0: no pairs of narrow codes, and no hardware for them (1)")
    parser.add_argument("--act-width", default="", help="bits of the array's activations (as the network needs)")
    parser.add_argument("--dataflow", default="ws", help="ws, os, or auto: the one of fewer cycles (%(default)s)")
    parser.add_argument("--stall", default="0", help="hold stream words back, of 256 (%(default)s)")
    parser.add_argument("--sim", default=default_simulator(), help="icarus or verilator (%(default)s)")
    parser.add_argument("--checks", default="", help="1: the assertions of the RTL as well, which is slower")
    parser.add_argument("--waves", default="", help="1: dump every signal, as VCD (small runs only)")
    parser.add_argument("--out", default=str(OUT), help="folder for results and build (%(default)s)")
    args = parser.parse_args(arguments)
    line = given_line("network", parser, args, simulates=True)
    rows, cols = (whole_number(name.upper(), getattr(args, name), 8) for name in ("rows", "cols"))
    stall = whole_number("STALL", args.stall, 0)
    if not 0 <= stall <= 250:
        raise LockstepError(f"STALL={stall}; expected 0..250, of 256")
    require_simulator(args.sim)
    for name in ("checks", "waves", "simd"):
        if getattr(args, name) not in ("", "0", "1"):
            raise LockstepError(f"{name.upper()}={getattr(args, name)}; expected 1, or nothing")
    require_dataflow(args.dataflow)
    if args.simd == "1" and args.dataflow == "os":
        raise LockstepError(BOTH_MODES)
    graph = storage.load(storage.find(args.net))
    first, last = layer_range(args.layers, graph)
    pixels = load_image(args.image, args.data, graph)
    image = image_name(args.image, args.data, pixels)
    act_width = whole_number("ACT_WIDTH", args.act_width, 0) if args.act_width else None
    shape = fitting_shape(graph, rows, cols, act_width, mode=args.input, simd=args.simd != "0", dataflow=args.dataflow)
    program = compile_graph(graph, shape, args.input, dataflow=args.dataflow)
    maps = Maps.of(graph, pixels)
    out = Path(args.out) / graph.name
    with alone(out / "lock", f"a run in {out}", "name another folder: OUT=<folder>"):
        return _run(args, line, image, graph, program, maps, (first, last), stall, out, pixels.tobytes())


def _run(
    args: argparse.Namespace,
    line: str,
    image: str,
    graph: IntegerGraph,
    program: Program,
    maps: Maps,
    chosen: tuple[int, int],
    stall: int,
    out: Path,
    pixels: bytes,
) -> int:
    first, last = chosen
    cells = program.shape.rows * program.shape.cols
    macs = {
        index: layer_macs(layer, *maps.inputs[index].shape[1:]) for index, layer in enumerate(graph.layers)
    }  # by layer
    checks, waves = args.checks == "1", args.waves == "1"
    told = (
        graph.sha256,
        hashlib.sha256(pixels).hexdigest(),
        program.shape,
        args.input,
        args.dataflow,
        chosen,
        stall,
        checks,
    )
    progress = Progress(out / "progress.json", run_key(args.sim, told))
    if waves or progress.next_of(first, last) > last:  # a dump is of all layers; and a run of none is no run
        progress.clear()
    begin = progress.next_of(first, last)
    (out / "result.json").unlink(missing_ok=True)
    if begin > first:
        print(f"going on at layer {graph.layers[begin].name}: {begin - first} of {last - first + 1} were done")
    job = job_of(program, maps, begin, last, stall)
    sizes = write_jobs(out / args.sim, program.shape, [job])
    wrong: list[str] = []
    report, error = Report(), None
    clock = [time.perf_counter()]

    def layer_done(run: LayerRun, so_far: Report) -> None:
        nonlocal report
        report = so_far  # all there is of a simulation that breaks off later
        now = time.perf_counter()
        seconds, clock[0] = now - clock[0], now
        name = graph.layers[run.layer].name
        differ = None if stall else counters_differ(run, program.layers[run.layer])
        if differ:
            wrong.append(f"layer {name}: {differ}, by the cycle model")
        if report.shown or wrong:
            progress.end()
        if not report.shown and not differ:
            progress.add(run, seconds)
        entry = {"cycles": run.cycles, "pixels": run.pixels, "waiting": run.waiting, "filling": run.filling}
        print(table_line(name, entry, macs[run.layer], cells, run.cycles / max(seconds, 1e-9)), flush=True)

    preferred = dataflow_table(graph, program.shape.rows, program.shape.cols, args.input)
    if args.dataflow != "ws":
        for text in table_lines(preferred, program):
            print(text)
    print(f"{graph.name} on {program.shape.rows}x{program.shape.cols}, {args.sim}: building", flush=True)
    pairs = [item.layer.name for item in program.layers if item.descriptor.simd]
    if pairs:
        print(f"two input channels a row at once in {', '.join(pairs)} (SIMD=0 leaves that out)", flush=True)
    started = time.perf_counter()
    try:
        command = build(out / args.sim, program.shape, sizes, args.sim, checks=checks)
        print(HEAD)
        for index in range(first, begin):
            print(table_line(graph.layers[index].name, progress.layers[index], macs[index], cells, None))
        clock[0] = started = time.perf_counter()
        report = simulate(out / args.sim, command, waves=waves, on_layer=layer_done)
    except SimulationError as broken:
        error = str(broken)
        wrong.append(error)
    wrong += [f"job {index}: {text}" for index, text in report.errors.items()]
    wrong += [f"{graph.layers[item.layer].name} {item}" for item in report.shown]
    passed = not wrong and not report.mismatches
    if not passed:
        progress.end()
    result = _result(args, image, graph, program, maps, chosen, progress, report, macs, passed)
    result |= {"make": line, "dataflows": preferred, "error": error}
    if error:  # nothing was compared to its end but the layers that were done
        result["checked_activations"] = sum(int(maps.outputs[at].size) for at in progress.layers if first <= at <= last)
        result["mismatches"] = max(report.mismatches, len(report.shown))
    result["resumed_at"] = graph.layers[begin].name if begin > first else None
    result["wall_seconds"] = round(time.perf_counter() - started, 3)
    write_json(out / "result.json", result)
    progress.end()
    _tell(result, wrong)
    return 0 if passed else 1


def _result(
    args: argparse.Namespace,
    image: str,
    graph: IntegerGraph,
    program: Program,
    maps: Maps,
    chosen: tuple[int, int],
    progress: Progress,
    report: Report,
    macs: dict[int, int],
    passed: bool,
) -> dict[str, Any]:
    """What goes into the result file."""
    shape, (first, last) = program.shape, chosen
    layers: list[dict[str, Any]] = []
    for index in range(first, last + 1):
        layer = graph.layers[index]
        height, width = maps.inputs[index].shape[1:]
        run = progress.layers.get(index, {})
        predicted = program.layers[index].cycles
        layers.append(
            {
                "name": layer.name,
                "simd": bool(program.layers[index].descriptor.simd),
                "dataflow": program.layers[index].dataflow,
                "macs": macs[index],
                "cycles": run.get("cycles"),
                "predicted_cycles": predicted.total,
                "pixels": run.get("pixels"),
                "waiting": run.get("waiting"),
                "filling": run.get("filling"),
                "writes": run.get("writes"),
                "floor": floor_cycles(layer, height, width, shape.rows, shape.cols),
                "scale_sim": scale_sim_cycles(layer, height, width, shape.rows, shape.cols),
                "psum_range": list(layer.psum_range),
                "seconds": run.get("seconds"),
            }
        )
    cycles = sum(entry["cycles"] or 0 for entry in layers)
    total_macs = sum(entry["macs"] for entry in layers)
    logits = maps.outputs[-1].reshape(-1)
    return {
        "passed": passed,
        "net": graph.name,
        "graph_sha256": graph.sha256,
        "image": image,
        "image_given": args.image,
        "layers_run": [graph.layers[first].name, graph.layers[last].name],
        "whole": (first, last) == (0, len(graph.layers) - 1),
        "simulator": args.sim,
        "input": args.input,
        "dataflow": args.dataflow,
        "stall": int(args.stall),
        "checks": args.checks == "1",
        "engine": shape.parameters,
        "mismatches": report.mismatches,
        "checked_activations": sum(int(maps.outputs[i].size) for i in range(first, last + 1)),
        "logits": [int(value) for value in logits] if last == len(graph.layers) - 1 else None,
        "class": graph.classes[int(logits.argmax())] if last == len(graph.layers) - 1 else None,
        "cycles": cycles,
        "macs": total_macs,
        "floor": sum(entry["floor"] for entry in layers),
        "utilization": total_macs / (cycles * shape.rows * shape.cols) if cycles else None,
        "simulated_cycles": report.cycles,
        "seconds": round(report.seconds, 3),
        "cycles_per_second": round(report.cycles / report.seconds, 1) if report.seconds else None,
        "layers": layers,
    }


def _tell(result: dict[str, Any], wrong: list[str]) -> None:
    """The last lines of output."""
    if wrong:
        for line in wrong[:12]:
            print(f"FAILED: {line}", file=sys.stderr)
        return
    use = result["utilization"]
    print(
        f"{result['checked_activations']:,} values equal, 0 mismatches; {result['cycles']:,} cycles "
        f"({use:.2%} of the PEs; floor {result['floor']:,}); {result['cycles_per_second']:,.0f} cycles/s"
    )
    if result["class"] is not None:
        print(f"class: {result['class']}")


if __name__ == "__main__":
    sys.exit(main())
