"""Simulators of `network_tb.v` that are built once and shared: by many runs, processes and machines of one file system.

A simulator is a folder named by the hash of all that it is made of. It is built beside its place and moved there in one
step, so whoever finds it finds it whole; who comes while it is being built waits, and builds it only where the file
system has no locks.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from model.files import read_json, write_json
from model.program.array import EngineShape
from tb.common import initial
from tb.common.runner import default_seed, rtl_folder
from tb.common.simulators import find, fingerprint
from tb.network import bench

LEAST_LINES = 1 << 12  # of each memory of the testbench; the next sizes are eight times as large each
ITS_OWN = ("Jobs", "Descriptors")  # parameters that are no lines of a memory: the testbench counts with them


class Shared(NamedTuple):
    """A simulator: the command that runs it in a folder of jobs, its hash, and whether it was built just now."""

    command: list[str]
    name: str
    built: bool


def roomy(sizes: Mapping[str, int], shape: EngineShape) -> dict[str, int]:
    """`sizes` of a testbench raised to few steps, so that jobs of many sizes share one simulator.

    >>> roomy({"Jobs": 1, "Descriptors": 1, "LoadLines": 9, "StreamWords": 5000}, EngineShape(layers=6))
    {'Jobs': 1, 'Descriptors': 6, 'LoadLines': 32768, 'StreamWords': 32768}
    """
    lines = LEAST_LINES
    while lines < max(size for name, size in sizes.items() if name not in ITS_OWN):
        lines *= 8
    raised = {"Jobs": sizes["Jobs"], "Descriptors": max(sizes["Descriptors"], shape.layers)}
    return raised | {name: lines for name in sizes if name not in ITS_OWN}


def shared_simulator(
    root: Path,
    shape: EngineShape,
    sizes: Mapping[str, int],
    simulator: str,
    *,
    checks: bool = True,
    rtl: Path | None = None,
) -> Shared:
    """The simulator for `shape` in a folder below `root`, built there unless somebody has.

    Parameters
    ----------
    root : Path
        Of all simulators.
    shape : EngineShape
    sizes : mapping
        What `tb.network.bench.write_jobs` returns; it is raised to the sizes of `roomy`.
    simulator, checks, rtl
        As for `tb.network.bench.build`; the environment's INIT and SEED count as they do there.

    Raises
    ------
    BuildError, LockstepError
        As `tb.network.bench.build`.
    """
    find(simulator)
    room = roomy(sizes, shape)
    sources = [bench.TESTBENCH, Path(bench.__file__), *sorted(rtl_folder(rtl).glob("*.v"))]
    sources += [Path(initial.__file__), initial.RANDOM_VALUES]
    start = default_seed() if initial.random_start() else None  # the command tells it
    place = root.resolve() / fingerprint(sources, simulator, [shape.parameters, room, checks, start])
    told = place / "command.json"
    if told.is_file():
        return Shared(read_json(told), place.name, False)
    root.mkdir(parents=True, exist_ok=True)
    with _waiting(place.with_suffix(".lock")):
        if told.is_file():
            return Shared(read_json(told), place.name, False)
        beside = Path(tempfile.mkdtemp(prefix=f".{place.name[:16]}.", dir=root.resolve()))
        try:
            command = bench.build(beside, shape, room, simulator, checks=checks, rtl=rtl)
            moved = [word.replace(str(beside), str(place)) for word in command]
            write_json(beside / told.name, moved)
            try:
                os.rename(beside, place)
            except OSError:
                if not told.is_file():  # else somebody without our lock was faster: theirs is as good
                    raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return Shared(moved, place.name, True)


@contextmanager
def _waiting(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for it; the system lets go of it however the process ends."""
    with path.open("a") as file:
        with suppress(OSError):  # a file system without locks: two may build the same, and one of them is kept
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
