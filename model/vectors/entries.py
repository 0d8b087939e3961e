"""The entries of a manifest: small frozen dataclasses whose fields are the JSON keys, each checked when built."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from model.errors import LockstepError
from model.numeric.formats import IntFormat
from model.numeric.power import PowerFormat
from model.numeric.weights import WeightFormat

FIRST_WORDS = ("high", "low")
WEIGHT_LINES = ("column", "row", "column_even_odd", "column_odd_even")
BIT_LIMITS = {"act": (1, 16), "wgt": (2, 16), "psum": (2, 62), "acc": (1, 32)}
MOST = {"rows": 1024, "cols": 1024, "channels": 65536, "kernel": 64, "stride": 64, "map": 4096}


def require(true: bool, message: str) -> None:
    """Raise LockstepError(message) unless `true`."""
    if not true:
        raise LockstepError(message)


def require_digests(sha256: Mapping[str, str], files: Collection[str]) -> None:
    """Raise LockstepError unless every entry of `sha256` is a digest of one of `files`, the names of a set's files."""
    for name, digest in sha256.items():
        require(name in files, f"sha256 names {name!r}, which is no file of the set")
        whole = re.fullmatch("[0-9a-f]{64}", digest) is not None
        require(whole, f"sha256[{name!r}] is {digest[:20]!r}; expected 64 hexadecimal digits")


@dataclass(frozen=True)
class ArraySize:
    """Rows (input channels of a tile) and columns (output channels of a tile)."""

    rows: int
    cols: int

    def __post_init__(self) -> None:
        for name, value in (("rows", self.rows), ("cols", self.cols)):
            require(1 <= value <= MOST[name], f"array.{name} is {value}; expected 1..{MOST[name]}")


@dataclass(frozen=True)
class Powers:
    """Weights that are powers of two, as `PowerFormat` has them."""

    exponents: int
    zero: bool
    step: int


@dataclass(frozen=True)
class Bits:
    """Widths of the words; where the maker promises narrower limits, the least weight and the greatest activation.

    With `wgt_power` the words of weights are patterns of powers of two, else two's complement.
    """

    act: int
    wgt: int
    psum: int
    acc: int
    wgt_min: int | None = None
    act_max: int | None = None
    wgt_power: Powers | None = None

    def __post_init__(self) -> None:
        for name, (least, most) in BIT_LIMITS.items():
            value = getattr(self, name)
            require(least <= value <= most, f"bits.{name} is {value}; expected {least}..{most}")
        least, most = -(1 << (self.wgt - 1)), (1 << self.act) - 1
        require(
            self.wgt_min is None or least <= self.wgt_min <= 0, f"bits.wgt_min is {self.wgt_min}; expected {least}..0"
        )
        require(
            self.act_max is None or 1 <= self.act_max <= most, f"bits.act_max is {self.act_max}; expected 1..{most}"
        )
        if self.wgt_power is not None:
            require(self.wgt_min is None, "bits.wgt_min is given beside bits.wgt_power; expected one of them")
            need = self.weights.bits
            require(self.wgt == need, f"bits.wgt is {self.wgt}; expected {need}, a pattern of bits.wgt_power")

    @property
    def greatest_act(self) -> int:
        """The greatest activation there can be."""
        return (1 << self.act) - 1 if self.act_max is None else self.act_max

    @property
    def weights(self) -> WeightFormat:
        """The format of the weights' words."""
        if self.wgt_power is None:
            return IntFormat(self.wgt, signed=True)
        try:
            return PowerFormat(self.wgt_power.exponents, self.wgt_power.zero, self.wgt_power.step)
        except LockstepError as error:
            raise LockstepError(f"bits.wgt_power: {error}") from error


@dataclass(frozen=True)
class LayerShape:
    """The convolution; pairs are (y, x), `padded_map` is the input map with its zero padding."""

    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padded_map: tuple[int, int]
    out_map: tuple[int, int]

    def __post_init__(self) -> None:
        counts = [("in_channels", self.in_channels), ("out_channels", self.out_channels)]
        for name in ("kernel", "stride", "padded_map", "out_map"):
            counts += [(f"{name}[{axis}]", getattr(self, name)[axis]) for axis in (0, 1)]
        for name, value in counts:
            most = next(limit for kind, limit in MOST.items() if kind in name)
            require(1 <= value <= most, f"layer.{name} is {value}; expected 1..{most}")
        for axis, name in enumerate("yx"):
            kernel, stride, padded = self.kernel[axis], self.stride[axis], self.padded_map[axis]
            require(kernel <= padded, f"layer.kernel is {kernel} along {name}, larger than the padded map's {padded}")
            fits = (padded - kernel) // stride + 1
            told = f"layer.out_map is {self.out_map[axis]} along {name}"
            require(
                self.out_map[axis] == fits,
                f"{told}; expected {fits} (padded map {padded}, kernel {kernel}, stride {stride})",
            )


@dataclass(frozen=True)
class Tiles:
    """Number of tiles of input and of output channels."""

    ic: int
    oc: int


@dataclass(frozen=True)
class ActivationFile:
    """Files of activations: a line is one padded map position, a word one row."""

    pattern: str
    header_lines: int
    first_word: str


@dataclass(frozen=True)
class WeightFile:
    """Files of weights; `line` says what a line is (see WEIGHT_LINES)."""

    pattern: str
    header_lines: int
    first_word: str
    line: str


@dataclass(frozen=True)
class PsumFile:
    """Files of psums: a line is one position, a word one column."""

    pattern: str
    header_lines: int
    first_word: str


@dataclass(frozen=True)
class AccFile:
    """Psum-memory addresses, kernel positions of the first output first; `base` is the address of the first psum."""

    pattern: str
    header_lines: int
    base: int


@dataclass(frozen=True)
class OutFile:
    """Files of accumulated outputs, rectified when `relu`."""

    pattern: str
    header_lines: int
    first_word: str
    relu: bool


@dataclass(frozen=True)
class Files:
    """Which files there are, and how each kind is written."""

    activation: ActivationFile
    weight: WeightFile
    psum: PsumFile | None = None
    acc: AccFile | None = None
    out: tuple[OutFile, ...] = ()
