"""Small vector sets in every dialect of the family, written digit by digit and independently of model/vectors."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

HEAD = ["#time0row7[msb-lsb]", "#time1", "#....#"]


def digits(value: int, bits: int) -> str:
    """Two's complement of `value`, most significant bit first."""
    return "".join(str(value >> bit & 1) for bit in reversed(range(bits)))


@dataclass
class Foreign:
    """A convolution of random codes, its terms summed one by one, and the dialect to write it in."""

    rows: int = 4
    cols: int = 3
    ic: int = 1
    oc: int = 1
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padded: tuple[int, int] = (5, 5)
    act_bits: int = 4
    wgt_bits: int = 4
    psum_bits: int = 16
    line: str = "column"
    act_first: str = "high"
    wgt_first: str = "high"
    psum_first: str = "high"
    out_first: str = "high"
    positions: str = "useful"
    base: int = 0
    head: list[str] = field(default_factory=lambda: list(HEAD))
    whole: bool = False  # one weight and one psum file for all kij
    psum: bool = True
    acc: bool = True
    relus: tuple[bool, ...] = (True,)
    tail: str = ""  # blanks at the end of each line
    end: str = "\n"  # end of the last line
    names: dict[str, str] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        (py, px), (ky, kx), (sy, sx) = self.padded, self.kernel, self.stride
        self.out_map = (py - ky) // sy + 1, (px - kx) // sx + 1
        self.kijs, self.len_onij = ky * kx, self.out_map[0] * self.out_map[1]
        self.length = self.len_onij if self.positions == "useful" else py * px
        low = -(1 << self.wgt_bits - 1)
        self.a = rng.integers(0, 1 << self.act_bits, (self.ic, py * px, self.rows))
        self.w = rng.integers(low, -low, (self.oc, self.ic, self.kijs, self.cols, self.rows))
        self.a.flat[0], self.w.flat[0] = (1 << self.act_bits) - 1, low
        self.p = np.zeros((self.oc, self.ic, self.kijs, self.length, self.cols), int)
        self.o = np.zeros((self.oc, self.len_onij, self.cols), int)
        for oc, ic, kij, col in product(range(self.oc), range(self.ic), range(self.kijs), range(self.cols)):
            for place in range(self.length):
                nij = self.nij(kij, place) if self.positions == "useful" else place
                self.p[oc, ic, kij, place, col] = self.dot(oc, ic, kij, nij, col)
            for onij in range(self.len_onij):
                self.o[oc, onij, col] += self.dot(oc, ic, kij, self.nij(kij, onij), col)

    def dot(self, oc: int, ic: int, kij: int, nij: int, col: int) -> int:
        return sum(int(self.a[ic, nij, row]) * int(self.w[oc, ic, kij, col, row]) for row in range(self.rows))

    def nij(self, kij: int, onij: int) -> int:
        oy, ox = divmod(onij, self.out_map[1])
        ky, kx = divmod(kij, self.kernel[1])
        return (oy * self.stride[0] + ky) * self.padded[1] + ox * self.stride[1] + kx

    def name(self, kind: str) -> str:
        kij = "" if self.whole else "_kij{kij}"
        usual = {
            "activation": "activation_tile{ic}.txt",
            "weight": "weight_itile{ic}_otile{oc}" + kij + ".txt",
            "psum": "psum_itile{ic}_otile{oc}" + kij + ".txt",
            "acc": "acc.txt",
            "out": "out_otile{oc}.txt",
            "relu": "out_relu_otile{oc}.txt",
        }
        return self.names.get(kind, usual[kind])

    def manifest(self) -> dict[str, Any]:
        heads = len(self.head)
        files: dict[str, Any] = {
            "activation": {"pattern": self.name("activation"), "header_lines": heads, "first_word": self.act_first},
            "weight": {
                "pattern": self.name("weight"),
                "header_lines": heads,
                "first_word": self.wgt_first,
                "line": self.line,
            },
            "out": [
                {
                    "pattern": self.name("relu" if relu else "out"),
                    "header_lines": heads,
                    "first_word": self.out_first,
                    "relu": relu,
                }
                for relu in self.relus
            ],
        }
        if self.psum:
            files["psum"] = {"pattern": self.name("psum"), "header_lines": heads, "first_word": self.psum_first}
        if self.acc:
            files["acc"] = {"pattern": self.name("acc"), "header_lines": 0, "base": self.base}
        value = {
            "format": "lockstep-vectors",
            "version": 1,
            "dataflow": "weight_stationary",
            "array": {"rows": self.rows, "cols": self.cols},
            "bits": {"act": self.act_bits, "wgt": self.wgt_bits, "psum": self.psum_bits, "acc": 11},
            "layer": {
                "in_channels": self.ic * self.rows,
                "out_channels": self.oc * self.cols,
                "kernel": list(self.kernel),
                "stride": list(self.stride),
                "padded_map": list(self.padded),
                "out_map": list(self.out_map),
            },
            "tiles": {"ic": self.ic, "oc": self.oc},
            "positions": self.positions,
            "files": files,
        }
        return copy.deepcopy(value)

    def write(self, folder: Path) -> Path:
        for ic in range(self.ic):
            lines = [self.words(step, self.act_bits, self.act_first) for step in self.a[ic]]
            self.put(folder, self.name("activation"), lines, ic=ic)
        for oc, ic in product(range(self.oc), range(self.ic)):
            weights = [self.weight_lines(self.w[oc, ic, kij]) for kij in range(self.kijs)]
            self.put_passes(folder, self.name("weight"), weights, oc, ic)
            if self.psum:
                psums = [
                    [self.words(line, self.psum_bits, self.psum_first) for line in self.p[oc, ic, kij]]
                    for kij in range(self.kijs)
                ]
                self.put_passes(folder, self.name("psum"), psums, oc, ic)
        if self.acc:
            addresses = []
            for onij, kij in product(range(self.len_onij), range(self.kijs)):
                place = onij if self.positions == "useful" else self.nij(kij, onij)
                addresses.append(digits(kij * self.length + place + self.base, 11))
            self.put(folder, self.name("acc"), addresses, head=[])
        for oc, relu in product(range(self.oc), self.relus):
            out = np.maximum(self.o[oc], 0) if relu else self.o[oc]
            lines = [self.words(line, self.psum_bits, self.out_first) for line in out]
            self.put(folder, self.name("relu" if relu else "out"), lines, oc=oc)
        return folder

    def weight_lines(self, tile: np.ndarray) -> list[str]:
        if self.line == "column":
            return [self.words(column, self.wgt_bits, self.wgt_first) for column in tile]
        if self.line == "row":
            return [self.words(tile[:, row], self.wgt_bits, self.wgt_first) for row in range(self.rows)]
        lines = []
        for column in tile:
            halves = [column[0::2], column[1::2]]
            if self.line == "column_odd_even":
                halves.reverse()
            lines += [self.words(half, self.wgt_bits, self.wgt_first) for half in halves]
        return lines

    def words(self, values: np.ndarray, bits: int, first: str) -> str:
        texts = [digits(int(value), bits) for value in values]
        return "".join(reversed(texts) if first == "high" else texts)

    def put_passes(self, folder: Path, pattern: str, passes: list[list[str]], oc: int, ic: int) -> None:
        if self.whole:
            self.put(folder, pattern, [line for lines in passes for line in lines], oc=oc, ic=ic)
        else:
            for kij, lines in enumerate(passes):
                self.put(folder, pattern, lines, oc=oc, ic=ic, kij=kij)

    def put(self, folder: Path, pattern: str, lines: list[str], head: list[str] | None = None, **marks: int) -> None:
        marks["tile"] = marks.get("oc", 0) * self.ic + marks.get("ic", 0)
        path = folder / pattern.format(**marks)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = [*(self.head if head is None else head), *(line + self.tail for line in lines)]
        path.write_bytes(("\n".join(text) + self.end).encode())


