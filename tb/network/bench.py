"""Jobs for `network_tb.v`: written as `$readmemh` files, simulated, and its lines of output read back.

The testbench feeds and compares by itself; Python only writes its files before and reads what it says.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from model.files import write_atomic
from model.program.array import EngineShape
from model.program.layout import Lines
from model.program.stream import Stream
from model.program.words import pack_fields, to_hex, to_ints
from tb.common import initial, measured
from tb.common.runner import BuildError, SimulationError, default_seed, rtl_folder
from tb.common.runtime_objects import runtime_objects
from tb.common.simulators import find, fingerprint
from tb.network.points import descriptor_points

Array = np.ndarray[Any, Any]
TESTBENCH = Path(__file__).with_name("network_tb.v")
ERRORS = {
    1: "a pass is longer than the psum memory",
    2: "`last` came before the layer's last stream word",
    3: "the layer's last stream word came without `last`",
    4: "layers outside the descriptor table",
    6: "the layer asks for pairs, or is output stationary, which this engine is not built for",
}
ADDRESS_DIGITS = 8  # of 32 bits, in front of a line


@dataclass(frozen=True, eq=False)
class Job:
    """One run of the engine: consecutive layers, their input, and all that must come out.

    Parameters
    ----------
    first : int
        Descriptor of the first layer.
    descriptors : uint32 array (layers, 12)
    load : Lines
        Input lines.
    stream : Stream
    writes : Lines
        Codes that must be written back, in order.
    results : int64 array (n, cols)
        Lines that must come out of the result port, in order.
    stall : int
        In 0..255: a stream word is held back with probability stall/256 in every cycle.
    """

    first: int
    descriptors: Array
    load: Lines
    stream: Stream
    writes: Lines
    results: Array
    stall: int = 0


@dataclass(frozen=True)
class LayerRun:
    """What the counters said of one layer: cycles = waiting + filling + pixels."""

    job: int
    layer: int
    cycles: int
    waiting: int
    filling: int
    writes: int
    pixels: int


@dataclass(frozen=True)
class Mismatch:
    """A line that is not what it must be, as hexadecimal words; `index` counts the codes (or results) of all jobs.

    `index` and `wanted_address` are None for a line beyond the last; results have address 0.
    """

    port: str
    job: int
    layer: int
    index: int | None
    wanted_address: int | None
    expected: str
    address: int
    got: str
    time: int

    def __str__(self) -> str:
        at = "beyond the last" if self.index is None else f"{self.index}"
        return (
            f"job {self.job}, layer {self.layer}, {self.port} {at}: expected {self.expected} in line "
            f"{self.wanted_address}, got {self.got} in line {self.address} (time {self.time})"
        )


@dataclass
class Report:
    """What a simulation said.

    Parameters
    ----------
    layers : list of LayerRun
    mismatches : int
        Lines that differ, are missing or are too many.
    shown : list of Mismatch
        The first ten.
    errors : dict of job to text
        Jobs that the engine ended with an error code, hung or left words of.
    jobs : int
        Jobs that ended.
    cycles : int
        Of all jobs.
    seconds : float
        Wall-clock time of the simulation, without the build.
    """

    layers: list[LayerRun] = field(default_factory=list)
    mismatches: int = 0
    shown: list[Mismatch] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    jobs: int = 0
    cycles: int = 0
    seconds: float = 0.0


def write_jobs(folder: Path, shape: EngineShape, jobs: Sequence[Job]) -> dict[str, int]:
    """Write the testbench's files into `folder`; returns its parameters beside those of the engine."""
    folder.mkdir(parents=True, exist_ok=True)
    if measured.folder():
        descriptor_points(job.descriptors for job in jobs).record()
    line_bits, code_bits = shape.line_bits, shape.cols * shape.act_width
    streams = {id(job.stream): job.stream for job in jobs}  # images of one network share theirs
    sizes = [len(each.words) for each in streams.values()]
    starts = dict(zip(streams, np.cumsum([0, *sizes]).tolist(), strict=False))
    table = [
        word
        for job in jobs
        for word in (
            *(len(job.load.address), job.first, len(job.descriptors), len(job.stream.words)),
            *(len(job.writes.address), len(job.results), job.stall, starts[id(job.stream)]),
        )
    ]
    descriptors = [word for job in jobs for row in job.descriptors for word in (*row.tolist(), 0, 0, 0, 0)]
    load = [text for job in jobs for text in _lines(job.load, shape.act_width, line_bits)]
    stream = [text for each in streams.values() for text in _stream(each, shape.word_bits)]
    codes = [text for job in jobs for text in _lines(job.writes, shape.act_width, code_bits)]
    results = [text for job in jobs for text in to_hex(pack_fields(job.results, 32))]
    for name, texts in (
        ("jobs", [f"{word:08x}" for word in table]),
        ("desc", [f"{word:08x}" for word in descriptors]),
        *(("load", load), ("stream", stream), ("code", codes), ("result", results)),
    ):
        data = ("\n".join(texts or ["0"]) + "\n").encode()
        write_atomic(folder / f"{name}.hex", lambda file, data=data: file.write(data))  # type: ignore[misc]
    counts = {"LoadLines": len(load), "StreamWords": len(stream), "CodeLines": len(codes), "ResultLines": len(results)}
    return {"Jobs": len(jobs), "Descriptors": len(descriptors) // 16} | {n: max(1, size) for n, size in counts.items()}


def _lines(lines: Lines, width: int, bits: int) -> list[str]:
    digits = ADDRESS_DIGITS + -(-bits // 4)
    words = to_ints(pack_fields(lines.codes, width))
    return [f"{(int(at) << bits) | word:0{digits}x}" for at, word in zip(lines.address, words, strict=True)]


def _stream(stream: Stream, bits: int) -> list[str]:
    if bits % 8 == 0:
        return [f"{last:x}{text}" for last, text in zip(stream.last.astype(int), to_hex(stream.words), strict=True)]
    digits = 1 + -(-bits // 4)
    words = to_ints(stream.words)
    return [f"{(int(last) << bits) | word:0{digits}x}" for last, word in zip(stream.last, words, strict=True)]


def build(
    folder: Path,
    shape: EngineShape,
    sizes: dict[str, int],
    simulator: str,
    *,
    checks: bool = True,
    rtl: Path | None = None,
) -> list[str]:
    """Compile the testbench for `shape` into `folder`, unless it is there; returns the command that runs it.

    Raises
    ------
    BuildError
        When the sources do not compile.
    LockstepError
        When the simulator is missing.
    """
    folder = folder.resolve()  # the compiler and the simulator run in it
    folder.mkdir(parents=True, exist_ok=True)
    find(simulator)
    counted = measured.counts_lines(simulator)
    rtl_sources = sorted(rtl_folder(rtl).glob("*.v"))
    random_start = initial.random_start()
    if random_start:
        rtl_sources = initial.randomized(rtl_sources, folder / "random", simulator)
    sources = [TESTBENCH, *rtl_sources]
    parameters = {**shape.parameters, **sizes}
    options: list[str] = []  # how C++ is compiled
    if simulator == "icarus":
        program = folder / "network.vvp"
        command = ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-s", "network_tb", "-o", str(program)]
        command += [f"-Pnetwork_tb.{name}={value}" for name, value in parameters.items()]
        command += initial.ICARUS_BUILD if random_start else ()
        run = ["vvp", "-n", str(program)]
    else:
        program = folder / "obj" / "Vnetwork_tb"
        command = ["verilator", "--binary", "--timing", "-O3", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-j", "2"]
        command += ["--timescale", "1ns/1ps", *(measured.BUILD if counted else ("-CFLAGS", "-O2"))]
        command += initial.VERILATOR_BUILD if random_start else ("--x-assign", "fast")
        command += ["--top-module", "network_tb", "--trace"]
        options = list(command)
        command += ["--Mdir", str(folder / "obj")]
        command += [f"-G{name}={value}" for name, value in parameters.items()]
        run = [str(program)]
    if checks and not counted:
        command.append("-DSIM_CHECKS")
    command += [str(source) for source in sources]
    wanted = fingerprint(sources, simulator, command)
    built = folder / "built.sha256"
    if not program.is_file() or not built.is_file() or built.read_text() != wanted:
        built.unlink(missing_ok=True)
        program.parent.mkdir(exist_ok=True)
        with runtime_objects(program.parent, simulator, options):
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if done.returncode:
                raise BuildError(f"network_tb does not build with {simulator}: {(done.stderr or done.stdout)[-3000:]}")
        built.write_text(wanted)
    run += initial.plusargs(simulator, default_seed()) if random_start else []
    return [*run, *(measured.plusargs() if counted else [])]


def simulate(
    folder: Path,
    command: Sequence[str],
    *,
    waves: bool = False,
    on_layer: Callable[[LayerRun, Report], None] | None = None,
) -> Report:
    """Run the built testbench on the files in `folder`; `on_layer` is called as each layer ends.

    Raises
    ------
    SimulationError
        When the simulator stops before the last job ends: an assertion of the RTL, a crash.
    """
    report = Report()
    started = time.perf_counter()
    log = folder / "sim.log"
    with (
        log.open("w") as copy,
        subprocess.Popen(
            [*command, *(["+waves"] if waves else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            ended = _read(_copied(process.stdout, copy), report, on_layer)
        except BaseException:
            process.kill()
            raise
    status = process.returncode
    report.seconds = time.perf_counter() - started
    if not report.errors and (not ended or status):
        tail = "\n  ".join(log.read_text(errors="replace").splitlines()[-8:])
        raise SimulationError(f"the simulation broke off (exit {status}); see {log}\n  {tail}")
    return report


def run_jobs(
    folder: Path,
    shape: EngineShape,
    jobs: Sequence[Job],
    simulator: str,
    *,
    checks: bool = True,
    rtl: Path | None = None,
    waves: bool = False,
) -> Report:
    """Write, build and simulate `jobs` in `folder`; raises what `build` and `simulate` do."""
    sizes = write_jobs(folder, shape, jobs)
    return simulate(folder, build(folder, shape, sizes, simulator, checks=checks, rtl=rtl), waves=waves)


def _copied(lines: Iterable[str], copy: Any) -> Iterable[str]:
    for line in lines:
        copy.write(line)
        yield line


def _read(lines: Iterable[str], report: Report, on_layer: Callable[[LayerRun, Report], None] | None) -> bool:
    """Take in the testbench's lines; returns whether it came to its end."""
    ended = False
    for line in lines:
        try:
            ended = _take(line, report, on_layer) or ended
        except ValueError as error:
            raise SimulationError(f"a number has unknown bits, something in the RTL is X: {line.strip()}") from error
    return ended


def _take(line: str, report: Report, on_layer: Callable[[LayerRun, Report], None] | None) -> bool:
    """Take in a line; returns whether it is the last.

    Raises
    ------
    ValueError
        When a number in it is none.
    """
    kind, *words = line.split() or [""]
    if kind == "LAYER":
        run = LayerRun(*map(int, words[:7]))
        report.layers.append(run)
        if on_layer:
            on_layer(run, report)
    elif kind == "MISMATCH":
        port, job, layer, index, wanted, expected, address, got, at = words
        place = None if index == "-" else int(index)
        at_line = None if wanted == "-" else int(wanted, 16)
        mismatch = Mismatch(port, int(job), int(layer), place, at_line, expected, int(address, 16), got, int(at))
        report.shown.append(mismatch)
    elif kind == "JOB":
        job_, error, mismatches, cycles, codes, results, left = map(int, words)
        # missing lines are as wrong as wrong ones; those too many were counted as they came
        wrong = mismatches + max(0, codes) + max(0, results)
        report.mismatches += wrong
        report.jobs += 1
        report.cycles += cycles
        if error:
            report.errors[job_] = ERRORS.get(error, f"error {error}")
        elif left:
            report.errors[job_] = f"{left} stream words were not taken"
        if wrong or error or left:
            report.failed.add(job_)
    elif kind == "HUNG":
        report.errors[int(words[0])] = f"hung in layer {words[1]}"
        report.failed.add(int(words[0]))
    return kind == "END"
