"""The run behind `make train`: data, training, freeze, measurement, and what is written of it."""

from __future__ import annotations

import dataclasses
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.dataset import DIGITS_SHAPES, Dataset
from model.errors import LockstepError
from model.files import alone, remove_parts, write_atomic, write_json
from model.golden import execute
from model.golden.evaluate import Executor
from model.graph import storage
from model.graph.graph import IntegerGraph
from model.network import recipe as recipes
from model.network.freeze import exact_codes, freeze, logit_resolution
from model.network.nets import Network, build, input_shape
from model.network.processes import first_before_the_others, joined, process_count, process_index
from model.network.train import Trainer
from scripts.cards import SUFFIX, card
from scripts.datasets import load_data
from scripts.local_data import BUILD
from scripts.reporting.results import make_line

Array = np.ndarray[Any, Any]


def training_data(net: str, data: str | None) -> Dataset:
    """The data set that NET and DATA mean, as `scripts.datasets.load_data`; small nets have the digits alone."""
    if input_shape(net) in DIGITS_SHAPES and data is not None:
        raise LockstepError(f"NET={net} trains on scikit-learn's bundled digits; leave DATA out")
    return load_data(input_shape(net), data)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Frozen graph against fake-quant network in float64: counts over the images compared."""

    images: int
    codes: int
    differing_codes: int
    logits: int
    differing_logits: int
    differing_classes: int
    fake_quant_right: int


def compare(network: Network, graph: IntegerGraph, pixels: Array, labels: Array) -> Comparison:
    """Every code of every convolution for `pixels`, every logit and the class: the graph against its network.

    Logits are rounded to integers: one differs when it is further from the exact one than rounding can take it.
    """
    codes = differing = logits = differing_logits = classes = right = 0
    step, error = logit_resolution(network, graph)
    for start in range(0, len(pixels), 64):
        batch, batch_labels = pixels[start : start + 64], labels[start : start + 64]
        expected, fake_logits = exact_codes(network, batch)
        fake_classes = fake_logits.argmax(axis=1)
        right += int((fake_classes == batch_labels).sum())
        for layer, _, result in execute.activations(graph, batch):
            if layer.out is None:
                logits += fake_logits.size
                distance = np.abs(result[:, :, 0, 0] - fake_logits / step)
                differing_logits += int((distance > error * (1 + 1e-6)).sum())
                classes += int((result[:, :, 0, 0].argmax(axis=1) != fake_classes).sum())
            else:
                codes += result.size
                differing += int((expected[layer.name] != result).sum())
    return Comparison(len(pixels), codes, differing, logits, differing_logits, classes, right)


def run(net: str, data: str | None, changes: Mapping[str, int | str | None], images: int, quiet: bool) -> int:
    """Train, or go on training, then freeze and measure.

    Parameters
    ----------
    net, data : as on the make line; `data` None for the network's own set
    changes : fields of the recipe to change, as `model.network.recipe.load` takes them
    images : int
        Test images of which every code is compared with the network's.
    quiet : bool
        No progress bar.

    Returns
    -------
    int
        0; 1 when the frozen graph differs from the network, and then nothing is written beside the checkpoint.

    Raises
    ------
    LockstepError
        For bad input.
    """
    recipe = recipes.load(net, **changes)
    with joined():
        return _run(recipe, data, images, quiet)


def _run(recipe: recipes.Recipe, data: str | None, images: int, quiet: bool) -> int:
    net, name = recipe.network, recipe.run_name
    first = process_index() == 0
    dataset = first_before_the_others(lambda: training_data(net, data))  # it may have to be downloaded, or cached
    folder = BUILD / "train" / name
    graphs = {each: storage.load(storage.find(each)) for each in {recipe.start, *recipe.teachers} if each}
    start, teachers = graphs.get(recipe.start), [graphs[each] for each in recipe.teachers]
    recipe = dataclasses.replace(
        recipe,
        start_sha256=start.sha256 if start else "",
        teachers_sha256=tuple(each.sha256 for each in teachers),
    )
    with alone(folder.parent / f".{name}.lock", f"another run of {name}") if first else nullcontext():
        network = build(net, len(dataset.classes), recipe.weight_format, recipe.act_bits, seed=recipe.seed)
        trainer = Trainer(network, dataset, recipe, folder, folder.parent, quiet, start, teachers)
        if first:
            remove_parts(folder)
        trainer.run()
        return measure(trainer, dataset, net, name, images) if first else 0


def make_line_of(recipe: recipes.Recipe) -> str:
    """The make line that trains by `recipe`: seed and epochs in any case, those in the tree may be others by now."""
    values: dict[str, object] = {
        "NET": recipe.net,
        "FORMAT": recipe.weights,
        "WBITS": "" if recipe.weights or recipe.weight_bits == 4 else recipe.weight_bits,
        "ABITS": "" if recipe.act_bits == 4 else recipe.act_bits,
        "START": recipe.start,
        "SEED": recipe.seed,
        "FLOAT_EPOCHS": recipe.float.epochs,
        "QAT_EPOCHS": recipe.qat.epochs,
    }
    return make_line("train", values)


def tell(result: Mapping[str, Any], paths: Iterable[Path]) -> None:
    """Write `result` to each path: the run's own file, and the one of all runs, which has the last."""
    for path in paths:
        write_json(path, result)


