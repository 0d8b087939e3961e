"""What the suite simulates: its parametrized tests called with every simulator replaced by a notebook.

Nothing is built or run. A test's own parameters, and what it makes of them, are the only source: a run that is noted
here is one that `make test` makes.
"""

from __future__ import annotations

import importlib
import inspect
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

from tb.common.runner import Outcome
from tb.core.replay import read_replay
from tb.network.bench import Job
from tests.format_graphs import format_name

BLOCKS = ("mac_tile", "mac_row", "mac_array", "core", "replay", "engine", "accelerator")
BLOCK_TESTS = {
    "tb.mac_tile.test_mac_tile": "mac_tile",
    "tb.mac_row.test_mac_row": "mac_row",
    "tb.mac_array.test_mac_array": "mac_array",
    "tb.core.test_core_unit": "core",
    "tb.accelerator.test_accelerator": "accelerator",
}
REPLAY_TESTS = ("tb.core.test_core", "tb.core.test_core_os", "tb.core.test_core_pairs")
ENGINE_TESTS = ("tb.network.test_formats", "tb.network.test_random", "tb.network.test_pairs", "tb.network.test_os")
ENGINES = ("tb.network.draws", "tb.network.os_draws")  # where drawn layers become jobs


class Run(NamedTuple):
    """A block simulated in a weight format and a mode: ``ws``, ``simd`` or ``os``.

    `test` is the function, ``tb/core/test_core.py::test_...``.
    """

    block: str
    format: str
    mode: str
    test: str


class EnoughError(Exception):
    """A test has said what it simulates."""


def cases(function: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """The arguments with which pytest calls a test, those of its parametrizations."""
    axes = []
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = mark.args[0].replace(" ", "").split(",") if isinstance(mark.args[0], str) else mark.args[0]
            values = [
                getattr(value, "values", value) if type(value).__name__ == "ParameterSet" else value
                for value in mark.args[1]
            ]
            axes.append([dict(zip(names, value if len(names) > 1 else (value,), strict=True)) for value in values])
    for chosen in product(*axes):
        yield {name: value for each in chosen for name, value in each.items()}


def calls(module: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name and call of every case of the tests of `module` that simulate; they write to a folder of their own."""
    known = {"simulate", "run_replay", "replay", "run_jobs", "run_draws", "run_turns"}
    for name, function in vars(module).items():
        if not name.startswith("test_") or not known & set(function.__code__.co_names):
            continue
        for arguments in cases(function):
            needed = set(inspect.signature(function).parameters) - set(arguments)
            if needed <= {"tmp_path"}:
                yield name, lambda f=function, a=arguments, n=needed: _call(f, a, n)  # type: ignore[misc]


def _call(function: Callable[..., Any], arguments: dict[str, Any], needed: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        function(**arguments, **dict.fromkeys(needed, Path(folder)))


def _place(module: Any, name: str) -> str:
    return f"{module.__name__.replace('.', '/')}.py::{name}"


def simulations() -> Iterator[tuple[str, str, str, dict[str, int], bool]]:
    """Of the tests that call `simulate`: block, test, module inside, parameters, whether all of that module runs."""
    for path, block in BLOCK_TESTS.items():
        module = importlib.import_module(path)
        noted: list[tuple[str, dict[str, int], bool]] = []

        def notebook(top: str, tests: str, parameters: dict[str, int], *, block: str = block, **more: Any) -> Outcome:
            assert top == block
            noted.append((tests, dict(parameters), not more.get("only")))  # noqa: B023  read before the next module
            return Outcome(1, 0.0, 1, Path(), None, None)

        with mock.patch.object(module, "simulate", notebook):
            for name, call in calls(module):
                noted.clear()
                call()
                for tests, parameters, whole in noted:
                    yield block, _place(module, name), tests, parameters, whole


def block_runs() -> Iterator[Run]:
    """The same by format and mode; run_tests of the accelerator have a plain layer beside the one in its mode."""
    for block, test, tests, parameters, _ in simulations():
        for mode in _modes(tests, parameters):
            yield Run(block, format_name(parameters), mode, test)


def _modes(tests: str, parameters: dict[str, int]) -> tuple[str, ...]:
    words = tests.rpartition(".")[2].split("_")
    if words[0] == "run":
        mode = "simd" if parameters.get("Simd") else "os" if parameters.get("OutputStationary") else "ws"
        return tuple(dict.fromkeys((mode, "ws")))
    if words[0] in ("register", "error", "network"):
        return ()
    return ("simd" if "pair" in words else "os" if "os" in words else "ws",)


def replay_runs() -> Iterator[Run]:
    """Of the tests that replay vector sets: each set is written, read and scheduled, and not replayed."""
    for path in REPLAY_TESTS:
        module = importlib.import_module(path)
        noted: list[dict[str, int]] = []

        def notebook(folder: Path, _: Path, *, simd: bool = False, manifest: Path | None = None, **more: Any) -> None:
            noted.append(read_replay(folder, manifest, more.get("wgt_lanes", 2), simd).parameters)  # noqa: B023
            raise EnoughError

        with mock.patch.object(module, "run_replay", notebook):
            for name, call in calls(module):
                noted.clear()
                with pytest.raises(EnoughError):
                    call()
                for told in noted:
                    mode = "simd" if told.get("Simd") else "os" if told.get("OutputStationary") else "ws"
                    yield Run("replay", format_name(told), mode, _place(module, name))


def engine_runs() -> Iterator[Run]:
    """Of the tests that run layers on the engine: its format, and the modes of the layers that they give it."""
    noted: list[tuple[Any, list[Job]]] = []

    def notebook(_: Path, shape: Any, jobs: list[Job], *__: Any, **___: Any) -> None:
        noted.append((shape, jobs))
        raise EnoughError

    patched = [importlib.import_module(path) for path in (*ENGINE_TESTS, *ENGINES)]
    with ExitStack() as stack:
        for module in patched:
            if hasattr(module, "run_jobs"):
                stack.enter_context(mock.patch.object(module, "run_jobs", notebook))
        for module in patched[: len(ENGINE_TESTS)]:
            for name, call in calls(module):
                noted.clear()
                with pytest.raises(EnoughError):
                    call()
                for shape, jobs in noted:
                    words = {int(row[9]) for job in jobs for row in job.descriptors}
                    modes = {"simd" if word >> 11 & 1 else "os" if word >> 13 & 1 else "ws" for word in words}
                    for mode in sorted(modes):
                        yield Run("engine", format_name(shape.parameters), mode, _place(module, name))
