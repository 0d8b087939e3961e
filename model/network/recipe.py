"""A training recipe: every number that decides the result, from one TOML file per network."""

from __future__ import annotations

import dataclasses
import itertools
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import LockstepError

FOLDER = Path(__file__).resolve().parent / "recipes"
MAX_SEED = (1 << 31) - 1  # a generator is seeded with seed << 32 plus leg and epoch, in 64 bits


@dataclass(frozen=True)
class Leg:
    """One leg of the training: float, or quantization-aware (`qat`).

    Parameters
    ----------
    epochs : int, 0 or more
    peak_rate : float
        Learning rate at its top: it rises for the share `warm_up` of the leg's steps, then falls to zero at the end.
    warm_up : float in [0, 1)
    weight_decay : float
        On convolution and linear weights only.
    knots : tuple of (share, rate)
        Points that the fall passes through, in order: after `share` of the steps the learning rate is `rate`, linear
        in between. Without any, it is one straight line.

    Raises
    ------
    LockstepError
        For a number outside these ranges.
    """

    epochs: int
    peak_rate: float
    warm_up: float
    weight_decay: float
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "knots", tuple((float(share), float(rate)) for share, rate in self.knots))
        _require(self.epochs >= 0, f"{self.epochs} epochs", "0 or more")
        _require(self.peak_rate > 0, f"peak_rate {self.peak_rate}", "more than 0")
        _require(0 <= self.warm_up < 1, f"warm_up {self.warm_up}", "0 or more and less than 1")
        _require(self.weight_decay >= 0, f"weight_decay {self.weight_decay}", "0 or more")
        shares = [self.warm_up, *(share for share, _ in self.knots), 1.0]
        _require(
            all(before < after for before, after in itertools.pairwise(shares)) and all(r >= 0 for _, r in self.knots),
            f"knots {[list(knot) for knot in self.knots]}",
            f"[share, rate] pairs, shares rising between warm_up {self.warm_up} and 1, rates 0 or more",
        )

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step `step` of `steps`: a function of the position alone, so a resumed run has the same."""
        rise = self.warm_up * steps
        if step < rise:
            return self.peak_rate * ((step + 1) / (rise + 1))
        start, rate = rise, self.peak_rate
        for end, after in [*((share * steps, rate) for share, rate in self.knots), (float(steps), 0.0)]:
            if step <= end:
                return after + (rate - after) * ((end - step) / (end - start))
            start, rate = end, after
        return 0.0


@dataclass(frozen=True)
class Recipe:
    """How to train one network; see the comments in the TOML files.

    Raises
    ------
    LockstepError
        For an impossible number.
    """

    batch: int
    seed: int
    label_smoothing: float
    crop: int
    flip: bool
    evaluate_every: int
    float: Leg
    qat: Leg
    weight_bits: int = 4
    act_bits: int = 4

    def __post_init__(self) -> None:
        _require(self.batch >= 2, f"batch {self.batch}", "2 or more")
        _require(0 <= self.seed <= MAX_SEED, f"SEED={self.seed}", f"0..{MAX_SEED}")
        _require(0 <= self.label_smoothing < 1, f"label_smoothing {self.label_smoothing}", "0 or more, less than 1")
        _require(self.crop >= 0, f"crop {self.crop}", "0 or more")
        _require(self.evaluate_every >= 1, f"evaluate_every {self.evaluate_every}", "1 or more")
        _require(self.qat.epochs >= 1, f"QAT_EPOCHS={self.qat.epochs}", "1 or more, or there is nothing to freeze")
        check_bits(self.weight_bits, self.act_bits)

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        described: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return described


def check_bits(weight_bits: int, act_bits: int) -> None:
    """Raise LockstepError unless weights and activations of these widths can be trained and frozen: 2..8 bits."""
    for what, bits in (("WBITS", weight_bits), ("ABITS", act_bits)):
        _require(2 <= bits <= 8, f"{what}={bits}", "2..8")


def _require(holds: bool, what: str, expected: str) -> None:
    if not holds:
        raise LockstepError(f"{what} is impossible; expected {expected}")


def load(net: str, **changes: int | None) -> Recipe:
    """The recipe of network `net`.

    Parameters
    ----------
    net : str
    **changes
        Fields of Recipe, or ``float_epochs`` and ``qat_epochs``; None leaves the file's value.

    Raises
    ------
    LockstepError
        When there is no such recipe, or a value is missing, unknown or impossible.
    """
    known = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if net not in known:
        raise LockstepError(f"no network {net!r}; expected one of {', '.join(known)}")
    path = FOLDER / f"{net}.toml"
    try:
        content = tomllib.loads(path.read_text())
        for leg in ("float", "qat"):
            if (epochs := changes.pop(f"{leg}_epochs", None)) is not None:
                content[leg]["epochs"] = epochs
        content |= {key: value for key, value in changes.items() if value is not None}
        return Recipe(**content | {leg: Leg(**content[leg]) for leg in ("float", "qat")})
    except (TypeError, KeyError, ValueError) as error:
        raise LockstepError(f"{path.name}: {error}") from error
