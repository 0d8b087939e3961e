"""`make fuzz`: every reader on damaged files, and the accelerator under a host that does everything wrong."""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import re
import sys
import time
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import alone, read_json, write_json
from model.typed import whole_number
from scripts.fuzzing.campaign import NOTE, Tally, examine
from scripts.fuzzing.judge import WALL_SECONDS, judge
from scripts.fuzzing.readers import READERS, choose
from scripts.given import given_line
from scripts.guard import guarded, require_own
from scripts.numbers import positive
from tb.common.runner import ROOT
from tb.fuzz.campaign import BUS, episodes

OUT = Path("build/fuzz")
CHUNK = 250  # examples of a process: what is done is kept after each
EXAMPLES_AN_EPISODE = 20  # where both are asked for: an episode of the bus takes a thousand times an example's time


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a defect is found, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", default="2000", help="examples of each reader (%(default)s)")
    parser.add_argument("--only", help=f"one of {', '.join(READERS)}, {BUS} (all)")
    parser.add_argument("--seed", default=os.environ.get("SEED") or "1", help="(%(default)s)")
    parser.add_argument("--replay", help="with --only: a failing example that was kept, or <seed>:<episode> of the bus")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    count, seed = positive("N", args.n, 2000), whole_number("SEED", args.seed, 1)
    if seed < 0:
        raise LockstepError(f"SEED={seed}; expected 0 or more")
    names = choose(args.only, (BUS,))
    if args.replay is not None:
        return _replay(args.only, args.replay, args.out)
    require_own(args.out, OUT, "fuzz")
    with alone(args.out / "lock", f"`make fuzz` in {args.out}", "name another folder: OUT=<folder>"):
        (args.out / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
        return _run(names, count, seed, args.out, given_line("fuzz", parser, args, simulates=True), args.only)


def _run(names: list[str], count: int, seed: int, out: Path, line: str, only: str | None) -> int:
    started, key = time.monotonic(), _sources()
    done: dict[str, dict[str, Any]] = {}
    for name in names:
        if name == BUS:
            wanted = count if only else max(1, count // EXAMPLES_AN_EPISODE)
            done[name] = episodes(wanted, seed, out / BUS)
        else:
            done[name] = _reader(name, count, seed, key, out)
        kinds = "runs that told an error" if name == BUS else "refused in a line, the others rightly read"
        told = done[name]["defect"] or f"{done[name]['refusals']} {kinds}"
        print(f"  {name:<12} {done[name]['examples']:>7} in {done[name]['seconds']:>7.1f} s  {told}", flush=True)
    defects = [f"{name}: {each['defect']}" for name, each in done.items() if each["defect"]]
    result = {
        "passed": not defects,
        "make": line,
        "complete": only is None,
        "wanted": count,
        "seed": seed,
        "examples": {name: each["examples"] for name, each in done.items()},
        "refusals": {name: each["refusals"] for name, each in done.items()},
        "defects": defects,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out / "result.json", result)
    for defect in defects:
        print(f"DEFECT {defect}", file=sys.stderr)
    print(f"{'PASS' if not defects else 'FAIL'}  {out / 'result.json'}", flush=True)
    return 0 if not defects else 1


def _reader(name: str, count: int, seed: int, key: str, out: Path) -> dict[str, Any]:
    """The tally of a reader: what an earlier run with the same sources and seed has done counts."""
    state = out / "state" / f"{name}.json"
    kept: dict[str, Any] = {"key": f"{key} {seed}", "examples": 0, "refusals": 0, "seconds": 0.0, "defect": None}
    if state.is_file():
        try:
            found = read_json(state)
            if isinstance(found, dict) and found.keys() == kept.keys() and found["key"] == kept["key"]:
                kept = found
        except LockstepError:
            pass  # cut short: begun again
    while kept["examples"] < count and not kept["defect"]:
        started, chunk = time.monotonic(), min(CHUNK, count - kept["examples"])
        tally = _apart(name, chunk, seed * 1_000_003 + kept["examples"], out)
        kept["examples"] += chunk
        kept["refusals"] += tally.refusals
        kept["defect"] = tally.defect
        kept["seconds"] = round(kept["seconds"] + time.monotonic() - started, 1)
        write_json(state, kept)
        print(f"  {name:<12} {kept['examples']:>7} of {count}", end="\r" if sys.stdout.isatty() else "\n", flush=True)
    return kept


def _apart(name: str, count: int, seed: int, out: Path) -> Tally:
    """Examples in a process of their own: one that is killed, or that a library brings down, is a defect as well."""
    folder, kept = out / "work" / name, out / "defects" / name
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_inside, args=(name, count, seed, folder, kept, theirs), daemon=True
    )
    process.start()
    theirs.close()
    try:
        if ours.poll(60 + count * WALL_SECONDS):
            return Tally(**ours.recv())
    except EOFError:
        pass  # it is gone
    finally:
        process.kill()
        process.join()
    return Tally(defect=f"the process ended with status {process.exitcode}; its files: {folder}")


def _inside(name: str, count: int, seed: int, folder: Path, kept: Path, told: Connection) -> None:
    told.send(asdict(examine(READERS[name], count, seed, folder, kept)))


def _replay(name: str | None, told: str, out: Path) -> int:
    """Judge a kept example, or run an episode, again."""
    if name is None:
        raise LockstepError("REPLAY= is for one reader, or the bus; expected ONLY=<name> with it")
    if name == BUS:
        if (match := re.fullmatch("([0-9]{1,12}):([0-9]{1,12})", told)) is None:
            raise LockstepError(f"REPLAY={told}: no episode of the bus; expected REPLAY=<seed>:<number>")
        found = episodes(1, int(match[1]), out / BUS, int(match[2]))
        print(found["defect"] or f"as it should be; done wrong: {', '.join(found['kinds'])}")
        return 1 if found["defect"] else 0
    folder = Path(told)
    if not (folder / NOTE).is_file():
        raise LockstepError(f"REPLAY={folder} is no kept example; expected a folder with {NOTE}")
    (folder / NOTE).rename(folder.parent / f"{name}.{NOTE}")
    try:
        verdict = judge(READERS[name], folder)
    finally:
        (folder.parent / f"{name}.{NOTE}").rename(folder / NOTE)
    print(verdict.wrong or ("refused in one line" if verdict.refused else "accepted, and rightly"))
    return 1 if verdict.wrong else 0


def _sources() -> str:
    """Hash of the Python in the tree: with other sources a kept tally says nothing."""
    digest = hashlib.sha256()
    for path in sorted(path for top in ("model", "scripts", "tb") for path in (ROOT / top).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
