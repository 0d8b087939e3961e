"""accelerator under cocotb: small arrays of every form through the whole list of tests, then a trained network."""

from __future__ import annotations

from itertools import product

import pytest

from model.graph.storage import load
from model.numeric.weights import named
from model.program.fit import fitting_shape
from tb.accelerator.arrays import ARRAYS, BUILT_IN, SMALL
from tb.common.runner import ROOT, simulate
from tb.common.weight_formats import weight_parameters
from tests.format_graphs import NAMES
from tests.replay_sets import HAS_VERILATOR

SQUARE, BANKS, SEGMENTS = ARRAYS


@pytest.mark.parametrize(
    ("tests", "array"),
    [
        ("wire_tests", SEGMENTS),
        ("register_tests", SEGMENTS),  # tb/axil_regs has them with parameters of every size
        *product(("run_tests", "error_tests"), (SQUARE, SEGMENTS)),
        ("run_tests", BANKS),  # banks are of no concern to errors
    ],
)
def test_accelerator(tests: str, array: str) -> None:
    """Registers; runs and stalls; errors and resets."""
    simulate("accelerator", f"tb.accelerator.{tests}", SMALL | ARRAYS[array])


def test_wires_of_a_wide_accelerator() -> None:
    """An activation line as wide as its bus, eight logits in a line."""
    simulate("accelerator", "tb.accelerator.wire_tests", SMALL | {"Rows": 8, "Cols": 8})


FORMATS = {name: weight_parameters(named(name)) for name in NAMES}
EVERY = SMALL | ARRAYS["4x4"] | {"PsumWidth": 22}


@pytest.mark.parametrize(
    ("name", "mode"), [*product(FORMATS, ("simd", "os")), *product(("pot4", "level5"), ("ws",))], ids=str
)
def test_accelerator_in_every_format_and_mode(name: str, mode: str) -> None:
    """Two runs, all counters: the first layer in the mode, the second plain, in every format."""
    only = ["test_a_run_gives_its_results_and_exactly_the_predicted_counters"]
    simulate("accelerator", "tb.accelerator.run_tests", EVERY | FORMATS[name] | BUILT_IN[mode], only=only)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["simd", "os"])
def test_accelerator_of_two_modes(mode: str) -> None:
    """The mode is read; runs in two parts, under stalls; errors in a layer of the mode, and of the other."""
    built = EVERY | FORMATS["level5"] | BUILT_IN[mode]
    asked = {
        "register_tests": ["test_software_reads_what_is_built_in_and_refuses_the_rest"],
        "run_tests": ["test_layers_one_by_one_give_the_same"],
        "error_tests": ["test_last_missing_is_error_3", "test_a_mode_that_is_not_built_in_is_error_6"],
    }
    if mode == "os":  # a word of its stream stays at the port until its last term is used
        asked["run_tests"].append("test_stalls_on_every_bus_change_nothing_but_time")
    for tests, only in asked.items():
        simulate("accelerator", f"tb.accelerator.{tests}", built, only=only)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["verilator"] if HAS_VERILATOR else [])
def test_verilator_agrees_in_counters_timing_and_stalls(simulator: str) -> None:
    """A part of the runs; `make test SIM=verilator` has all of this file's tests in it."""
    simulate(
        "accelerator",
        "tb.accelerator.run_tests",
        SMALL | ARRAYS["4x4"],
        simulator=simulator,
        only=[
            "test_a_run_gives_its_results_and_exactly_the_predicted_counters",
            "test_start_and_end_of_a_run_have_the_timing_of_the_docs",
            "test_stalls_on_every_bus_change_nothing_but_time",
        ],
    )


@pytest.mark.slow
def test_a_trained_network_over_axi() -> None:
    """The zoo's small network on the smallest 8x8 engine that it fits, its sample digit, all buses stalling."""
    zoo = ROOT / "model" / "zoo"
    graph = zoo / "tiny.graph.zip"
    simulate(
        "accelerator",
        "tb.accelerator.network_tests",
        fitting_shape(load(graph)).parameters,
        environment={"LOCKSTEP_GRAPH": str(graph), "LOCKSTEP_IMAGE": str(zoo / "sample_digit.npy")},
    )
