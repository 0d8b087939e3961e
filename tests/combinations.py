"""The table of weight format x mode x block: from the tests as they are (tests/suite_runs.py) to docs/combinations.md.

Run as a module it writes the page; tests/test_combinations.py holds the page to it, and the table to having no hole.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tb.network.bench import ERRORS
from tb.sim_checks.test_parameters import ILLEGAL
from tests.format_graphs import MODES, NAMES
from tests.refusals import REFUSED, line_of
from tests.suite_runs import BLOCKS, block_runs, cases, engine_runs, replay_runs

PAGE = Path(__file__).resolve().parents[1] / "docs" / "combinations.md"
TITLES = {
    "ws": "Weight stationary",
    "simd": "Pairs of input channels (`SIMD=1`, `Simd`)",
    "os": "Output stationary (`DATAFLOW=os`, `OutputStationary`)",
}
HARDWARE = {
    "mac_tile": "PE: [`mac_tile`](rtl/mac_tile.md)",
    "mac_row": "[`mac_row`](rtl/mac_row.md)",
    "mac_array": "[`mac_array`](rtl/mac_array.md)",
    "core": "[`core`](rtl/core.md), by random instructions",
    "replay": "`core`, vector sets replayed ([`make sim`](sim.md))",
    "engine": "[engine, sequencer](rtl/sequencer.md) ([`make network`](network.md))",
    "accelerator": "[`accelerator`](rtl/accelerator.md) over AXI",
}
# Where a block has no run of its own, that of a block around it which compares the inner one's own registers or psums.
AROUND = {"mac_tile": "mac_array", "mac_row": "mac_array", "core": "replay"}
SOFTWARE_TESTS = "tests.test_combinations"
SOFTWARE = {
    "compiler and interpreter, against the [golden model](golden.md)": "test_programs_are_exact",
    "vector sets, written, read, checked ([`make vectors`](vectors.md))": "test_vector_sets_hold",
    "registers of an accelerator, held against a program": "test_registers_tell_the_engine",
    "[`make tradeoff`](tradeoff.md): engines to compare": "test_tradeoff_compares_the_engines",
}
Cell = tuple[str, str, str]  # row, mode, format
OPTIONS = {"Simd", "OutputStationary", "WgtPower"}


@cache
def covered() -> dict[Cell, list[str]]:
    """Tests of each cell, every one that there is."""
    found: dict[Cell, list[str]] = {}
    for run in (*block_runs(), *replay_runs(), *engine_runs()):
        found.setdefault((run.block, run.mode, run.format), []).append(run.test)
    module = importlib.import_module(SOFTWARE_TESTS)
    for row, name in SOFTWARE.items():
        for case in cases(getattr(module, name)):
            cell = row, str(case["mode"]), str(case["name"])
            found.setdefault(cell, []).append(f"{SOFTWARE_TESTS.replace('.', '/')}.py::{name}")
    return found


def cell_test(found: dict[Cell, list[str]], cell: Cell) -> tuple[str, bool] | None:
    """The test to show of a cell, and whether it is one of a block around; of several that of the most cells."""
    row, mode, name = cell
    weight = Counter(test for tests in found.values() for test in set(tests))
    for block, around in ((row, False), (AROUND.get(row, row), True)):
        tests = found.get((block, mode, name))
        if tests:
            return max(sorted(set(tests)), key=lambda test: weight[test]), around
    return None


def holes(found: dict[Cell, list[str]]) -> list[Cell]:
    """Cells without a test."""
    cells = [(row, mode, name) for row in (*BLOCKS, *SOFTWARE) for mode in MODES for name in NAMES]
    return [cell for cell in cells if cell_test(found, cell) is None]


def tables(found: dict[Cell, list[str]]) -> Iterable[str]:
    """A table a mode, then the tests by their numbers."""
    numbers: dict[str, int] = {}
    for mode in MODES:
        yield from ("", f"## {TITLES[mode]}", "")
        others = "other integers"
        yield f"| block | {' | '.join(f'`{name}`' for name in NAMES)} | {others} |"
        yield "|---" * (len(NAMES) + 2) + "|"
        for row in (*BLOCKS, *SOFTWARE):
            cells = [_shown(cell_test(found, (row, mode, name)), numbers) for name in NAMES]
            more = sorted({f for r, m, f in found if (r, m) == (row, mode) and f[:3] == "int" and f not in NAMES})
            yield f"| {HARDWARE.get(row, row)} | {' | '.join(cells)} | {', '.join(more) or '-'} |"
    yield from ("", "## The tests", "")
    for test, number in numbers.items():
        path, _, name = test.partition("::")
        yield f"{number}. [`{path}`](../{path}) `{name}`"


def _shown(told: tuple[str, bool] | None, numbers: dict[str, int]) -> str:
    if told is None:
        return "**none**"
    test, around = told
    return f"{numbers.setdefault(test, len(numbers) + 1)}{'*' if around else ''}"


def refusals() -> Iterable[str]:
    """What is asked for, and the line that comes back."""
    yield from ("| asked for | the line |", "|---|---|")
    for what in REFUSED:
        yield f"| {what} | {line_of(what)} |"


def parameters_refused() -> Iterable[str]:
    """Verilog parameters of formats and modes that stop a simulation at time zero."""
    yield from ("| block | `$fatal` at time zero |", "|---|---|")
    for top, parameters, message in ILLEGAL:
        if OPTIONS & set(parameters) and "elaboration" not in message:
            yield f"| `{top}` | {message} |"


INTRO = """\
# Weight format x mode x block: where it is tested, or refused

`tests/test_combinations.py` holds this page to the tests as they are, and fails where a cell has none. It calls the
suite's own parametrized tests with every simulator replaced by a notebook, so a number below is a run that `make test`
makes. When tests have changed: `.venv/bin/python -m tests.combinations` writes the page anew.

A number is one test of the cell (of several the one that most cells have). With a star it runs a block around this one
and compares the inner block's own registers (`mac_array`: every register of every PE at every clock edge) or psums
(vector sets: all of them). Integers are one format with a width: the tables have 2, 4 and 8 bits, and which others are
tried. Training, freeze and graph know no modes; [formats](formats.md) has them. Groups and sums of maps are in the
engine's runs of every format and mode ([layers](layers.md)).
"""
OUTRO = """
## What is refused

Each is asked for in `tests/refusals.py`; the lines are what came back.

{refusals}

The circuit refuses as well. A descriptor that asks for what is not built in ends its run with
[error 6](rtl/accelerator.md#errors): {error}. Parameters:

{parameters}
"""


def page() -> str:
    """The page as it has to be."""
    ends = OUTRO.format(refusals="\n".join(refusals()), error=ERRORS[6], parameters="\n".join(parameters_refused()))
    return INTRO + "\n".join(tables(covered())) + "\n" + ends


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
