"""`make benchmark-train`: what a quantization-aware training step costs beside a float one, and where it goes."""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from model.errors import LockstepError
from model.files import write_json
from model.network import recipe as recipes
from model.network.augment import to_input
from model.network.layers import set_quantized, start_quantization
from model.network.nets import Network, build, input_shape
from model.network.train import autocast, make_optimizer, pick_device
from model.typed import whole_number
from scripts.given import given_line
from scripts.guard import guarded

OUT = Path("build/benchmark-train")
WANTED = 1.25  # times a float step, at most
KINDS = {  # what an operator's name begins with, by what it is for
    "convolutions": ("aten::convolution", "aten::mkldnn_conv", "aten::cudnn_conv", "aten::mm", "aten::addmm"),
    "BatchNorm": ("aten::native_batch_norm", "aten::cudnn_batch_norm"),
    "quantizers": (
        "_Weight",
        "_Codes",
        "_ScaledGradient",
        "aten::hardtanh",
        "aten::floor",
        "aten::clamp_",
        "aten::sum",
    ),
    "optimizer": ("Optimizer.step", "aten::_fused"),
}


def step_of(network: Network, pixels: torch.Tensor, labels: torch.Tensor, device: torch.device) -> Callable[[], None]:
    """A whole training step: forward, backward, optimizer."""
    optimizer = make_optimizer(network, recipes.Leg(1, 1e-3, 0.0, 5e-4))

    def step() -> None:
        with autocast(device):
            logits = network(to_input(pixels))
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]  # untyped in torch
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def seconds_of(step: Callable[[], None]) -> float:
    """Wall-clock seconds of one step."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def milliseconds_by_kind(step: Callable[[], None]) -> dict[str, float]:
    """Milliseconds of one step by what they are spent on, from torch's profiler."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])
    with profile(activities=activities) as taken:
        step()
    spent = dict.fromkeys([*KINDS, "other"], 0.0)
    for event in taken.key_averages():
        own = event.self_device_time_total if torch.cuda.is_available() else event.self_cpu_time_total
        kind = next((kind for kind, names in KINDS.items() if event.key.startswith(names)), "other")
        spent[kind] += own / 1000
    return {kind: round(value, 2) for kind, value in spent.items()}


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when a QAT step costs more than is wanted, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="vgg16", help="network (%(default)s)")
    parser.add_argument("--n", default="20", help="steps of each kind, taken in turns (%(default)s)")
    parser.add_argument("--out", default=str(OUT), help="folder for the result (%(default)s)")
    args = parser.parse_args(arguments)
    count = whole_number("N", args.n, 20)
    if not 3 <= count <= 10000:
        raise LockstepError(f"N={count}; expected 3..10000 steps")
    recipe = recipes.load(args.net)
    (Path(args.out) / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
    device = pick_device()
    generator = torch.Generator().manual_seed(1)
    shape = input_shape(recipe.network)
    pixels = torch.randint(256, (recipe.batch, *shape), generator=generator, dtype=torch.uint8).to(device)
    labels = torch.randint(10, (recipe.batch,), generator=generator).to(device)
    network = build(recipe.network, 10, recipe.weight_format, recipe.act_bits, recipe.seed)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
    quantized = copy.deepcopy(network).eval()
    start_quantization(quantized, to_input(pixels))
    set_quantized(network, False)
    steps = {
        "float": step_of(network.train(), pixels, labels, device),
        "qat": step_of(quantized.train(), pixels, labels, device),
    }
    taken: dict[str, list[float]] = {"float": [], "qat": []}
    for turn in range(count + 2):
        for name, step in steps.items():
            seconds = seconds_of(step)
            if turn >= 2:  # the first ones choose algorithms and take memory
                taken[name].append(seconds)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    ratios = [qat / floating for floating, qat in zip(taken["float"], taken["qat"], strict=True)]
    kinds = {name: milliseconds_by_kind(step) for name, step in steps.items()}
    ratio = statistics.median(ratios)
    result: dict[str, Any] = {
        "passed": ratio <= WANTED,
        "make": given_line("benchmark-train", parser, args),
        "net": args.net,
        "batch": recipe.batch,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "steps": count,
        "seconds_per_step": {name: round(value, 5) for name, value in medians.items()},
        "images_per_second": {name: round(recipe.batch / value, 1) for name, value in medians.items()},
        "ratio": round(ratio, 3),
        "wanted": WANTED,
        "milliseconds_by_kind": kinds,
    }
    write_json(Path(args.out) / "result.json", result)
    print(f"{'':<14} {'float':>10} {'qat':>10}   ms a step of {recipe.batch} images on {device}")
    for kind in kinds["float"]:
        print(f"{kind:<14} {kinds['float'][kind]:>10.1f} {kinds['qat'][kind]:>10.1f}")
    print(f"{'whole step':<14} {1e3 * medians['float']:>10.1f} {1e3 * medians['qat']:>10.1f}   medians of {count}")
    print(f"a QAT step takes {ratio:.2f} times a float step; wanted {WANTED} at most")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
