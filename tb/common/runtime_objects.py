"""Verilator's own objects, compiled once for all builds with the same options: most of the time of a small build."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tb.common.simulators import fingerprint

ROOT = Path(__file__).resolve().parents[2]
NAMES = "verilated*"  # verilated.o, verilated_threads.o, ...; cocotb's verilator.o includes the model's header
AHEAD_SECONDS = 86400  # Verilator's makefile has them depend on itself, which is written after they are copied


@contextmanager
def runtime_objects(build: Path, simulator: str, options: Sequence[str]) -> Iterator[None]:
    """Verilator builds in the folder `build`, with `options`, and takes its own objects from an earlier build.

    They are kept under ``build/verilator/``, one folder for each choice of options and version. What cannot be kept
    there is compiled again.

    Parameters
    ----------
    build : Path
        Folder of the objects; it exists.
    simulator : str
        Others than Verilator have no such objects: nothing is done.
    options : sequence of str
        All that may change how C++ is compiled; parameters and sources do not.
    """
    if simulator != "verilator":
        yield
        return
    key = fingerprint([], simulator, [list(options), os.environ.get("CXXFLAGS")])[:16]
    kept = ROOT / "build" / "verilator" / key
    ahead = time.time() + AHEAD_SECONDS
    for found in kept.glob(NAMES):
        shutil.copyfile(found, build / found.name)
        os.utime(build / found.name, (ahead, ahead))
    yield
    if not kept.is_dir():
        part = kept.with_name(f"{key}-{uuid.uuid4().hex}")
        try:
            part.mkdir(parents=True)
            for found in [*build.glob(f"{NAMES}.o"), *build.glob(f"{NAMES}.d")]:
                shutil.copyfile(found, part / found.name)
            part.rename(kept)
        except OSError:  # a tree that cannot be written, or another build was quicker
            shutil.rmtree(part, ignore_errors=True)