def measure(trainer: Trainer, dataset: Dataset, net: str, name: str, images: int) -> int:
    """Freeze the trained network, compare, measure, write graph and result; returns the exit status."""
    meta: dict[str, Any] = {
        "recipe": trainer.recipe.describe(),
        "data": dataset.source,
        "data_sha256": dataset.sha256,
        "torch": torch.__version__,
    }
    line = make_line_of(trainer.recipe)
    results = [folder / "result.json" for folder in (trainer.folder, trainer.folder.parent)]
    path, card_path = (trainer.folder / f"{name}{suffix}" for suffix in (storage.SUFFIX, SUFFIX))
    for result in results:
        result.unlink(missing_ok=True)
    graph = freeze(trainer.network, name, dataset.classes, meta)
    print("frozen; comparing every code of every layer with the fake-quant network ...", flush=True)
    same = compare(trainer.network, graph, dataset.test_pixels[:images], dataset.test_labels[:images])
    if same.differing_codes or same.differing_logits:
        for stale in (path, card_path):
            stale.unlink(missing_ok=True)
        print(
            f"error: the frozen graph differs from the network in {same.differing_codes} of {same.codes} codes and "
            f"{same.differing_logits} of {same.logits} logits; this is a defect of the freeze, please report it with "
            "the checkpoint",
            file=sys.stderr,
        )
        tell({"passed": False, "make": line, "net": net, "run": name, **dataclasses.asdict(same)}, results)
        return 1
    print("integer accuracy over the whole test set ...", flush=True)
    started = time.monotonic()
    logits = Executor(graph).logits(dataset.test_pixels)
    seconds = time.monotonic() - started
    accuracy = int((logits.argmax(axis=1) == dataset.test_labels).sum()) / len(logits)
    fake_quant = trainer.progress.accuracy["qat"]
    floating = trainer.progress.accuracy.get("float")
    meta |= {"integer_accuracy": accuracy, "test_images": len(logits)}
    meta |= {"fake_quant_accuracy": fake_quant, "float_accuracy": floating}
    graph = dataclasses.replace(graph, meta=meta)
    storage.save(graph, path)
    write_atomic(card_path, card(graph))
    tell(
        {
            "passed": True,
            "make": line,
            "net": net,
            "run": name,
            "integer_accuracy": accuracy,
            "fake_quant_accuracy": fake_quant,
            "fake_quant_accuracy_float64": {"images": same.images, "accuracy": same.fake_quant_right / same.images},
            "float_accuracy": floating,
            "test_images": len(logits),
            "integer_images_per_second": len(logits) / seconds,
            "codes_compared": same.codes,
            "codes_differing": same.differing_codes,
            "logits_compared": same.logits,
            "logits_differing": same.differing_logits,
            "classes_differing": same.differing_classes,
            "graph": str(path),
            "graph_sha256": graph.sha256,
            "training_seconds": sum(trainer.progress.seconds.values()),
            "training_seconds_by_leg": trainer.progress.seconds,
            "device": str(trainer.device),
            "processes": process_count(),
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
            "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
            "recipe": trainer.recipe.describe(),
            "data": dataset.source,
            "data_sha256": dataset.sha256,
        },
        results,
    )
    told = "" if floating is None else f"float {floating:.2%}, "
    print(f"{name}: {told}fake-quant {fake_quant:.2%}, integers only {accuracy:.2%} of {len(logits)} test images")
    print(
        f"{same.codes} codes and {same.logits} logits of {same.images} images compared with the fake-quant network, "
        "0 differ"
    )
    print(f"graph {path}  sha256 {graph.sha256[:16]}...")
    return 0
