"""Networks and layers on the engine, by the plain Verilog testbench: exact codes, exact cycles, faults found."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from model.graph import storage
from model.program.array import EngineShape
from model.program.compile import compile_graph
from model.program.compiled import Program
from model.program.draw import ARRAYS, draw
from model.program.fit import fitting_shape
from model.program.layout import Lines
from model.program.stream import Stream
from tb.common.runner import ROOT, SimulationError, default_simulator
from tb.network.bench import Job, Report, run_jobs
from tb.network.whole import Maps, counters_differ, job_of, layer_job
from tb.waves.vcd import Dump


@cache
def tiny() -> tuple[Program, Maps]:
    """The shipped digits network, compiled for 8x8, and all its maps for the shipped digit."""
    graph = storage.load(storage.ZOO / "tiny.graph.zip")
    return compile_graph(graph, fitting_shape(graph)), Maps.of(graph, np.load(storage.ZOO / "sample_digit.npy"))


def run(
    jobs: list[Job],
    shape: EngineShape,
    folder: Path,
    *,
    rtl: Path | None = None,
    checks: bool = True,
    waves: bool = False,
) -> Report:
    return run_jobs(folder, shape, jobs, default_simulator(), rtl=rtl, checks=checks, waves=waves)


def last_layers(first: int = 3) -> Job:
    """The short end of the tiny network: layers `first` to the logits."""
    program, maps = tiny()
    return job_of(program, maps, first, len(program.layers) - 1)


@pytest.mark.slow
def test_whole_network_is_exact_in_the_predicted_cycles(tmp_path: Path) -> None:
    program, maps = tiny()
    report = run([job_of(program, maps, 0, len(program.layers) - 1)], program.shape, tmp_path)
    assert (report.mismatches, report.errors, report.failed, report.jobs) == (0, {}, set(), 1)
    assert [item.layer for item in report.layers] == list(range(len(program.layers)))
    assert [counters_differ(item, program.layers[item.layer]) for item in report.layers] == [None] * len(report.layers)
    assert report.cycles == program.cycles.total


@pytest.mark.parametrize("stall", [40, 200])
def test_stalls_of_the_stream_cost_cycles_and_nothing_else(stall: int, tmp_path: Path) -> None:
    program, _ = tiny()
    report = run([replace(last_layers(4), stall=stall)], program.shape, tmp_path)
    assert (report.mismatches, report.errors) == (0, {})
    assert sum(item.pixels for item in report.layers) == sum(item.cycles.pixels for item in program.layers[4:])
    assert report.cycles > sum(item.cycles.total for item in program.layers[4:])
    assert all(item.cycles == item.pixels + item.waiting + item.filling for item in report.layers)


def test_one_wrong_code_is_found_and_named(tmp_path: Path) -> None:
    program, _ = tiny()
    job = last_layers(4)
    codes = job.writes.codes.copy()
    codes[2, 5] ^= 1
    report = run([replace(job, writes=Lines(job.writes.address, codes))], program.shape, tmp_path)
    assert report.mismatches == 1
    (shown,) = report.shown
    assert (shown.port, shown.layer, shown.index) == ("code", 4, 2)
    assert int(shown.expected, 16) ^ int(shown.got, 16) == 1 << (5 * program.shape.act_width)


def test_one_wrong_logit_is_found_and_named(tmp_path: Path) -> None:
    program, _ = tiny()
    job = last_layers(5)
    results = job.results.copy()
    results[1, 0] += 1
    report = run([replace(job, results=results)], program.shape, tmp_path)
    assert report.mismatches == 1
    assert [(item.port, item.layer, item.index) for item in report.shown] == [("result", 5, 1)]


@pytest.mark.parametrize("more", [1, -1])
def test_missing_and_surplus_lines_are_mismatches(more: int, tmp_path: Path) -> None:
    program, _ = tiny()
    job = last_layers(4)
    keep = len(job.writes.address) - 1
    address, codes = job.writes
    lines = Lines(np.append(address, address[-1:]), np.concatenate([codes, codes[-1:]]))
    if more < 0:
        lines = Lines(address[:keep], codes[:keep])
    assert run([replace(job, writes=lines)], program.shape, tmp_path).mismatches == 1


def test_a_wrong_address_is_a_mismatch(tmp_path: Path) -> None:
    program, _ = tiny()
    job = last_layers(4)
    address = job.writes.address.copy()
    address[0] += 1
    assert run([replace(job, writes=Lines(address, job.writes.codes))], program.shape, tmp_path).mismatches == 1


def with_last(job: Job, index: int, value: bool) -> Job:
    """`job` with the flag `last` of one stream word set otherwise."""
    last = job.stream.last.copy()
    last[index] = value
    return replace(job, stream=Stream(job.stream.words, last))


def test_stream_that_ends_early_is_error_2(tmp_path: Path) -> None:
    report = run([with_last(last_layers(5), 3, True)], tiny()[0].shape, tmp_path)
    assert "before the layer's last" in report.errors[0]
    assert report.failed == {0}


def test_stream_without_its_end_is_error_3(tmp_path: Path) -> None:
    report = run([with_last(last_layers(5), -1, False)], tiny()[0].shape, tmp_path)
    assert "without `last`" in report.errors[0]


def test_pass_longer_than_the_psum_memory_is_error_1(tmp_path: Path) -> None:
    program, maps = tiny()
    job = job_of(program, maps, 0, 0)
    report = run([job], replace(program.shape, psum_depth=63), tmp_path)
    assert "longer than the psum memory" in report.errors[0]


def test_layers_outside_the_table_are_error_4(tmp_path: Path) -> None:
    program, _ = tiny()
    job = replace(last_layers(5), first=program.shape.layers)
    report = run([job], program.shape, tmp_path, checks=False)
    assert "outside the descriptor table" in report.errors[0]


def test_run_after_a_failed_run_is_exact(tmp_path: Path) -> None:
    """An error ends a run; the next start works without a reset, whatever the failed one left in the buffers."""
    good = last_layers(5)
    words = len(good.stream.words)
    for cut in (3, words // 2, words - 2):  # cut: the stream of the first job ends there, with the flag
        stream = Stream(good.stream.words[: cut + 1], np.arange(cut + 1) == cut)
        report = run([replace(good, stream=stream), good], tiny()[0].shape, tmp_path)
        assert report.failed == {0}, cut
        assert "before the layer's last" in report.errors[0]
        assert report.jobs == 2
        assert counters_differ(report.layers[-1], tiny()[0].layers[5]) is None


FAULTS = {
    "requantize.v": ("total >>> shift_i", "total >> shift_i"),
    "pool.v": ("code > old", "code < old"),
    "sequencer.v": ("os ? !first[6] : !(&first[7:4])", "os ? !first[6] : !(&first[6:4])"),
    "loader.v": ("pass_q + 1'b1 == passes_n_i", "pass_q == passes_n_i"),
    "walker.v": ("addr_q + addr_step_i[l*AddrWidth", "addr_q - addr_step_i[l*AddrWidth"),
}


@pytest.mark.slow
@pytest.mark.parametrize("module", FAULTS)
def test_fault_in_the_rtl_is_found(module: str, tmp_path: Path) -> None:
    rtl = tmp_path / "rtl"
    shutil.copytree(ROOT / "rtl", rtl)
    old, new = FAULTS[module]
    text = (rtl / module).read_text()
    assert text.count(old) == 1
    (rtl / module).write_text(text.replace(old, new))
    program, _ = tiny()
    try:
        report = run([last_layers()], program.shape, tmp_path / "run", rtl=rtl, checks=False)
    except SimulationError:
        return
    assert report.mismatches or report.errors


def edges(folder: Path, names: tuple[str, ...]) -> dict[str, int]:
    """In how many cycles behind the reset each signal of the engine is 1, counted in the dump at their last edges."""
    with Dump(folder / "waves.vcd") as dump:
        signals = [f"network_tb.dut.{name}" for name in (*names, "rst_ni")]
        found = [edge.values for edge in dump.edges("network_tb.dut.clk_i", signals) if edge.values[-1] == "1"]
    return {name: sum(values[at] == "1" for values in found) for at, name in enumerate(names)}


@pytest.mark.parametrize("index", [3, 9])
def test_waveform_counters_and_prediction_agree(index: int, tmp_path: Path) -> None:
    one = draw(7, index)
    job = layer_job(one.program, one.codes, one.expected)
    report = run([job], ARRAYS[one.array], tmp_path, waves=True)
    (counted,) = report.layers
    assert counters_differ(counted, one.program) is None
    seen = edges(tmp_path, ("busy_o", "x_valid", "waiting", "filling", "pool_valid"))
    assert seen == {
        "busy_o": counted.cycles,
        "x_valid": counted.pixels,
        "waiting": counted.waiting,
        "filling": counted.filling,
        "pool_valid": counted.writes,
    }


def test_a_number_that_is_x_is_told_in_a_line(tmp_path: Path) -> None:
    """The layer's number has an unknown bit, and the codes differ: the report cannot say where."""
    rtl = tmp_path / "rtl"
    shutil.copytree(ROOT / "rtl", rtl)
    text = (rtl / "engine.v").read_text()
    wire, code = ".layer_o      (layer_o),", ".code_o      (code),"
    assert text.count(wire) == 1
    assert text.count(code) == 1
    text = text.replace(wire, ".layer_o      (layer_o[7:1]),").replace(code, ".code_o      (code[0]),")
    (rtl / "engine.v").write_text(text)
    program, _ = tiny()
    with pytest.raises(
        SimulationError, match=r"^a number has unknown bits, something in the RTL is X: MISMATCH code 0 "
    ):
        run_jobs(tmp_path / "run", program.shape, [last_layers(4)], "icarus", rtl=rtl, checks=False)  # that has X
