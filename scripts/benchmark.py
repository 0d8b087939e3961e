"""`make benchmark`: what comparing every code costs, beside the same testbench that only feeds, in one run."""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from pathlib import Path

from model.files import alone, write_json
from model.graph import storage
from model.program.compile import compile_graph
from model.program.fit import fitting_shape
from scripts.given import given_line
from scripts.guard import guarded
from scripts.numbers import positive
from scripts.vectors import load_image
from tb.common.runner import SimulationError, default_simulator
from tb.network.bench import build, simulate, write_jobs
from tb.network.whole import Maps, job_of

OUT = Path("build/benchmark")
NET = "tiny"
WANTED = 0.9  # of the plain testbench's cycles a second


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when comparing costs more than a tenth of the speed, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sim", default=default_simulator(), help="icarus or verilator (%(default)s)")
    parser.add_argument("--n", default="5", help="runs of each, in turn (%(default)s)")
    parser.add_argument("--out", default=str(OUT), help="folder for the result and the builds (%(default)s)")
    args = parser.parse_args(arguments)
    count, out = positive("N", args.n, 5), Path(args.out)
    line = given_line("benchmark", parser, args, simulates=True)
    graph = storage.load(storage.ZOO / f"{NET}.graph.zip")
    program = compile_graph(graph, fitting_shape(graph))
    maps = Maps.of(graph, load_image("sample", None, graph))
    # Verilator is so quick that starting it would be most of a single image's time
    jobs = [job_of(program, maps, 0, len(graph.layers) - 1)]
    jobs *= 50 if args.sim == "verilator" else 1
    speeds: dict[str, list[float]] = {"comparing": [], "feeding": []}
    with alone(out / "lock", f"a benchmark in {out}"):
        (out / "result.json").unlink(missing_ok=True)
        commands = {}
        try:
            for name in speeds:
                folder = out / args.sim / name
                sizes = write_jobs(folder, program.shape, jobs) | {"Compare": int(name == "comparing")}
                commands[name] = build(folder, program.shape, sizes, args.sim, checks=False)
            for _ in range(count):
                for name, command in commands.items():
                    report = simulate(out / args.sim / name, command)
                    speeds[name].append(report.cycles / report.seconds)
        except SimulationError as broken:
            told = {"passed": False, "make": line, "simulator": args.sim, "error": str(broken)}
            write_json(out / "result.json", told)
            print(f"FAILED: {broken}", file=sys.stderr)
            return 1
        medians = {name: statistics.median(values) for name, values in speeds.items()}
        ratio = statistics.median(a / b for a, b in zip(*speeds.values(), strict=True))
        result = {
            "passed": ratio >= WANTED,
            "make": line,
            "simulator": args.sim,
            "network": NET,
            "cycles_per_second": {name: round(value, 1) for name, value in medians.items()},
            "all": {name: [round(value, 1) for value in values] for name, values in speeds.items()},
            "ratio": round(ratio, 3),
            "wanted": WANTED,
            "machine": platform.machine(),
        }
        write_json(out / f"{args.sim}.json", result)
        write_json(out / "result.json", result)
    for name, value in medians.items():
        print(f"{args.sim}, {name}: {value:,.0f} cycles/s (median of {count})")
    print(f"ratio {ratio:.2f}, wanted {WANTED} or more")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
