"""A training recipe: every number that decides the result, from one TOML file per network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import read_toml
from model.graph.storage import SUFFIX, run_name
from model.numeric.power import PowerFormat
from model.numeric.weights import WeightFormat, named

FOLDER = Path(__file__).resolve().parent / "recipes"
LEGS = ("float", "qat")  # in their order
NO_LEG = {"epochs": 0, "peak_rate": 1.0, "warm_up": 0.0, "weight_decay": 0.0}  # in the place of one that is left out
NAMES = ("stage", "start", "teachers")  # decide nothing: a graph is what its hash says
NOT_IN_FLOAT_LEG = ("qat", "weight_bits", "act_bits", "weights", "evaluate_every", "teachers_sha256")
FORMATS = ("weight_bits", "act_bits", "weights")
KINDS: dict[str, tuple[tuple[type, ...], str]] = {  # of entries, by their type in the dataclass
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "a text"),
    "tuple[str, ...]": ((tuple,), "a list of texts"),
}
MAX_SEED = (1 << 31) - 1  # a generator is seeded with seed << 32 plus leg and epoch, in 64 bits


@dataclass(frozen=True)
class Leg:
    """One leg of the training: float, or quantization-aware (`qat`).

    Parameters
    ----------
    epochs : int, 0 or more
    peak_rate : float
        Learning rate at its top: it rises for the share `warm_up` of the leg's steps, then falls to `end_rate`.
    warm_up : float in [0, 1)
    weight_decay : float
        On convolution and linear weights only.
    end_rate : float
        Learning rate that the fall ends at. A leg that another one follows need not come to rest.
    distill : float in [0, 1]
        Of the QAT leg: share of the loss that is the distance from the teachers' answers, not from the labels.
    temperature : float, more than 0
        Of that distance.
    cutmix : float in [0, 1]
        Share of the images that have a rectangle of another one laid over them.
    small : float in [0, 1]
        Share of the epochs, the first ones, in which the images are scaled down to `small_side` pixels: an epoch costs
        by their area (`small_side` 24 for 32: 0.56 of a whole one).
    small_side : int
        0 where no epoch is small.
    trivial : float in [0, 1]
        Share of the images that are changed by TrivialAugment.
    sharpness : float, 0 or more
        How far from where the network is, in BatchNorm's scales and shifts, the gradient is taken (`rho` in
        `model.network.sharpness`); 0 for there, at 0.6 of the work.

    Raises
    ------
    LockstepError
        For a number outside these ranges.
    """

    epochs: int
    peak_rate: float
    warm_up: float
    weight_decay: float
    end_rate: float = 0.0
    distill: float = 0.0
    temperature: float = 1.0
    cutmix: float = 0.0
    small: float = 0.0
    small_side: int = 0
    trivial: float = 0.0
    sharpness: float = 0.0

    def __post_init__(self) -> None:
        _require(self.epochs >= 0, f"{self.epochs} epochs", "0 or more")
        _require(self.peak_rate > 0, f"peak_rate {self.peak_rate}", "more than 0")
        _require(0 <= self.warm_up < 1, f"warm_up {self.warm_up}", "0 or more and less than 1")
        _require(self.weight_decay >= 0, f"weight_decay {self.weight_decay}", "0 or more")
        _require(0 <= self.distill <= 1, f"distill {self.distill}", "0..1")
        _require(self.temperature > 0, f"temperature {self.temperature}", "more than 0")
        _require(0 <= self.cutmix <= 1, f"cutmix {self.cutmix}", "0..1")
        _require(0 <= self.small <= 1, f"small {self.small}", "0..1")
        _require(0 <= self.trivial <= 1, f"trivial {self.trivial}", "0..1")
        _require(self.sharpness >= 0, f"sharpness {self.sharpness}", "0 or more")
        _require((self.small_side > 0) == (self.small > 0), f"small_side {self.small_side}", "more than 0 beside small")
        _require(0 <= self.end_rate <= self.peak_rate, f"end_rate {self.end_rate}", f"0..{self.peak_rate} (peak_rate)")

    def side(self, epoch: int, full: int) -> int:
        """Side of the images in epoch `epoch`, in pixels; `full` is the network's own."""
        return self.small_side if epoch < round(self.small * self.epochs) else full

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step `step` of `steps`: a function of the position alone, so a resumed run has the same."""
        rise = self.warm_up * steps
        if step < rise:
            return self.peak_rate * ((step + 1) / (rise + 1))
        return self.end_rate + (self.peak_rate - self.end_rate) * ((steps - step) / (steps - rise))


@dataclass(frozen=True)
class Recipe:
    """How to train one network; see the comments in the TOML files.

    Raises
    ------
    LockstepError
        For an impossible number.
    """

    network: str
    batch: int
    seed: int
    label_smoothing: float
    crop: int
    flip: bool
    evaluate_every: int
    float: Leg
    qat: Leg
    cutout: int = 0
    weight_bits: int = 4
    act_bits: int = 4
    weights: str = ""  # a power-of-two format; none: integers of weight_bits
    stage: str = ""  # tells the run from a later one of its network that starts from its graph
    start: str = ""  # a graph that the QAT leg starts from, a float leg's place: a name in the zoo, or a path
    start_sha256: str = ""  # that graph's
    teachers: tuple[str, ...] = ()  # graphs that the QAT leg distills from; none: the float network, where it distills
    teachers_sha256: tuple[str, ...] = ()  # theirs

    def __post_init__(self) -> None:
        _require(self.batch >= 2, f"batch {self.batch}", "2 or more")
        _require(0 <= self.seed <= MAX_SEED, f"SEED={self.seed}", f"0..{MAX_SEED}")
        _require(0 <= self.label_smoothing < 1, f"label_smoothing {self.label_smoothing}", "0 or more, less than 1")
        _require(self.crop >= 0, f"crop {self.crop}", "0 or more")
        _require(self.cutout >= 0, f"cutout {self.cutout}", "0 or more")
        _require(self.evaluate_every >= 1, f"evaluate_every {self.evaluate_every}", "1 or more")
        _require(self.qat.epochs >= 1, f"QAT_EPOCHS={self.qat.epochs}", "1 or more, or there is nothing to freeze")
        _require(not self.float.distill, f"distill {self.float.distill} in the float leg", "it in the QAT leg alone")
        _require(not self.start or not self.float.epochs, f"start beside {self.float.epochs} float epochs", "0 of them")
        taught = self.float.epochs > 0 or bool(self.teachers)
        _require(not self.qat.distill or taught, "distill without a float leg", "FLOAT_EPOCHS=1 or more, or teachers")
        _require(not self.teachers or self.qat.distill > 0, "teachers without distill", "distill in the QAT leg")
        check_bits(self.weight_bits, self.act_bits)
        if self.weights:
            bits = named(self.weights).bits
            _require(self.weight_bits == bits, f"weight_bits {self.weight_bits} beside {self.weights}", str(bits))

    @property
    def weight_format(self) -> WeightFormat:
        """The format of the weights."""
        return named(self.weights or f"int{self.weight_bits}")

    @property
    def net(self) -> str:
        """What NET names: the network, and the stage where there is one."""
        return f"{self.network}_{self.stage}" if self.stage else self.network

    @property
    def run_name(self) -> str:
        """What tells the run from others of its network: its formats, where they are not 4-bit integers."""
        return run_name(self.net, self.weight_format, self.act_bits)

    def float_key(self, data_sha256: str) -> str:
        """A hash of all that decides how the float leg ends: recipes that differ in the other leg alone share it."""
        return _hash(_set(self, *NAMES, *NOT_IN_FLOAT_LEG), data_sha256)

    def key(self, data_sha256: str) -> str:
        """A hash of all that decides how the run ends."""
        return _hash(_set(self, *NAMES), data_sha256)

    def describe(self) -> dict[str, Any]:
        """As JSON values; texts only where they say something, and of a path its last part."""
        described: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        described["start"] = _graph_name(self.start)
        described["teachers"] = [_graph_name(teacher) for teacher in self.teachers]
        return {name: value for name, value in described.items() if value not in ("", [])}


def _graph_name(path: str) -> str:
    return Path(path).name.removesuffix(SUFFIX)


def _set(entries: Recipe | Leg, *but: str) -> dict[str, Any]:
    """The entries that are not at their defaults, those of the legs, too, `but` those named.

    A new entry's default is what was done before there was one, so runs of earlier versions keep their keys.
    """
    fields = {field.name: field.default for field in dataclasses.fields(entries) if field.name not in but}
    values = {name: value for name, default in fields.items() if (value := getattr(entries, name)) != default}
    return {name: _set(value) if isinstance(value, Leg) else value for name, value in values.items()}


def _hash(decides: dict[str, Any], data_sha256: str) -> str:
    return hashlib.sha256(json.dumps([decides, data_sha256], sort_keys=True).encode()).hexdigest()


def check_bits(weight_bits: int, act_bits: int) -> None:
    """Raise LockstepError unless weights and activations of these widths can be trained and frozen: 2..8 bits."""
    for what, bits in (("WBITS", weight_bits), ("ABITS", act_bits)):
        _require(2 <= bits <= 8, f"{what}={bits}", "2..8")


def _require(holds: bool, what: str, expected: str) -> None:
    if not holds:
        raise LockstepError(f"{what} is impossible; expected {expected}")


def load(net: str, **changes: int | str | None) -> Recipe:
    """The recipe of `net`.

    Parameters
    ----------
    net : str
        A network; or a network and formats, ``vgg16_w4a2`` or ``vgg16_pot4``, that have a recipe of their own.
    **changes
        Fields of Recipe, or ``float_epochs`` and ``qat_epochs``; None leaves the file's value. `weights` takes the name
        of any weight format. Formats that have a recipe of their own get that one. A `start` takes the float leg's
        place.

    Raises
    ------
    LockstepError
        When there is no such recipe, or a value is missing, unknown or impossible.
    """
    changes = {key: value for key, value in changes.items() if value is not None}
    if (weights := changes.get("weights")) is not None:
        fmt = named(str(weights))
        changes |= {"weights": fmt.name if isinstance(fmt, PowerFormat) else "", "weight_bits": fmt.bits}
    elif "weight_bits" in changes:
        changes["weights"] = ""
    content = _read(net)
    own = _made(net, content | {key: changes[key] for key in FORMATS if key in changes}).run_name
    if own in shipped():
        net, content = own, _read(own)
        _made(net, content)
    changed = _with_legs(content)
    if "start" in changes:
        changed["float"] = NO_LEG
    for leg in LEGS:
        if (epochs := changes.pop(f"{leg}_epochs", None)) is not None:
            changed[leg] = changed[leg] | {"epochs": epochs}
    try:
        return Recipe(**_legs(changed | changes))
    except TypeError as error:
        raise LockstepError(f"{net}.toml: {error}") from error


def _with_legs(content: dict[str, Any]) -> dict[str, Any]:
    """`content` with a float leg of no epochs where a graph to start from stands in its place."""
    return {"float": NO_LEG, **content} if content.get("start") else dict(content)


def _made(net: str, content: dict[str, Any]) -> Recipe:
    """The recipe that the file of `net` says; LockstepError names the file."""
    try:
        return Recipe(**_legs(_with_legs(content)))
    except (TypeError, KeyError, LockstepError) as error:
        raise LockstepError(f"{net}.toml: {error}") from error


def _legs(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of a Recipe in `content`, as TOML has them, each of its kind."""
    for leg in LEGS:
        if not isinstance(content.get(leg), dict):
            raise LockstepError(f"{leg} is no table; expected [{leg}] with the entries of a leg")
        _check_kinds(Leg, content[leg], f"{leg}.")
    made = content | {leg: Leg(**content[leg]) for leg in LEGS}
    made = {name: tuple(value) if isinstance(value, list) else value for name, value in made.items()}
    _check_kinds(Recipe, made)
    return made


def _check_kinds(cls: Any, entries: dict[str, Any], where: str = "") -> None:
    """Raise LockstepError unless every entry has the type that the dataclass says; whole numbers do for real ones."""
    for field in dataclasses.fields(cls):
        kind, value = str(field.type), entries.get(field.name)
        if field.name not in entries or kind not in KINDS:
            continue
        types, expected = KINDS[kind]
        texts = not isinstance(value, tuple) or all(isinstance(each, str) for each in value)
        if not isinstance(value, types) or isinstance(value, bool) != (kind == "bool") or not texts:
            raise LockstepError(f"{where}{field.name} is {value!r:.60}; expected {expected}")
        if isinstance(value, float) and not math.isfinite(value):
            raise LockstepError(f"{where}{field.name} is {value}; expected a finite number")


def shipped() -> list[str]:
    """Names of the recipes in the tree."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def _read(net: str) -> dict[str, Any]:
    if net not in shipped():
        raise LockstepError(f"no network {net!r}; expected one of {', '.join(shipped())}")
    path = FOLDER / f"{net}.toml"
    return read_toml(path, path.name)
