"""`make evaluate`: the integer graph on every test image, exactly; its accuracy, and images a second."""

from __future__ import annotations

import argparse
import hashlib
import platform
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from model.dataset import Dataset
from model.errors import LockstepError
from model.files import alone, remove_parts, write_atomic, write_json
from model.golden import evaluate, execute, parallel
from model.graph import storage
from model.graph.graph import IntegerGraph
from scripts.datasets import load_data
from scripts.given import given_line
from scripts.guard import guarded
from scripts.local_data import BUILD, spread
from scripts.numbers import at_a_time, cores, positive
from tb.common.runner import SimulationError
from tb.common.simulators import require_simulator
from tb.network.sample import run_images

Array = np.ndarray[Any, Any]
OUT = BUILD / "evaluate"
SAVE_SECONDS = 5.0  # between two saves of what is done
PROBES = 8  # images whose logits are compared with the plain execution's


def chosen_logits(graph: IntegerGraph, dataset: Dataset, indices: Array) -> Array:
    """Integer logits int64 (m, classes) of the test images `indices`: what another executor's are to equal."""
    return evaluate.Executor(graph).logits(dataset.test_pixels[indices])


class Run:
    """Logits of the chosen test images; what is done is kept in `folder`, so that a run goes on where one ended.

    Parameters
    ----------
    graph : IntegerGraph
    dataset : Dataset
    chosen : int64 array (m,)
        Test images to run.
    folder : Path
    """

    def __init__(self, graph: IntegerGraph, dataset: Dataset, chosen: Array, folder: Path) -> None:
        self.graph, self.dataset, self.chosen = graph, dataset, chosen
        self.partial = folder / "partial.npz"
        self.logits: Array = np.zeros((len(dataset.test_pixels), len(graph.classes)), np.int64)
        self.done: Array = np.zeros(len(dataset.test_pixels), bool)
        code = b"".join(Path(str(module.__file__)).read_bytes() for module in (evaluate, execute))
        self.key = f"{graph.sha256} {dataset.sha256} {hashlib.sha256(code).hexdigest()}"
        self._load()
        self.resumed = int(self.done[chosen].sum())
        self.seconds = 0.0

    def _load(self) -> None:
        try:
            with self.partial.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                if str(kept["key"]) == self.key and kept["done"].shape == self.done.shape:
                    self.logits, self.done = kept["logits"].reshape(self.logits.shape), kept["done"].astype(bool)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            pass  # nothing was begun, or nothing that can be used

    def _save(self) -> None:
        def write(file: BinaryIO) -> None:
            np.savez(file, key=np.array(self.key), logits=self.logits, done=self.done)

        write_atomic(self.partial, write)

    def run(self, jobs: int, progress: Callable[[int], None]) -> None:
        """Run the images that are missing; `progress` is told the number done, after every batch."""
        missing = self.chosen[~self.done[self.chosen]]
        started = saved = time.monotonic()
        try:
            for indices, logits in parallel.stream(self.graph, self.dataset.test_pixels, missing, jobs):
                self.logits[indices], self.done[indices] = logits, True
                self.seconds = time.monotonic() - started
                if time.monotonic() - saved > SAVE_SECONDS:
                    self._save()
                    saved = time.monotonic()
                progress(int(self.done[self.chosen].sum()))
        except BaseException:
            if self.done.any():
                self._save()
            raise

    def finish(self) -> None:
        """The run is complete: nothing is left to go on from."""
        self.partial.unlink(missing_ok=True)

    @property
    def right(self) -> Array:
        """Whether the class of each chosen image is its label: bool (m,)."""
        right: Array = self.logits[self.chosen].argmax(axis=1) == self.dataset.test_labels[self.chosen]
        return right


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when accuracy or logits are not what they must be, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="vgg16", help="network, or path of an integer graph (%(default)s)")
    parser.add_argument("--data", help="folder of the data set (else the bundled digits, or CIFAR-10 downloaded)")
    parser.add_argument("--images", help="that many test images, evenly spread (all of them)")
    parser.add_argument("--jobs", default=str(cores()), help="processes (%(default)s)")
    parser.add_argument("--rtl", help="that many of them also on the RTL, evenly spread (none)")
    parser.add_argument("--sim", default="verilator", help="with --rtl: icarus or verilator (%(default)s)")
    parser.add_argument("--out", default=str(OUT), help="folder for the results (%(default)s)")
    args = parser.parse_args(arguments)
    jobs = at_a_time(args.jobs, "processes")
    wanted = None if args.images is None else positive("IMAGES", args.images, 1000)
    rtl = None if args.rtl is None else positive("RTL", args.rtl, 2)
    require_simulator(args.sim)
    sample = Sample(rtl, args.sim) if rtl else None
    if sample is None:
        args.sim = None  # is nothing that the make line tells
    line = given_line("evaluate", parser, args)
    path = storage.find(args.net)
    graph = storage.load(path)
    dataset = load_data(graph.input_shape, args.data)
    check_classes(graph, dataset, path)
    folder, count = Path(args.out) / graph.name, len(dataset.test_pixels)
    if wanted is not None and wanted > count:
        raise LockstepError(f"IMAGES={wanted}: the data set has {count} test images; expected no more")
    with alone(folder.parent / f".{graph.name}.lock", f"another evaluation of {graph.name} in {args.out}"):
        remove_parts(folder)
        (folder / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
        run = Run(graph, dataset, spread(count, wanted or count), folder)
        return measure(run, path, folder, jobs, line, sample)


def check_classes(graph: IntegerGraph, dataset: Dataset, path: Path) -> None:
    """Raise LockstepError unless the labels count in the classes that the logits stand for."""
    if graph.classes != dataset.classes:
        raise LockstepError(
            f"{path} tells {', '.join(graph.classes)} apart, the data set has {', '.join(dataset.classes)}; "
            "expected the same classes in the same order"
        )


class Sample(NamedTuple):
    """So many of the images are to run on the RTL, in this simulator."""

    images: int
    simulator: str


def on_rtl(run: Run, sample: Sample, folder: Path) -> dict[str, Any]:
    """Run images of the sample on the RTL; what came of it, for the result file."""
    indices = run.chosen[spread(len(run.chosen), sample.images)]
    print(f"  {len(indices)} images on the RTL, {sample.simulator}", flush=True)
    told = {"simulator": sample.simulator, "images": [int(index) for index in indices]}
    try:
        logits, report = run_images(
            run.graph, run.dataset.test_pixels[indices], folder / f"rtl-{sample.simulator}", sample.simulator
        )
    except SimulationError as error:
        return {**told, "passed": False, "error": str(error)}
    differing = int((logits != run.logits[indices]).sum())
    wrong = [str(item) for item in report.shown] + [f"image {k}: {text}" for k, text in report.errors.items()]
    return {
        **told,
        "passed": not (report.mismatches or wrong or differing) and report.jobs == len(indices),
        "mismatches": report.mismatches,
        "differing_logits": differing,
        "error": wrong[0] if wrong else None,
        "cycles": report.cycles,
        "cycles_per_second": round(report.cycles / report.seconds, 1),
    }


def measure(run: Run, path: Path, folder: Path, jobs: int, line: str, sample: Sample | None = None) -> int:
    """Run, compare, print, write what there is; returns the exit status."""
    graph, total = run.graph, len(run.chosen)
    print(f"{graph.name}: {total} of {len(run.done)} test images, {jobs} processes", flush=True)
    if run.resumed:
        print(f"  going on with {run.resumed} that an earlier run has done", flush=True)
    told = [run.resumed * 10 // total]

    def progress(done: int) -> None:
        if done * 10 // total > told[0]:
            told[0] = done * 10 // total
            speed = (done - run.resumed) / run.seconds
            print(f"  {done:>6} images, {speed:.0f} images/s", flush=True)

    run.run(jobs, progress)
    probes = run.chosen[spread(total, PROBES)]
    differing = int((run.logits[probes] != execute.logits(graph, run.dataset.test_pixels[probes])).sum())
    right = int(run.right.sum())
    accuracy = right / total
    recorded = graph.meta.get("integer_accuracy")
    same_data = run.dataset.sha256 == graph.meta.get("data_sha256")
    judged = same_data and recorded is not None and total == len(run.done) == graph.meta.get("test_images")
    passed = False if differing or (judged and accuracy != recorded) else (True if judged else None)
    rtl = on_rtl(run, sample, folder) if sample else None
    if rtl and not rtl["passed"]:
        passed = False
    fresh = total - run.resumed
    result = {
        "net": graph.name,
        "graph": str(path),
        "graph_sha256": graph.sha256,
        "make": line,
        "passed": passed,
        "accuracy": accuracy,
        "right": right,
        "images": total,
        "test_images": len(run.done),
        "recorded_accuracy": recorded,
        "same_data": same_data,
        "right_by_class": {
            name: [int(run.right[mine].sum()), int(mine.sum())]
            for label, name in enumerate(graph.classes)
            for mine in [run.dataset.test_labels[run.chosen] == label]
        },
        "probes": {"images": len(probes), "differing_logits": differing},
        "rtl": rtl,
        "images_per_second": fresh / run.seconds if fresh else None,
        "seconds": round(run.seconds, 2),
        "resumed_images": run.resumed,
        "jobs": jobs,
        "machine": platform.machine(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "data_sha256": run.dataset.sha256,
        "logits": str(folder / "logits.npz"),
    }
    write_atomic(folder / "logits.npz", lambda file: np.savez(file, indices=run.chosen, logits=run.logits[run.chosen]))
    write_json(folder / "result.json", result)
    run.finish()
    return tell(result, folder)


def tell(result: dict[str, Any], folder: Path) -> int:
    """Print what the result says; returns the exit status."""
    speed = result["images_per_second"]
    timing = "" if speed is None else f", {speed:.0f} images/s"
    print(f"{result['net']}: {result['accuracy']:.2%} ({result['right']} of {result['images']}) in integers{timing}")
    probes = result["probes"]
    if probes["differing_logits"]:
        print(
            f"error: {probes['differing_logits']} logits of {probes['images']} images are not the plain execution's; "
            "this is a defect, or of this machine's BLAS: please report it",
            file=sys.stderr,
        )
    rtl = result["rtl"]
    if rtl and rtl["passed"]:
        speed_told = f"{rtl['cycles']:,} cycles, {rtl['cycles_per_second']:,.0f} a second"
        print(f"  RTL: every activation and logit of {len(rtl['images'])} images equal ({speed_told})")
    elif rtl:
        print(f"error: on the RTL: {rtl['error'] or 'logits differ'}", file=sys.stderr)
    told = probes["differing_logits"] or (rtl and not rtl["passed"])  # above; a verdict on the accuracy has to wait
    if not told and result["passed"] is None:
        if result["recorded_accuracy"] is None:
            print("  not compared: the graph states no accuracy")
        else:
            reason = "not all of them" if result["same_data"] else "other data"
            print(f"  not compared with the accuracy in the graph ({result['recorded_accuracy']}): {reason}")
    elif not told and not result["passed"]:
        print(f"error: the graph states an accuracy of {result['recorded_accuracy']:.4%}", file=sys.stderr)
    verdict = {True: "PASS", False: "FAIL", None: "DONE"}[result["passed"]]
    print(f"{verdict}  {folder / 'result.json'}", flush=True)
    return 1 if result["passed"] is False else 0


if __name__ == "__main__":
    sys.exit(main())
