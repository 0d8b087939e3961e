"""The testbenches whose runs are counted: each a process of pytest with Verilator; what it met is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model.errors import LockstepError
from model.files import read_json, write_atomic, write_json
from tb.common.measured import TOGGLES, VARIABLE
from tb.common.runner import ROOT
from tb.common.simulators import find, fingerprint
from tb.common.sources import imported
from tb.coverage.counts import Place, added, from_json, read_counts, to_json

# Not these: they simulate faults, broken rules, gates or programs in C, or prove instead of simulating.
OTHERS = {"c", "common", "coverage", "formal", "mutants", "sim_checks", "synth", "tradeoff", "waves"}
# Nor these: purpose-made faults, and a test that builds and does not simulate.
LEFT_OUT = {"test_core_faults", "test_core", "test_network", "test_shared"}
STEERING = ("INIT", "SIM", "SEED", "PYTEST_ADDOPTS", "LOCKSTEP_RTL", "PYTEST_XDIST_WORKER")  # not for the runs


@dataclass(frozen=True)
class Outcome:
    """What one testbench met.

    Parameters
    ----------
    job : str
    counts : Counter of Place
    points : dict
        Hits of the named points of the test plan.
    seconds : float
        Of the run that was counted, the builds included.
    fresh : bool
        It was run now, not kept from before.
    """

    job: str
    counts: Counter[Place]
    points: dict[str, int]
    seconds: float
    fresh: bool


def all_jobs(root: Path = ROOT) -> dict[str, Path]:
    """Test modules by name, ``<folder>/<module>`` without ``test_``: the quick ones, of small blocks, first."""
    found = [path for path in sorted((root / "tb").glob("*/test_*.py")) if path.parent.name not in OTHERS]
    found = [path for path in found if path.stem not in LEFT_OUT]
    found.sort(key=lambda path: (path.parent.name in ("core", "accelerator", "network"), path.parent.name == "network"))
    return {f"{path.parent.name}/{path.stem.removeprefix('test_')}": path for path in found}


def chosen_jobs(only: str | None) -> dict[str, Path]:
    """All of them, or those of the folder or of the one module `only`; LockstepError where there is none."""
    jobs = all_jobs()
    if not only:
        return jobs
    chosen = {name: path for name, path in jobs.items() if only in (name, name.partition("/")[0])}
    if not chosen:
        folders = sorted({name.partition("/")[0] for name in jobs})
        raise LockstepError(f"ONLY is {only!r}; expected a folder of tb/, one of {', '.join(folders)}")
    return chosen


def run_job(job: str, path: Path, out: Path) -> Outcome:
    """Run the tests in `path` and count, or take what `out` has kept from an earlier run of the same sources.

    Raises
    ------
    LockstepError
        When a test fails, nothing was counted, or the sources changed meanwhile.
    """
    kept = out / "jobs" / f"{job.replace('/', '-')}.json"
    if kept.is_file():
        try:
            told = read_json(kept)
            counts = from_json(told["counts"])
            if told["key"] == job_key(path, counts):
                return Outcome(job, counts, told["points"], told["seconds"], False)
        except (LockstepError, KeyError, TypeError, ValueError):
            kept.unlink()  # cut short: it counts as not run
    started = time.monotonic()
    work = (out / "work" / job.replace("/", "-")).resolve()
    build = (out / "build" / job.replace("/", "-")).resolve()
    for stale in (work, build):
        shutil.rmtree(stale, ignore_errors=True)
    work.mkdir(parents=True)
    build.parent.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in STEERING}
    environment |= {"SIM": "verilator", VARIABLE: str(work), "LOCKSTEP_BUILD": str(build)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        f"--basetemp={build}-tmp",
        str(path),
    ]
    before = _state(path)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        log = build.with_name(f"{build.name}.log")
        write_atomic(log, done.stdout)
        raise LockstepError(f"{job}: its tests fail, so nothing is counted; see {log}")
    counts = added(read_counts(file, ROOT / "rtl") for file in sorted(work.glob("*.dat")))
    points: Counter[str] = Counter()
    for file in sorted(work.glob("*.points.json")):
        for point, hits in read_json(file).items():
            points[point] = points[point] + int(hits)
    if _state(path) != before:  # what was counted belongs to no state of the tree
        raise LockstepError(f"{job}: the RTL or its tests were changed while they ran; run it again")
    if not counts:
        raise LockstepError(f"{job}: its tests pass, but Verilator left no counts in {work}")
    seconds = round(time.monotonic() - started, 1)
    write_json(
        kept, {"key": job_key(path, counts), "seconds": seconds, "counts": to_json(counts), "points": dict(points)}
    )
    for spent in (work, build, build.with_name(f"{build.name}-tmp")):
        shutil.rmtree(spent, ignore_errors=True)
    return Outcome(job, counts, dict(points), seconds, True)


def job_key(path: Path, counts: Iterable[Place]) -> str:
    """Hash of what a job's `counts` depend on: the modules in them, testbench, tools."""
    find("verilator")
    modules = sorted({place.module for place in counts})
    sources = [ROOT / "rtl" / f"{module}.v" for module in modules if (ROOT / "rtl" / f"{module}.v").is_file()]
    return fingerprint([*sources, *_tests(path)], "verilator", [path.name, modules])


def _tests(path: Path) -> list[Path]:
    """What the tests in `path` are made of: their folder, what it imports, the headers of the counting builds."""
    files = [file for file in path.parent.iterdir() if file.suffix in (".py", ".v")]
    own = {file for file in files if file == path or not file.name.startswith("test_")}
    ours = [file.relative_to(ROOT).with_suffix("") for file in own if file.is_relative_to(ROOT)]
    return sorted({*own, *imported(*(".".join(file.parts) for file in ours)), *TOGGLES.glob("*.h")})


def _state(path: Path) -> str:
    """Hash of the RTL and of the tests in `path` as they are now."""
    return fingerprint([*sorted((ROOT / "rtl").glob("*.v")), *_tests(path)], "verilator", [])
