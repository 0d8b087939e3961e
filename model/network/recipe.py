"""A training recipe: every number that decides the result, from one TOML file per network."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import LockstepError

FOLDER = Path(__file__).resolve().parent / "recipes"


@dataclass(frozen=True)
class Leg:
    """One leg of the training: float, or quantization-aware (`qat`).

    Parameters
    ----------
    epochs : int, 0 or more
    peak_rate : float
        Learning rate at the top of a triangle over the leg's steps that rises for the share `warm_up` and then falls to zero.
    warm_up : float in [0, 1)
    weight_decay : float
        On convolution and linear weights only.
    """

    epochs: int
    peak_rate: float
    warm_up: float
    weight_decay: float

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.peak_rate <= 0 or not 0 <= self.warm_up < 1 or self.weight_decay < 0:
            raise LockstepError(f"a leg of {self} is impossible; expected epochs >= 0, peak_rate > 0, 0 <= warm_up < 1, weight_decay >= 0")

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step `step` of `steps`: a function of the position alone, so that a resumed run has the same."""
        rise = self.warm_up * steps
        return self.peak_rate * ((step + 1) / (rise + 1) if step < rise else (steps - step) / (steps - rise))


@dataclass(frozen=True)
class Recipe:
    """How to train one network; see the comments in the TOML files."""

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
        if self.batch < 2 or self.crop < 0 or not 0 <= self.label_smoothing < 1 or self.evaluate_every < 1:
            raise LockstepError("impossible recipe; expected batch >= 2, crop >= 0, 0 <= label_smoothing < 1, evaluate_every >= 1")
        if self.qat.epochs < 1:
            raise LockstepError("a recipe without QAT epochs has nothing to freeze; expected at least 1")

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)


def load(net: str, **changes: int | None) -> Recipe:
    """The recipe of network `net`, with `changes` (fields of Recipe, or ``float_epochs`` and ``qat_epochs``; None leaves as is).

    Raises
    ------
    LockstepError
        When there is no such recipe, or a value is missing, unknown or impossible.
    """
    path = FOLDER / f"{net}.toml"
    if not path.is_file():
        raise LockstepError(f"no network {net!r}; expected one of {', '.join(sorted(p.stem for p in FOLDER.glob('*.toml')))}")
    content = tomllib.loads(path.read_text())
    for leg in ("float", "qat"):
        if (epochs := changes.pop(f"{leg}_epochs", None)) is not None:
            content[leg]["epochs"] = epochs
    content |= {key: value for key, value in changes.items() if value is not None}
    try:
        return Recipe(**content | {leg: Leg(**content[leg]) for leg in ("float", "qat")})
    except TypeError as error:
        raise LockstepError(f"{path.name}: {error}") from error
