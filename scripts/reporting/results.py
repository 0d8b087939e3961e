"""The result files below ``build/``: found or missing, read or unreadable, and what each says of itself."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import read_json

NETWORK = "vgg16"  # the one whose results are missed when they are not there


@dataclass(frozen=True)
class Fields:
    """A JSON object whose entries are asked for by kind.

    Parameters
    ----------
    value : dict
    where : str
        File, and place in it, for messages.

    Raises
    ------
    LockstepError
        By every method, when the entry is not of its kind; by the constructor, when `value` is no object.
    """

    value: dict[str, Any]
    where: str

    def __post_init__(self) -> None:
        if not isinstance(self.value, dict):
            raise LockstepError(f"{self.where} is {self.value!r:.60}; expected an object")

    def wrong(self, name: str, expected: str) -> LockstepError:
        """The error that says what the entry is, and what was expected."""
        told = f"is {self.value[name]!r:.60}" if name in self.value else "is missing"
        return LockstepError(f"{self.where}: {name} {told}; expected {expected}")

    def number(self, name: str) -> int | float:
        """A finite number."""
        value = self.value.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise self.wrong(name, "a number")
        return value

    def maybe(self, name: str) -> int | float | None:
        """A finite number; None where there is none, or null."""
        return None if self.value.get(name) is None else self.number(name)

    def whole(self, name: str) -> int:
        """An integer."""
        value = self.value.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(name, "a whole number")
        return value

    def text(self, name: str) -> str:
        """A text."""
        value = self.value.get(name)
        if not isinstance(value, str):
            raise self.wrong(name, "a text")
        return value

    def maybe_text(self, name: str) -> str | None:
        """A text; None where there is none, or null."""
        return None if self.value.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.value.get(name)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def array(self, name: str) -> list[Any]:
        """A list."""
        value = self.value.get(name)
        if not isinstance(value, list):
            raise self.wrong(name, "a list")
        return value

    def object(self, name: str) -> Fields:
        """An object."""
        if not isinstance(self.value.get(name), dict):
            raise self.wrong(name, "an object")
        return Fields(self.value[name], f"{self.where}: {name}")

    def objects(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [Fields(item, f"{self.where}: {name}[{index}]") for index, item in enumerate(self.array(name))]

    def __contains__(self, name: str) -> bool:
        return self.value.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)


@dataclass(frozen=True)
class Kind:
    """What a make target leaves behind.

    Parameters
    ----------
    name : str
        The target, and its folder below ``build/``.
    per_network : bool
        Whether each network has a folder of its own.
    missed : str
        The network whose result is missed when it is not there.
    must_be_zero, must_be_empty : tuples of str
        Entries that contradict a verdict of "passed" otherwise.
    """

    name: str
    per_network: bool = False
    missed: str = NETWORK
    must_be_zero: tuple[str, ...] = ()
    must_be_empty: tuple[str, ...] = ()


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "train",
            per_network=True,
            must_be_zero=("codes_differing", "differing_codes", "logits_differing", "differing_logits"),
        ),
        Kind("evaluate", per_network=True),
        Kind("network", per_network=True, must_be_zero=("mismatches",), must_be_empty=("error",)),
        Kind("sim", must_be_zero=("mismatches",)),
        Kind("random", must_be_empty=("failed", "error")),
        Kind("regress", must_be_empty=("failed",)),
        Kind("benchmark", must_be_empty=("error",)),
        Kind("benchmark-train"),
        Kind("synth"),
        Kind("tradeoff", per_network=True, must_be_empty=("errors",)),
        Kind("formal", must_be_empty=("errors",)),
        Kind("coverage", must_be_empty=("holes", "missed_points", "waiver_errors", "failed")),
        Kind("c", per_network=True, missed="micro_pot4", must_be_zero=("differing_logits",), must_be_empty=("error",)),
        Kind("c-proof", must_be_empty=("faults",)),
        Kind("mutation", must_be_empty=("survivors", "errors")),
        Kind("fuzz", must_be_empty=("defects",)),
        Kind("mutants", must_be_empty=("survived", "errors", "baseline_failures")),
        Kind("test", must_be_zero=("exit_status",)),
        Kind("setup"),
    )
}


def make_line(target: str, values: dict[str, object]) -> str:
    """A make line; empty values are left out, others quoted for the shell.

    >>> make_line("network", {"NET": "tiny", "IMAGE": "my cat.png", "LAYERS": ""})
    "make network NET=tiny IMAGE='my cat.png'"
    """
    words = [f"{name}={shlex.quote(str(value))}" for name, value in values.items() if value not in ("", None)]
    return " ".join(["make", target, *words])


@dataclass(frozen=True)
class Source:
    """A result file that is there, or is missed.

    Parameters
    ----------
    kind : Kind
    network : str
        Name of the network's folder; empty for targets without one.
    path : Path
    fields : Fields or None
        What it says; None when it is missing or unreadable.
    problem : str
        Why it is unreadable; empty otherwise.
    """

    kind: Kind
    network: str
    path: Path
    fields: Fields | None = None
    problem: str = ""

    @property
    def missing(self) -> bool:
        """Whether there is no file."""
        return self.fields is None and not self.problem

    @property
    def make(self) -> str:
        """The make line that produces it."""
        return make_line(self.kind.name, {"NET": self.network})

    @property
    def command(self) -> str:
        """The make line that the result tells; the plain one where it tells none.

        An own data set (DATA=) is not told: results hold the hash of the data, not the place. An image is told as it
        was given.
        """
        told = None if self.fields is None else self.fields.value.get("make")
        return told if isinstance(told, str) else self.make

    @property
    def title(self) -> str:
        """``network vgg16``."""
        return f"{self.kind.name} {self.network}".strip()

    @property
    def written(self) -> str:
        """When the file was written, UTC; empty when it is missing."""
        try:
            return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.path.stat().st_mtime))
        except OSError:
            return ""

    @property
    def verdict(self) -> bool | None:
        """What `passed` says, unless another entry contradicts it; None for null: nothing was judged.

        A file without a verdict counts as failed.
        """
        if self.fields is None:
            return False
        passed = self.fields.value.get("passed", False)
        if passed is not None and not isinstance(passed, bool):
            return False
        sound = all(self.fields.value.get(name, 0) == 0 for name in self.kind.must_be_zero) and not any(
            self.fields.value.get(name) for name in self.kind.must_be_empty
        )
        return passed if sound else False


def load(kind: Kind, network: str, path: Path) -> Source:
    """The result in `path`."""
    if not path.is_file():
        return Source(kind, network, path)
    try:
        fields = Fields(read_json(path), str(path))
        if "passed" not in fields.value or not isinstance(fields.value["passed"], bool | None):
            told = f"is {fields.value['passed']!r:.60}" if "passed" in fields.value else "is missing"
            raise LockstepError(f"{path}: passed {told}; expected true or false")
    except LockstepError as error:
        return Source(kind, network, path, problem=str(error))
    return Source(kind, network, path, fields)


def collect(build: Path) -> dict[str, list[Source]]:
    """Results by target: of each network that has one, and of the missed one in any case, first."""
    found: dict[str, list[Source]] = {}
    for kind in KINDS.values():
        folder = build / kind.name
        if not kind.per_network:
            found[kind.name] = [load(kind, "", folder / "result.json")]
            continue
        names = {path.parent.name for path in folder.glob("*/result.json")}
        ordered = [kind.missed, *sorted(names - {kind.missed})]
        found[kind.name] = [load(kind, name, folder / name / "result.json") for name in ordered]
    last = load(KINDS["train"], "", build / "train" / "result.json")  # a freeze that differs is told there alone
    if not last.missing and last.verdict is not True:
        name = last.fields.value.get("run") if last.fields else None
        found["train"].append(Source(last.kind, str(name or ""), last.path, last.fields, last.problem))
    return found
