"""The integer graph as frozen dataclasses, checked when built.

A graph is a list of layers in order of execution. Each layer is a convolution over the codes of the layers that it
takes (one after another along the channels), a requantization per output channel and, where asked, max pooling:

    p[o, y, x] = sum_{i, ky, kx} w[o, i, ky, kx] * a[g(o, i), y*sy + ky - py, x*sx + kx - px]   (zero outside the map)
    c[o, y, x] = clamp((p * M[o] + B[o]) >> S, 0, a_max)       or, for logits, the same without a clamp

with g(o, i) the i-th input channel of o's group. One rule serves them all: a linear layer is the convolution whose
kernel is the whole map; `model.graph.kinds` makes residual adds and average pooling of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.graph.wiring import Wiring, check_groups, wire
from model.numeric.fixed import requantization_reach
from model.numeric.formats import IntFormat, signed_bits_for
from model.numeric.sums import sum_limits
from model.numeric.weights import WeightFormat

Array = np.ndarray[Any, Any]
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")  # of a graph or a layer: both become folders
MAX_SHIFT = 40
WIDE_BITS = 32  # logits are this wide: requantized, not clamped


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of the integer graph.

    Parameters
    ----------
    name : str
        The torch module's name, e.g. ``features.27``.
    weight : array (out_channels, in_channels / groups, kernel_y, kernel_x) of `wgt.dtype`, read-only after construction
        Values, not patterns: a power of two is itself.
    wgt : IntFormat or PowerFormat
        Format of the weights.
    act : IntFormat
        Format of the input activation codes.
    multiplier, bias : int64 arrays (out_channels,)
        M and B of the requantization; rounding (half up) is part of B.
    shift : int
        S, 0..40.
    out : IntFormat or None
        Format of the output codes; None for logits (wide, not clamped).
    stride, padding : (int, int)
        Along y and x. Padding is code 0.
    pool : int
        Side and stride of max pooling on the output codes; 1 for none.
    groups : int
        Output channels and every map taken fall into so many equal parts; part g of the output sees part g of each map.
    inputs : tuple of str
        Names of the layers taken; empty for the layer before, or for the graph's input.

    Raises
    ------
    LockstepError
        When shapes, codes or numbers are impossible.
    """

    name: str
    weight: Array
    wgt: WeightFormat
    act: IntFormat
    multiplier: Array
    bias: Array
    shift: int
    out: IntFormat | None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    pool: int = 1
    groups: int = 1
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"layer {self.name}"
        _check_name("layer", self.name)
        if not self.wgt.signed or self.wgt.bits > 8 or self.act.signed or self.act.bits > 8:
            raise LockstepError(f"{where}: weights must be signed, activations unsigned, both of at most 8 bits")
        dtype = np.dtype(self.wgt.dtype)
        if self.weight.ndim != 4 or 0 in self.weight.shape or self.weight.dtype != dtype:
            raise LockstepError(
                f"{where}: weight is {self.weight.dtype}{self.weight.shape}; expected {dtype} (out, in, ky, kx)"
            )
        if self.out is not None and (self.out.signed or self.out.bits > 8):
            raise LockstepError(f"{where}: output codes must be unsigned, of at most 8 bits")
        self.wgt.check(self.weight, f"{where} weight")
        for what, array in (("multiplier", self.multiplier), ("bias", self.bias)):
            if array.shape != (self.out_channels,) or array.dtype != np.int64:
                raise LockstepError(
                    f"{where}: {what} is {array.dtype}{array.shape}; expected int64 ({self.out_channels},)"
                )
        if not 0 <= self.shift <= MAX_SHIFT:
            raise LockstepError(f"{where}: shift {self.shift} is outside 0..{MAX_SHIFT}")
        if min(self.stride) < 1 or min(self.padding) < 0 or self.pool < 1:
            raise LockstepError(
                f"{where}: stride {self.stride}, padding {self.padding}, pool {self.pool} are impossible"
            )
        if self.out is None and self.pool > 1:
            raise LockstepError(f"{where}: logits cannot be pooled; expected pool 1")
        if self.padding[0] >= self.kernel[0] or self.padding[1] >= self.kernel[1]:
            raise LockstepError(
                f"{where}: padding {self.padding} is not smaller than the kernel {self.kernel}: an output of zeros only"
            )
        check_groups(self)
        low, high = self.psum_range
        most = requantization_reach(max(-low, high), self.multiplier, self.bias)
        if signed_bits_for(-most, most) > 63:
            raise LockstepError(f"{where}: p*M + B may need {signed_bits_for(-most, most)} bits; expected at most 63")
        reach = [int(v) * int(m) + int(b) for v in (low, high) for m, b in zip(self.multiplier, self.bias, strict=True)]
        if self.out is None and signed_bits_for(min(reach) >> self.shift, max(reach) >> self.shift) > WIDE_BITS:
            raise LockstepError(f"{where}: its logits do not fit {WIDE_BITS} bits; raise the shift {self.shift}")
        for array in (self.weight, self.multiplier, self.bias):
            array.setflags(write=False)

    @property
    def out_channels(self) -> int:
        """Number of output channels."""
        return int(self.weight.shape[0])

    @property
    def in_channels(self) -> int:
        """Number of input channels."""
        return int(self.weight.shape[1]) * self.groups

    @cached_property
    def group_channels(self) -> Array:
        """The input channels that each group sees: int64 (groups, in_channels / groups)."""
        if self.groups == 1:
            return np.arange(self.in_channels)[None]
        maps = max(1, len(self.inputs))
        every = np.arange(self.in_channels).reshape(maps, self.groups, -1)  # (map, group, channel of the part)
        return np.ascontiguousarray(every.transpose(1, 0, 2).reshape(self.groups, -1))  # (group, map * channel)

    @cached_property
    def dense(self) -> Array:
        """The weight as if there were no groups, zeros between them: (out_channels, in_channels, ky, kx)."""
        if self.groups == 1:
            return self.weight
        full = np.zeros((self.out_channels, self.in_channels, *self.kernel), self.weight.dtype)
        outs = np.arange(self.out_channels).reshape(self.groups, -1, 1)  # (group, out of it, 1)
        full[outs, self.group_channels[:, None]] = self.weight.reshape(self.groups, -1, *self.weight.shape[1:])
        full.setflags(write=False)
        return full

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel size (y, x)."""
        return int(self.weight.shape[2]), int(self.weight.shape[3])

    @cached_property
    def psum_range(self) -> tuple[int, int]:
        """Least and greatest value that any psum, whole or partial, can take, over all channels and all inputs.

        By the bound of `model.numeric.sums`.
        """
        low, high = sum_limits(self.weight, self.act.max)
        return int(low.min()), int(high.max())

    def map_after(self, height: int, width: int, pooled: bool = True) -> tuple[int, int]:
        """Output map (y, x) for an input map of height x width, after pooling unless `pooled` is false.

        Raises
        ------
        LockstepError
            When the kernel or the pooling does not fit.
        """
        (ky, kx), (sy, sx), (py, px) = self.kernel, self.stride, self.padding
        out = (height + 2 * py - ky) // sy + 1, (width + 2 * px - kx) // sx + 1
        if height + 2 * py < ky or width + 2 * px < kx:
            raise LockstepError(
                f"layer {self.name}: a {ky}x{kx} kernel does not fit a padded {height + 2 * py}x{width + 2 * px} map"
            )
        if not pooled or self.pool == 1:
            return out
        if out[0] < self.pool or out[1] < self.pool:
            raise LockstepError(
                f"layer {self.name}: {self.pool}x{self.pool} pooling does not fit a {out[0]}x{out[1]} map"
            )
        return out[0] // self.pool, out[1] // self.pool

    def describe(self) -> dict[str, Any]:
        """All but the arrays, as JSON values."""
        return {
            "name": self.name,
            "shape": list(self.weight.shape),
            "wgt": self.wgt.describe(),
            "act": self.act.describe(),
            "out": None if self.out is None else self.out.describe(),
            "shift": self.shift,
            "stride": list(self.stride),
            "padding": list(self.padding),
            "pool": self.pool,
            **({"groups": self.groups} if self.groups != 1 else {}),
            **({"inputs": list(self.inputs)} if self.inputs else {}),
        }


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise LockstepError(
            f"{what} name {name!r} is not usable as a folder; expected letters, digits, '_', then also '.' and '-'"
        )


@dataclass(frozen=True, eq=False)
class IntegerGraph:
    """A trained network in integers.

    Parameters
    ----------
    name : str
        The network, e.g. ``vgg16``.
    input_shape : (channels, height, width)
    layers : tuple of Layer
        In order of execution; their formats and shapes fit. The last one gives the logits.
    classes : tuple of str
        Class names, in logit order.
    meta : mapping of JSON values
        How it came about (recipe, seed, accuracy); not part of the hash.

    Raises
    ------
    LockstepError
        When layers do not fit each other, or names are impossible.
    """

    name: str
    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    classes: tuple[str, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_name("graph", self.name)
        if not self.layers:
            raise LockstepError(f"graph {self.name} has no layers")
        if len({layer.name for layer in self.layers}) != len(self.layers):
            raise LockstepError(f"graph {self.name} has two layers of one name")
        if min(self.input_shape) < 1:
            raise LockstepError(f"graph {self.name}: input shape {self.input_shape} is impossible")
        channels = wire(self.layers, self.input_shape).after[-1][0]
        if self.layers[-1].out is not None:
            raise LockstepError(f"graph {self.name}: the last layer {self.layers[-1].name} must give logits")
        if len(self.classes) != channels:
            raise LockstepError(f"graph {self.name} has {len(self.classes)} class names for {channels} logits")

    @cached_property
    def wiring(self) -> Wiring:
        """Which layer takes which, and the maps between them."""
        return wire(self.layers, self.input_shape)

    def layer(self, name: str) -> Layer:
        """The layer called `name`; LockstepError lists the names there are."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise LockstepError(
            f"no layer {name!r} in {self.name}; expected one of {', '.join(x.name for x in self.layers)}"
        )

    def describe(self) -> dict[str, Any]:
        """All but the arrays and `meta`, as JSON values: what the hash covers beside the arrays."""
        return {
            "name": self.name,
            "input_shape": list(self.input_shape),
            "classes": list(self.classes),
            "layers": [layer.describe() for layer in self.layers],
        }

    @property
    def sha256(self) -> str:
        """Hash of the arithmetic: shapes, formats and every code, but not `meta` nor the way the file is packed."""
        digest = hashlib.sha256(json.dumps(self.describe(), sort_keys=True, separators=(",", ":")).encode())
        for layer in self.layers:
            digest.update(layer.weight.astype(layer.weight.dtype.newbyteorder("<")).tobytes())
            digest.update(layer.multiplier.astype("<i8").tobytes())
            digest.update(layer.bias.astype("<i8").tobytes())
        return digest.hexdigest()
