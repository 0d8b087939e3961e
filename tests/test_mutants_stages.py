"""The stages: simulations of the suite, drawn layers of every sort, and what each says of a faulty engine."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path

import pytest

from model.program.draw import EVERY_ARRAY, Draw, draw
from tb.common.runner import BuildError, SimulationError
from tb.common.sources import read_rtl
from tb.mutants import stage as running
from tb.mutants.campaign import mutate
from tb.mutants.patches import read_mutants
from tb.mutants.stage import DRAW_SEED, DRAWS, OS_DRAWS, Kind, Stage, run_stage
from tb.mutants.stages import GRAPHS, STAGES, drawn, stages_of
from tb.network.draws import stall_of
from tests.mutant_patches import TOLD
from tests.suite_runs import BLOCK_TESTS, simulations

pytestmark = pytest.mark.slow

SIMULATED = [(tests, parameters) for _, _, tests, parameters, whole in simulations() if whole]
RTL = read_rtl()
MUTANTS = read_mutants()


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_stages_are_simulations_of_the_suite(stage: Stage) -> None:
    """What kills a mutant here is a test and a parameter set that `make test` runs as well."""
    if stage.tests == OS_DRAWS:
        suite = importlib.import_module("tb.network.test_os")
        assert stage.array.removesuffix("_os") in suite.BOTH
        assert stage.draws == (suite.DRAWS,)
        return
    if stage.draws:
        assert stage.parameters == EVERY_ARRAY[stage.array].parameters
        return
    if stage.top in BLOCK_TESTS.values():
        assert (stage.tests, stage.parameters) in SIMULATED, stage
        return
    suite = importlib.import_module(f"tb.{stage.top}.test_{stage.top}")
    if isinstance(suite.SETS, dict):
        assert stage.parameters in suite.SETS.values(), stage
        return
    assert tuple(stage.parameters.values()) in suite.SETS, stage
    names = getattr(suite, "NAMES", None)
    assert names is None or tuple(stage.parameters) == names


def test_no_two_stages_have_one_name() -> None:
    assert len({stage.name for stage in STAGES}) == len(STAGES)


def sorts(each: Draw) -> set[str]:
    """What a drawn layer is an example of."""
    table, shape = each.program.descriptor, each.shape
    stalled, tiles = stall_of(each.index) > 0, table.oc > 1
    marks = {
        "padding above": table.y_start < 0,
        "padding to the left only": table.x_start < 0 == table.y_start,
        "planes": table.planes and table.sub > 1,
        "more than two planes": table.planes and table.sub > 2,
        "banks": not table.planes and table.sub > 1,
        "pooling over several rows and columns": table.dx > 1 and table.wx > 1 and table.wy > 1,
        "logits": table.wide,
        "several channel tiles and a kernel": table.ic > 1 and table.kx > 1,
        "segments, each used twice": shape.segments > 1 and table.oc > shape.segments and table.out_map > 1,
        "output tiles of one pass": tiles and table.passes == 1,
        "output tiles of many passes": tiles and table.passes > 2,
        "output tiles under stalls": tiles and stalled,
        "groups": table.step_oc > 0 and table.ic == 1,
        "groups of two maps": table.step_oc > 0 and table.ic == 2 and table.step_ic != table.step_oc,
        "a shift of 32 or more": table.shift >= 32,
        "codes below all ones": not table.wide and table.out_max < (1 << shape.act_width) - 1,
        "waiting, by the cycle model": not stalled and each.program.cycles.waiting > 0,
    }
    return {mark for mark, met in marks.items() if met}


def test_the_drawn_layers_are_of_every_sort() -> None:
    first = [stage for stage in STAGES if stage.tests == DRAWS and not stage.more]
    draws = [draw(DRAW_SEED, index, stage.array) for stage in first for index in stage.draws]
    found = set().union(*map(sorts, draws))
    assert found == {
        *("padding above", "padding to the left only", "planes", "more than two planes", "banks", "logits"),
        *("pooling over several rows and columns", "several channel tiles and a kernel", "segments, each used twice"),
        *("output tiles of one pass", "output tiles of many passes", "output tiles under stalls"),
        *("groups", "groups of two maps"),
        *("a shift of 32 or more", "codes below all ones", "waiting, by the cycle model"),
    }
    assert sum(each.program.cycles.total for each in draws) < 10_000


ACCELERATOR = ["wire_tests", "register_tests", "run_tests", "error_tests"]
DRAWN = ["4x4", "12x4", "4x12", "4x4_pairs", "8x4_pairs"]
ENGINES = [
    *(f"engine_tests_{array}" for array in [*DRAWN, "4x4_both"]),
    "draws_4x4",
    "draws_12x4",
    "draws_4x12",
    "draws_4x4_pairs",
    "draws_8x4_pairs",
    "os_draws_4x4_os",
    *(f"draws_{array}_more" for array in DRAWN),
    *(f"draws_{array.replace(' ', '_')}_graphs" for array in GRAPHS),
    *ACCELERATOR,
]


def test_a_mutant_meets_the_stages_that_contain_it() -> None:
    names = {module: [stage.name for stage in stages_of(module, RTL)] for module in RTL}
    core = ["core_unit_tests", "core_range_tests", "core_os_tests", "core_unit_tests_both"]
    core += ["core_pair_tests", "core_unit_tests_pairs"]
    assert names["core"] == [*core, *ENGINES]
    assert names["sfp"] == ["sfp_tests", *core, *ENGINES]
    assert names["delay"] == ["delay_tests", "l0_tests", "ofifo_tests", *core, *ENGINES]
    array = [
        "mac_tile_tests",
        "mac_tile_pair_tests",
        "mac_tile_tests_pairs",
        "mac_tile_pair_tests_level5",
        "mac_tile_tests_pairs_level5",
        "mac_array_pair_tests",
        "mac_row_tests",
        "mac_array_tests",
        "mac_array_os_tests",
        "mac_array_os_tests_level5",
    ]
    assert names["mac_tile"] == [*array, *core, *ENGINES]
    alone = ["sequencer_tests_pairs", "sequencer_tests_both"]
    assert names["walker"] == ["walker_tests", *alone, *ENGINES]
    assert names["sequencer"] == [*alone, *ENGINES]
    assert names["fifo"] == ["fifo_tests", "result_stream_tests", *ACCELERATOR]
    assert names["axil_regs"] == ["axil_regs_tests", "axil_regs_tests_least", *ACCELERATOR]


FAILED_DRAWS = {
    "an assertion": (SimulationError("broke off"), Kind.ASSERTION, "draw 2", "rtl/core.v:9: engine.u_core: overflow"),
    "a difference": ({3: "code 0 differs", 2: "hung in layer 0"}, Kind.COMPARISON, "draw 2", "hung in layer 0"),
    "nothing": ({}, Kind.PASSED, "", ""),
    "no Verilog": (BuildError("x.v:3: error: ;\nI give up."), Kind.ERROR, "", "does not build: x.v:3: error: ;"),
    "no reason": (SimulationError("killed"), Kind.ERROR, "", "killed"),
}


@pytest.mark.parametrize("what", FAILED_DRAWS)
def test_a_verdict_on_drawn_layers(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The draw that failed is named: of an assertion, the one behind those that ended before it."""
    found, *verdict = FAILED_DRAWS[what]

    def simulated(draws: object, folder: Path, *arguments: object, **options: object) -> tuple[object, None]:
        folder.mkdir(parents=True)
        told = "FATAL: rtl/core.v:9: engine.u_core: overflow" if what == "an assertion" else "..."
        (folder / "sim.log").write_text(f"JOB 0 0 0 9 0 0 0\n{told}\n")
        if isinstance(found, Exception):
            raise found
        return found, None

    monkeypatch.setattr(running, "run_draws", simulated)
    told = run_stage(drawn("4x4", 1, 2, 3), tmp_path, tmp_path / "build", checks=True)
    assert [told.kind, told.test, told.message] == verdict