DIALECTS = {
    "own": {"relus": (True, False)},
    "two by two tiles": {"ic": 2, "oc": 2, "padded": (4, 5)},
    "transposed": {"line": "row", "positions": "all", "acc": False},
    "transposed, other ends first": {"line": "row", "wgt_first": "low", "act_first": "low", "rows": 3, "cols": 5},
    "even and odd lines": {"line": "column_even_odd", "act_bits": 2, "psum": False, "acc": False, "oc": 2},
    "odd and even lines": {"line": "column_odd_even", "act_first": "low", "act_bits": 2},
    "row 0 first": {"act_first": "low", "wgt_first": "low", "psum_first": "low", "out_first": "low"},
    "column 0 first in outputs": {"out_first": "low", "head": ["l", "l", "l"], "psum": False, "acc": False},
    "all positions, addresses from 1": {"positions": "all", "base": 1, "head": ["", "", ""]},
    "one file a tile": {
        "whole": True,
        "ic": 2,
        "oc": 2,
        "psum": False,
        "acc": False,
        "names": {"weight": "weight_tile{tile}_octile{oc}_ictile{ic}.txt"},
        "relus": (False, True),
    },
    "one psum file a tile": {"whole": True, "positions": "all"},
    "no header, raw": {"head": [], "relus": (False,)},
    "one header line of several words": {"head": ["# a header of several words, 101 of them"]},
    "trailing blanks": {"tail": "  \t"},
    "windows line ends": {"tail": "\r", "end": "\r\n"},
    "no newline at the end": {"end": ""},
    "empty lines at the end": {"end": "\n\n \n"},
    "folders": {"oc": 2, "names": {"weight": "Tile{oc}/weight_{kij}.txt", "relu": "Tile{oc}/out.txt"}, "psum": False},
    "stride, oblong": {"stride": (2, 1), "padded": (7, 4), "kernel": (3, 2)},
    "point kernel": {"kernel": (1, 1), "padded": (3, 3), "rows": 2, "cols": 2},
    "wide words": {"act_bits": 8, "wgt_bits": 8, "psum_bits": 24},
}
