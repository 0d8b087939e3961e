"""`make train`: train a network, freeze it, and measure the integer graph on the whole test set."""

from __future__ import annotations

import argparse
import os
import sys

from model.errors import LockstepError
from model.typed import whole_number
from scripts.guard import guarded


def optional_number(name: str, text: str | None, example: int = 4) -> int | None:
    """The integer in `text`; None, so the recipe's, for None or nothing."""
    return whole_number(name, text, example) if text else None


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 1 when the frozen graph differs from the network, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--net", default="vgg16", help="vgg16, tiny, micro, residual, separable or signal (%(default)s)"
    )
    parser.add_argument("--wbits", help="weight bits (recipe: 4)")
    parser.add_argument(
        "--format", help="weight format: int2 to int8, pot4, pot2, ternary, level5, pot5 (recipe: int4)"
    )
    parser.add_argument("--abits", help="activation bits (recipe: 4)")
    parser.add_argument(
        "--data",
        help="folder with cifar-10-batches-py, or with train/<class>/* and test/<class>/*; else CIFAR-10 is downloaded",
    )
    parser.add_argument(
        "--start", help="integer graph that takes the float leg's place: a name in the zoo, or a path (recipe)"
    )
    parser.add_argument("--float-epochs", help="epochs of the float leg (default: the recipe's)")
    parser.add_argument("--qat-epochs", help="epochs of the quantization-aware leg (default: the recipe's)")
    parser.add_argument("--seed", help="seed (default: the recipe's)")
    parser.add_argument(
        "--compare", default="256", help="test images of which every code is compared with the network (%(default)s)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    args = parser.parse_args(arguments)
    if args.wbits and args.format:
        raise LockstepError(
            f"WBITS={args.wbits} and FORMAT={args.format} both name the weight format; give one "
            f"(WBITS=4 is short for FORMAT=int4)"
        )
    try:
        changes: dict[str, int | str | None] = {
            "weights": args.format or None,
            "weight_bits": optional_number("WBITS", args.wbits),
            "act_bits": optional_number("ABITS", args.abits),
            "start": args.start or None,
            "seed": optional_number("SEED", args.seed),
            "float_epochs": optional_number("FLOAT_EPOCHS", args.float_epochs),
            "qat_epochs": optional_number("QAT_EPOCHS", args.qat_epochs),
        }
        compare = optional_number("COMPARE", args.compare) or 1
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded: idle threads sleep
        # Imported here: torch takes seconds to load, and until then a wrong argument is told and Ctrl-C ends cleanly.
        from scripts import training

        return training.run(args.net, args.data or None, changes, max(1, compare), args.quiet)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last finished epoch", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
