"""`make random`: drawn layers on engines of many sizes, under stalls, against the golden model and the cycle model."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from model.errors import LockstepError
from model.files import alone, write_json
from model.program.draw import ARRAYS, Draw
from model.program.draw_graph import GraphDraw
from model.typed import whole_number
from scripts.guard import guarded
from tb.common.initial import random_start
from tb.common.runner import SimulationError, default_simulator
from tb.network.draws import any_draw, run_draws

OUT = Path("build/random")
CHUNK = 50  # draws of one array in one simulation


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a draw fails, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", default="200", help="draws (%(default)s)")
    parser.add_argument("--seed", default=os.environ.get("SEED") or "1", help="(%(default)s)")
    parser.add_argument("--first", default="0", help="number of the first draw (%(default)s)")
    parser.add_argument("--sim", default=default_simulator(), help="icarus or verilator (%(default)s)")
    parser.add_argument("--out", default=str(OUT), help="folder for results and builds (%(default)s)")
    args = parser.parse_args(arguments)
    count, seed, first = (whole_number(name.upper(), getattr(args, name), 1) for name in ("n", "seed", "first"))
    if count < 1 or min(seed, first) < 0:
        raise LockstepError(f"N={count}, SEED={seed}, FIRST={first}; expected N of 1 or more, the others not negative")
    out = Path(args.out)
    with alone(out / "lock", f"a run in {out}", "name another folder: OUT=<folder>"):
        return _run(count, seed, first, args.sim, out)


def _run(count: int, seed: int, first: int, simulator: str, out: Path) -> int:
    (out / "result.json").unlink(missing_ok=True)
    started = time.monotonic()
    wrong: dict[int, str] = {}
    done = cycles = checked = 0
    error = None
    again_so = f"SIM={simulator}" + (" INIT=random" if random_start() else "")
    for draws in _batches(count, seed, first):
        name = draws[0].array
        try:
            found, report = run_draws(draws, out / simulator / name, simulator)
        except SimulationError as broken:  # an assertion of the RTL stops the whole simulation
            error = f"draws {draws[0].index}..{draws[-1].index} on {name}: {broken}"
            print(f"FAILED: {error}", file=sys.stderr)
            print(f"  again: make random N={count} SEED={seed} FIRST={first} {again_so}", file=sys.stderr)
            break
        done, cycles = done + len(draws), cycles + report.cycles
        checked += sum(each.values for each in draws)
        wrong |= found
        print(f"{done} of {count} draws, {name}: {len(found)} wrong, {cycles:,} cycles in all", flush=True)
        for index, text in sorted(found.items()):
            again = next(each for each in draws if each.index == index)
            print(f"FAILED: {again}: {text}", file=sys.stderr)
            print(f"  again: make random N=1 SEED={seed} FIRST={index} {again_so}", file=sys.stderr)
    passed = not wrong and error is None
    result = {
        "passed": passed,
        "error": error,
        "wanted": count,
        "draws": done,
        "seed": seed,
        "first": first,
        "failed": sorted(wrong),
        "cycles": cycles,
        "checked_values": int(checked),
        "simulator": simulator,
        "init": "random" if random_start() else None,
        "seconds": round(time.monotonic() - started, 3),
    }
    write_json(out / "result.json", result)
    print(f"{done} draws, {len(wrong)} wrong; {checked:,} values, {cycles:,} cycles")
    return 0 if passed else 1


def _batches(count: int, seed: int, first: int) -> Iterator[list[Draw | GraphDraw]]:
    """The draws of one simulation each, all of one array; CHUNK at most."""
    names = list(ARRAYS)
    for start in range(first, first + count, CHUNK * len(names)):
        stop = min(start + CHUNK * len(names), first + count)
        for name in names:
            indices = [index for index in range(start, stop) if names[index % len(names)] == name]
            if indices:
                yield [any_draw(seed, index) for index in indices]


if __name__ == "__main__":
    sys.exit(main())