def test_an_endless_simulation_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LIMIT_SECONDS", 3)
    (tmp_path / "sfp.v").write_text(RTL["sfp"].replace(TOLD, TOLD + "\n  initial while (1) ;"))
    stage = next(stage for stage in STAGES if stage.top == "sfp")
    verdict = run_stage(stage, tmp_path, tmp_path / "build", checks=True)
    assert (verdict.kind, verdict.message) == (Kind.ERROR, "did not end within 3 s")


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (None, Kind.PASSED, ""),
        ("waiting_not_counted", Kind.COMPARISON, "waiting 0 instead of 15, .*by the cycle model"),
        (
            "first_pixel_does_not_wait",
            Kind.ASSERTION,
            r"rtl/loader\.v:\d+: .*a swap without a whole tile in the shadow",
        ),
    ],
)
def test_drawn_layers_on_a_faulty_engine(name: str | None, kind: Kind, message: str, tmp_path: Path) -> None:
    mutant = next((mutant for mutant in MUTANTS if mutant.name == name), None)
    (tmp_path / "rtl").mkdir()
    for module, source in (mutate(mutant, RTL) if mutant else RTL).items():
        (tmp_path / "rtl" / f"{module}.v").write_text(source)
    verdict = run_stage(drawn("4x4", 1), tmp_path / "rtl", tmp_path / "build", checks=True)
    assert verdict.kind is kind, verdict
    assert verdict.test == ("draw 1" if mutant else "")
    assert re.match(message, verdict.message)
