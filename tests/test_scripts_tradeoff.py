"""`make tradeoff`: a whole network on the array's gates, its toggles, and the formats side by side."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

import scripts.tradeoff as tradeoff
from model.errors import LockstepError
from model.files import read_json
from model.graph import storage
from model.numeric.formats import IntFormat
from model.program.compile import compile_graph
from model.program.fit import fitting_shape
from scripts.reporting.svg import Point, scatter
from tb.common.runner import BuildError, SimulationError
from tb.common.sources import read_rtl
from tb.common.tools import ToolError, find
from tb.synth.gates import invert
from tb.tradeoff import gates, jobs
from tests.integer_graphs import random_pixels, small_graph

pytestmark = pytest.mark.slow

RTL = Path(__file__).resolve().parents[1] / "rtl"


def real_yosys():
    try:
        return find("yosys")
    except LockstepError:
        return None


YOSYS = real_yosys()
needs_yosys = pytest.mark.skipif(YOSYS is None, reason="needs Yosys (make setup-synth)")


@pytest.fixture(scope="module")
def small():
    graph = small_graph()
    return graph, compile_graph(graph, fitting_shape(graph, 2, 2)), random_pixels(graph)


@pytest.fixture(scope="module")
def run_on_gates(small, tmp_path_factory):
    graph, program, pixels = small
    folder = tmp_path_factory.mktemp("gates")
    return folder, gates.run(program, graph, pixels, RTL, YOSYS, folder)


@needs_yosys
def test_a_whole_network_runs_on_the_gates_and_its_toggles_are_counted(small, run_on_gates):
    graph, program, _ = small
    folder, run = run_on_gates
    assert (run.report.mismatches, run.report.errors, run.report.jobs) == (0, {}, 1)
    assert run.report.cycles == sum(layer.cycles.total for layer in program.layers)
    height, width, values = *graph.input_shape[1:], 0
    for layer in graph.layers:
        height, width = layer.map_after(height, width)
        values += layer.out_channels * height * width
    assert run.values == values
    # every net toggles now and then, none more than twice a cycle on average (glitches within a time step included)
    assert run.nets < run.toggles < 2 * run.nets * run.report.cycles
    assert run.gates > 100
    assert not (folder / "run" / gates.DUMP).exists()


@needs_yosys
def test_an_inverted_gate_is_seen_in_the_network(small, tmp_path, monkeypatch):
    graph, program, pixels = small
    plain = gates.write_netlist

    def broken(*args):
        counted = plain(*args)
        path = args[-1] / "netlist" / "mac_array.v"
        path.write_text(invert(path.read_text(), 20)[0])
        return counted

    monkeypatch.setattr(gates, "write_netlist", broken)
    try:
        report = gates.run(program, graph, pixels, RTL, YOSYS, tmp_path).report
        seen = bool(report.mismatches or report.errors)
    except SimulationError as error:  # an assertion of the RTL around the gates may see it first
        seen = "FATAL" in str(error)
    assert seen


@needs_yosys
def test_a_run_that_never_writes_its_dump_does_not_hang(small, tmp_path, monkeypatch):
    graph, program, pixels = small
    monkeypatch.setattr(gates, "with_dump", lambda netlist, parameters: netlist.replace(");", ";", 1))
    with pytest.raises(BuildError, match="does not build"):
        gates.run(program, graph, pixels, RTL, YOSYS, tmp_path)
    monkeypatch.undo()
    original = gates.with_dump
    monkeypatch.setattr(gates, "with_dump", lambda *args: original(*args).replace('"toggles"', '"nothing"'))
    with pytest.raises(LockstepError, match="left no dump"):
        gates.run(program, graph, pixels, RTL, YOSYS, tmp_path)


def test_the_netlist_gets_parameters_and_a_dump():
    text = gates.with_dump(
        "module mac_row(a);\nendmodule\nmodule mac_array(clk_i);\n  wire a;\nendmodule\n", {"Rows": 2}
    )
    assert "module mac_array #(parameter integer Rows = 2) (clk_i);" in text
    assert re.search(
        r"wire a;\n  initial if .*\$dumpvars\(0, network_tb\.dut\.u_core\.u_array\); end\nendmodule\n$", text
    )
    with pytest.raises(LockstepError, match="no module mac_array"):
        gates.with_dump("module other(a); endmodule", {})


def test_a_network_is_found_in_all_its_formats(tmp_path):
    zoo, build = tmp_path / "zoo", tmp_path / "build"
    for path in (zoo / "tiny", zoo / "tinyres", build / "tiny_pot4" / "tiny_pot4", build / "tiny" / "tiny"):
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.save(small_graph(), path.with_name(path.name + storage.SUFFIX))
    base = dataclasses.replace(small_graph(), meta={"recipe": {"stage": "base"}})
    storage.save(base, zoo / f"tiny_base{storage.SUFFIX}")
    assert tradeoff.members("tiny", build, zoo) == ["tiny", "tiny_pot4"]
    assert tradeoff.members("tiny_base", build, zoo) == ["tiny_base"]
    with pytest.raises(LockstepError, match="no integer graph of network 'vgg'"):
        tradeoff.members("vgg", build, zoo)


def test_what_is_asked_for_must_make_sense(tmp_path, capsys):
    for arguments, told in (
        (["--net", "nothing"], "no integer graph of network 'nothing'"),
        (["--net", "tiny", "--gates", "yes"], "GATES=yes; expected 0 or 1"),
        (["--net", "tiny", "--jobs", "0"], "JOBS=0 is impossible"),
    ):
        assert tradeoff.main([*arguments, "--out", str(tmp_path)]) == 2
        assert told in capsys.readouterr().err


def test_a_network_is_measured_on_every_kind_of_array_that_it_gains_from():
    tiny = storage.load(storage.find("tiny"))
    found = tradeoff.programs(tiny)
    assert {mode: program.shape.output_stationary for mode, program in found.items()} == {"": 0, "os": 1}
    narrow = [dataclasses.replace(layer, act=IntFormat(2)) for layer in tiny.layers[1:]]
    clamped = [dataclasses.replace(layer, out=IntFormat(2)) for layer in [tiny.layers[0], *narrow[:-1]]]
    graph = dataclasses.replace(tiny, layers=(*clamped, narrow[-1]))
    found = tradeoff.programs(graph)
    assert {mode: program.shape.simd for mode, program in found.items()} == {"": 0, "pairs": 1, "os": 0}
    assert found["pairs"].cycles.total < found[""].cycles.total


def test_a_count_is_made_again_when_what_counts_changes(small, tmp_path, monkeypatch):
    graph, program, pixels = small
    tool = type("Any", (), {"source": "pypi", "version": "1"})()
    counting = tmp_path / "toggles.py"
    monkeypatch.setattr(jobs, "COUNTING", (counting,))

    def keys():
        tools = {"yosys": tool, "nextpnr-ecp5": tool}
        work = jobs.jobs_of("small", graph, program, pixels, tools, read_rtl(RTL), RTL, tmp_path, gates=True)
        return {job.name: job.key for job in work}

    counting.write_text("one")
    before = keys()
    assert keys() == before
    counting.write_text("two")
    assert {name for name, key in keys().items() if key != before[name]} == {"small/gates"}


def test_a_tool_that_fails_is_in_the_result(tmp_path, monkeypatch, capsys):
    class Broken:
        name, source, version = "yosys", "pypi", "1"

        def run(self, *args, **kwargs):
            raise ToolError("yosys: no such thing")

    monkeypatch.setattr(tradeoff, "find", lambda name, choice: Broken())
    monkeypatch.setattr(tradeoff, "members", lambda net: ["tiny"])
    assert tradeoff.main(["--net", "tiny", "--out", str(tmp_path)]) == 1
    result = read_json(tmp_path / "tiny" / "result.json")
    assert result["passed"] is False
    assert result["make"].startswith("make tradeoff NET=tiny")
    assert len(result["errors"]) == 2 * 5  # three areas, a clock, a run on gates
    assert {entry["name"]: entry["cycles"] for entry in result["networks"]} == {"tiny": 7401, "tiny os": 6942}
    assert all(entry["microseconds"] is entry["toggles_per_mac"] is None for entry in result["networks"])
    assert "FAIL" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "tiny")


def test_points_are_where_their_numbers_are():
    svg = scatter("title", [Point("a", 50, 0.9, "a"), Point("b", 100, 0.95, "b"), Point("c", 75, 0.925, "c")], "x")
    places = {
        told: (float(x), float(y)) for x, y, told in re.findall(r'cx="(\S+)" cy="(\S+)" r="4".*?<title>(\w)', svg)
    }
    (ax, ay), (bx, by), (cx, cy) = places["a"], places["b"], places["c"]
    assert ax < bx
    assert ay > by  # y grows downwards
    assert cx == pytest.approx((ax + bx) / 2, abs=0.02)
    assert cy == pytest.approx((ay + by) / 2, abs=0.02)
    assert ax - 44 == pytest.approx((bx - 44) / 2, abs=0.02)  # the x axis begins at 0


def test_points_of_one_place_keep_their_names_apart():
    svg = scatter("title", [Point(name, 10, 0.9, name) for name in ("one", "two", "three")], "x", percent=True)
    lines = [
        float(y)
        for y, name in re.findall(r'y="(\S+)" text-anchor="start">(\w+)', svg)
        if name in ("one", "two", "three")
    ]
    assert len(set(lines)) == 3
    assert min(b - a for a, b in zip(sorted(lines), sorted(lines)[1:], strict=False)) >= 11
