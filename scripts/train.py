"""`make train`: train a network, freeze it, and measure the integer graph on the whole test set."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

from model.dataset import CIFAR_FOLDER, Dataset, load_digits, load_folder
from model.errors import LockstepError
from model.files import write_json
from model.golden import execute
from model.graph import storage
from model.network import recipe as recipes
from model.network.freeze import exact_codes, freeze
from model.network.nets import PLANS, build
from model.network.quantize import set_quantized
from model.network.train import Trainer

BUILD = Path("build")


def load_data(net: str, data: str | None) -> Dataset:
    """The data set of `net`: the bundled digits, the folder `data`, or CIFAR-10 downloaded by torchvision."""
    if net == "tiny":
        if data:
            raise LockstepError("NET=tiny trains on scikit-learn's bundled digits; leave DATA out")
        return load_digits()
    if data is None:
        from torchvision.datasets import CIFAR10

        folder = BUILD / "data"
        try:
            for train in (True, False):
                CIFAR10(str(folder), train=train, download=True)
        except Exception as error:  # whatever the network raises
            raise LockstepError(
                f"cannot download CIFAR-10 ({type(error).__name__}: {error}); "
                f"give a folder you have: DATA=<folder> with {CIFAR_FOLDER}, or train/<class>/* and test/<class>/*"
            ) from error
        return load_folder(folder / CIFAR_FOLDER, PLANS[net][0])
    return load_folder(Path(data), PLANS[net][0], cache=BUILD / "cache")


def measure(trainer: Trainer, dataset: Dataset, net: str, run: str, recipe: recipes.Recipe, images: int) -> dict[str, object]:
    """Freeze the trained network, compare it with the fake-quant one, measure its integer accuracy; writes the graph and returns the result."""
    meta = {"recipe": recipe.describe(), "data_sha256": dataset.sha256, "torch": torch.__version__}
    graph = freeze(trainer.network, run, dataset.classes, meta)
    print("integer accuracy over the whole test set ...", flush=True)
    started = time.monotonic()
    logits = execute.logits(graph, dataset.test_pixels)
    seconds = time.monotonic() - started
    right = int((logits.argmax(axis=1) == dataset.test_labels).sum())
    print(f"fake-quant against integers, every code of every layer, {min(images, len(dataset.test_pixels))} images ...", flush=True)
    compared = differing = fake_right = 0
    subset = dataset.test_pixels[:images]
    for start in range(0, len(subset), 64):
        pixels = subset[start : start + 64]
        codes, fake_logits = exact_codes(trainer.network, pixels)
        fake_right += int((fake_logits.argmax(axis=1) == dataset.test_labels[start : start + 64][: len(pixels)]).sum())
        for layer, _, result in execute.activations(graph, pixels):
            if layer.out is not None:
                compared += result.size
                differing += int((codes[layer.name] != result).sum())
    accuracy = right / len(logits)
    meta |= {"integer_accuracy": accuracy, "test_images": len(logits)}
    graph = freeze(trainer.network, run, dataset.classes, meta)
    path = BUILD / "train" / run / f"{run}{storage.SUFFIX}"
    storage.save(graph, path)
    fake = trainer.evaluate()
    if differing:
        raise LockstepError(f"the frozen graph differs from the fake-quant network in {differing} of {compared} codes; this is a defect of freeze, please report it")
    return {
        "net": net,
        "run": run,
        "integer_accuracy": accuracy,
        "fake_quant_accuracy": fake,
        "fake_quant_accuracy_float64": {"images": len(subset), "accuracy": fake_right / len(subset)},
        "float_accuracy": trainer.progress.accuracy.get("float"),
        "test_images": len(logits),
        "integer_images_per_second": len(logits) / seconds,
        "codes_compared": compared,
        "codes_differing": differing,
        "graph": str(path),
        "graph_sha256": graph.sha256,
        "training_seconds": trainer.progress.seconds,
        "device": str(trainer.device),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "recipe": recipe.describe(),
        "data_sha256": dataset.sha256,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="vgg16", help="network: %(default)s or tiny")
    parser.add_argument("--wbits", type=int, help="weight bits (recipe: 4)")
    parser.add_argument("--abits", type=int, help="activation bits (recipe: 4)")
    parser.add_argument("--data", help=f"folder with {CIFAR_FOLDER}, or train/<class>/* and test/<class>/*; else CIFAR-10 is downloaded")
    parser.add_argument("--float-epochs", type=int, help="epochs of the float leg (default: the recipe's)")
    parser.add_argument("--qat-epochs", type=int, help="epochs of the QAT leg (default: the recipe's)")
    parser.add_argument("--seed", type=int, help="seed (default: the recipe's)")
    parser.add_argument("--compare", type=int, default=256, help="test images whose every code is compared with the fake-quant network's")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    args = parser.parse_args(arguments)
    try:
        recipe = recipes.load(
            args.net, weight_bits=args.wbits, act_bits=args.abits, seed=args.seed, float_epochs=args.float_epochs, qat_epochs=args.qat_epochs
        )
        bits = (recipe.weight_bits, recipe.act_bits)
        run = args.net if bits == (4, 4) else f"{args.net}_w{bits[0]}a{bits[1]}"
        network = build(args.net, 10, *bits, seed=recipe.seed)
        dataset = load_data(args.net, args.data)
        trainer = Trainer(network, dataset, recipe, BUILD / "train" / run, args.quiet)
        trainer.run()
        set_quantized(trainer.network, True)
        result = measure(trainer, dataset, args.net, run, recipe, args.compare)
    except LockstepError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from the last finished epoch", file=sys.stderr)
        return 130
    write_json(BUILD / "train" / run / "result.json", result)
    float_accuracy = result["float_accuracy"]
    print(f"{run}: float {float_accuracy:.2%}, " if isinstance(float_accuracy, float) else f"{run}: ", end="")
    print(f"fake-quant {result['fake_quant_accuracy']:.2%}, integers only {result['integer_accuracy']:.2%} of {result['test_images']} test images")
    print(f"{result['codes_compared']} codes compared with the fake-quant network, {result['codes_differing']} differ")
    print(f"graph {result['graph']}  sha256 {str(result['graph_sha256'])[:16]}...")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(main())
