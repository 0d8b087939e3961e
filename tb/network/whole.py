"""A compiled network on the engine: jobs, what the counters must say, and how far a run came that was killed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.files import read_json, write_json
from model.golden.execute import activations
from model.graph.graph import IntegerGraph
from model.program.array import EngineShape
from model.program.compiled import LayerProgram, Program
from model.program.layout import Lines
from model.program.stream import Stream
from tb.common import initial
from tb.common.runner import ROOT, rtl_folder
from tb.common.simulators import find, fingerprint
from tb.network.bench import Job, LayerRun, Report

Array = np.ndarray[Any, Any]
# The testbench, and all that makes its files, the codes expected and the cycles predicted; the RTL and the simulator
# count as well.
DECIDING = (
    "tb/network/*.v",
    "tb/network/*.py",
    "model/program/*.py",
    "model/golden/*.py",
    "model/graph/*.py",
    "model/numeric/*.py",
)


@dataclass(frozen=True, eq=False)
class Maps:
    """Codes that enter and leave every layer of a network for one image, by the golden model.

    Parameters
    ----------
    inputs, outputs : lists of arrays
        uint8 (channels, y, x) each; the last output is int64, the logits.
    """

    inputs: list[Array]
    outputs: list[Array]

    @classmethod
    def of(cls, graph: IntegerGraph, pixels: Array) -> Maps:
        """All maps of `graph` for `pixels`, unsigned (channels, height, width)."""
        walked = [(codes[0], result[0]) for _, codes, result in activations(graph, pixels[None])]
        return cls([codes for codes, _ in walked], [result for _, result in walked])


def job_of(program: Program, maps: Maps, first: int, last: int, stall: int = 0, stream: Stream | None = None) -> Job:
    """Layers `first` .. `last` as one run of the engine, on the golden codes that enter the first of them.

    `stream`: their stream, where it is made already.
    """
    layers = program.layers[first : last + 1]
    stream = stream or program.stream(first, len(layers))
    load = program.load(first, last, maps.inputs[first], maps.outputs)
    return _job(layers, load, maps.outputs[first : last + 1], stream, first, stall)


def layer_job(program: LayerProgram, codes: Array, expected: Array, first: int = 0, stall: int = 0) -> Job:
    """One layer on its own, as descriptor `first`."""
    return _job([program], program.load(codes), [expected], program.stream(), first, stall)


def _job(
    layers: Sequence[LayerProgram], load: Lines, outputs: Sequence[Array], stream: Stream, first: int, stall: int
) -> Job:
    return Job(
        first=first,
        descriptors=np.stack([item.descriptor.encode() for item in layers]),
        load=load,
        stream=stream,
        writes=join_lines([item.writes(out) for item, out in zip(layers, outputs, strict=True) if item.target]),
        results=join_results(layers, outputs, layers[0].shape),
        stall=stall,
    )


def join_lines(parts: Sequence[Lines]) -> Lines:
    """Lines one after another."""
    if not parts:
        return Lines(np.zeros(0, np.int64), np.zeros((0, 1), np.uint8))
    return Lines(np.concatenate([part.address for part in parts]), np.concatenate([part.codes for part in parts]))


def join_results(layers: Sequence[LayerProgram], outputs: Sequence[Array], shape: EngineShape) -> Array:
    """Result lines int64 (n, cols) of the layers that give logits."""
    parts = [item.results(codes) for item, codes in zip(layers, outputs, strict=True) if not item.target]
    return np.concatenate(parts) if parts else np.zeros((0, shape.cols), np.int64)


def counters_differ(run: LayerRun, program: LayerProgram) -> str | None:
    """What the counters of a layer say against the closed form; None where all four agree."""
    wanted = program.cycles
    pairs = {name: (getattr(run, name), getattr(wanted, name)) for name in ("pixels", "waiting", "filling", "writes")}
    wrong = [f"{name} {got} instead of {want}" for name, (got, want) in pairs.items() if got != want]
    if run.cycles != wanted.total:
        wrong.append(f"cycles {run.cycles} instead of {wanted.total}")
    return ", ".join(wrong) or None


def wrongs(jobs: Sequence[Job], programs: Sequence[Sequence[LayerProgram]], report: Report) -> dict[int, str]:
    """What is wrong with each job that is wrong, by its number: the first line that differs, an error, or a counter.

    Parameters
    ----------
    jobs : sequence of Job
        As they were simulated.
    programs : sequence of sequences of LayerProgram
        The layers of each job; without stalls their counters are compared with the cycle model.
    report : Report
    """
    wrong = dict.fromkeys(sorted(report.failed), "differs from the golden model") | report.errors
    for item in reversed(report.shown):
        wrong[item.job] = str(item)
    for run in report.layers:
        job, layers = jobs[run.job], programs[run.job]
        differ = None if job.stall else counters_differ(run, layers[(run.layer - job.first) % len(layers)])
        if differ:
            wrong.setdefault(run.job, f"{differ}, by the cycle model")
    for number, layers in enumerate(programs[: report.jobs]):  # a job that broke off tells of fewer
        told = [run.layer - jobs[number].first for run in report.layers if run.job == number]
        if number not in report.errors and told != list(range(len(layers))):
            wrong.setdefault(
                number, f"told of layers {told}, from its first on; expected each of {len(layers)}, in order"
            )
    for late in range(report.jobs, len(jobs)):
        wrong.setdefault(late, "was not run: the simulation ended before it")
    return wrong


def run_key(simulator: str, told: Sequence[object], root: Path = ROOT) -> str:
    """Hash of all that a run on the engine depends on.

    Parameters
    ----------
    simulator : str
        Its programs count as they do for a build, see `tb.common.simulators.fingerprint`.
    told : sequence
        What was asked for, by its `repr`; the environment's INIT counts as well.
    root : Path
        Of the sources of DECIDING; the RTL is where `rtl_folder` says.

    Raises
    ------
    LockstepError
        When the simulator is missing.
    """
    find(simulator)
    sources = [path for pattern in DECIDING for path in sorted(root.glob(pattern))]
    return fingerprint([*sorted(rtl_folder().glob("*.v")), *sources], simulator, [*told, initial.random_start()])


class Progress:
    """The layers that a run has finished, kept in a file for the case that it is killed.

    A run that ends, or in which something differs, calls `end`: a layer after the failing one would start on golden
    codes and on registers that were reset, and might pass.

    Parameters
    ----------
    path : Path
    key : str
        Hash of all that the result depends on; a file with another key counts as none.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.layers: dict[int, dict[str, Any]] = {}
        self._keep = True
        if path.is_file():
            try:
                kept = read_json(path)
                if isinstance(kept, dict) and kept.get("key") == key:
                    self.layers = {int(index): dict(entry) for index, entry in kept["layers"].items()}
            except (LockstepError, KeyError, TypeError, ValueError, AttributeError):
                self.layers = {}  # a broken file is no progress: the run starts at its first layer

    def add(self, run: LayerRun, seconds: float) -> None:
        """Take in what a finished layer's counters said; it is kept unless the run has ended."""
        self.layers[run.layer] = {**asdict(run), "seconds": round(seconds, 3)}
        if self._keep:
            kept = {"key": self.key, "layers": {str(index): self.layers[index] for index in self.layers}}
            write_json(self.path, kept)

    def next_of(self, first: int, last: int) -> int:
        """The first of layers first..last that is not finished; last + 1 if all are."""
        return next((index for index in range(first, last + 1) if index not in self.layers), last + 1)

    def end(self) -> None:
        """No run is to go on from here: the file goes and does not come back; `layers` stay, for the result."""
        self.path.unlink(missing_ok=True)
        self._keep = False

    def clear(self) -> None:
        """Forget what an earlier run has done: this one starts at its first layer."""
        self.path.unlink(missing_ok=True)
        self.layers = {}
