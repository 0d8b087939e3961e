"""The reader of dumps and the wavefront drawn from one: against dumps whose content is known, and a simulator's own."""

from __future__ import annotations

import re

import pytest

from model.errors import LockstepError
from model.files import read_json
from scripts import sim
from scripts.report import main
from scripts.reporting import wavefront
from tb.waves.vcd import Dump, Edge, instances
from tests.replay_sets import write_set
from tests.report_results import Page, dump, pixels, put
from tests.vector_sets import Foreign

HEADER = """$date Sun Nov 22 $end
$version by hand $end $timescale 10 ns $end
$scope module top $end
$var wire 1 ! clk $end
$var reg 4 # count [3:0] $end
$scope begin gen[1] $end $var wire 1 b bit $end $upscope $end
$var real 64 r level $end
$upscope $end
$enddefinitions $end
"""
BODY = """#0 $dumpvars 0! bx # xb r0.5 r $end
#1 1! b0001 # 1b
#2 0! zb
$comment 1! $end
#3 b1 # 1! b10 #
#4 0!
#5 1! 0b
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "core.vcd"


def edges(path, text, clock="top.clk", names=("top.count", "top.gen[1].bit")):
    path.write_text(text)
    with Dump(path) as found:
        return list(found.edges(clock, names))


def test_edges_have_the_values_from_before_them(path):
    assert edges(path, HEADER + BODY) == [
        Edge(100_000 // 10, ("x", "x")),
        Edge(300_000 // 10, ("0001", "z")),  # what changes with the edge belongs to the next cycle
        Edge(500_000 // 10, ("10", "z")),  # the last change of a time step counts
    ]


def test_the_header_is_read(path):
    path.write_text(HEADER)
    with Dump(path) as found:
        assert found.signals["top.count"] == ("#", 4)
        assert found.signals["top.gen[1].bit"] == ("b", 1)
        assert (found.scale, found.date) == (10_000, "Sun Nov 22")
        assert instances(found.signals, r"gen\[(\d+)\]\.bit") == {(1,): "top.gen[1].bit"}


def test_a_clock_that_is_unknown_first_has_no_edge(path):
    assert edges(path, HEADER + "#0 x! #1 1! #2 0! #3 1!", names=()) == [Edge(30_000, ())]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no $enddefinitions"),
        ("hello", "no $enddefinitions"),
        ("$date never ends", "breaks off in its header"),
        ("$timescale 3 ns $end", "time scale '3 ns'"),
        (HEADER + "#0 0! what", "'what' is no value change"),
        (HEADER.replace("clk", "tick"), "has no signal top.clk"),
    ],
)
def test_what_is_no_dump_is_refused(path, text, told):
    with pytest.raises(LockstepError, match=re.escape(told)):
        edges(path, text)


def test_a_missing_dump_is_refused(path):
    with pytest.raises(LockstepError, match="cannot read"):
        Dump(path)


def expected(rows, cols, passes, cycle):
    """Pass at each PE in `cycle`: what entered PE (0, 0) r + c cycles before is at PE (r, c)."""
    entering = pixels(passes)
    indices = [cycle - r - c for r in range(rows) for c in range(cols)]
    return [entering[i][2] if 0 <= i < len(entering) else wavefront.IDLE for i in indices]


@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (2, 3), (1, 1)])
@pytest.mark.parametrize("passes", [[(16, 0), (16, 0)], [(4, 0)] * 5, [(3, 2), (1, 0), (2, 4), (5, 0)]])
def test_the_wave_is_what_the_dump_holds(path, rows, cols, passes):
    path.write_text(dump(rows, cols, passes))
    wave = wavefront.read(path, 20)
    length = len(pixels(passes)) + rows + cols - 2
    every = [expected(rows, cols, passes, cycle) for cycle in range(length)]
    assert (wave.rows, wave.cols, wave.pass_count, wave.whole) == (rows, cols, len(passes), True)
    assert wave.passes == every[:20]
    assert wave.busy == [sum(number >= 0 for number in cycle) for cycle in every]
    assert sum(wave.busy) == rows * cols * sum(count for count, _ in passes)
    assert (wave.start_ps, wave.cycle_ps) == (25_000, 10_000)


def test_a_flag_stuck_at_0_is_seen(path):
    path.write_text(dump(3, 3, [(16, 0)], stuck=(1, 2)))
    wave = wavefront.read(path, 20)
    assert {cycle[1 * 3 + 2] for cycle in wave.passes} == {wavefront.IDLE}
    assert sum(wave.busy) == 16 * 8


def test_a_long_dump_is_cut_and_says_so(path, monkeypatch):
    monkeypatch.setattr(wavefront, "MOST_CYCLES", 12)
    path.write_text(dump(2, 2, [(30, 0)]))
    wave = wavefront.read(path, 4)
    assert (len(wave.busy), wave.whole) == (12, False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEADER, "holds no PE"),
        (dump(2, 2, []), "no pixel enters"),
        (dump(2, 2, [(4, 0)]).replace("gen_col[1]", "gen_col[3]"), "not 2 x 4"),
    ],
)
def test_a_dump_of_something_else_is_refused(path, text, told):
    path.write_text(text)
    with pytest.raises(LockstepError, match=told):
        wavefront.read(path, 4)


def drawn(source):
    """Of each small picture, the kind of every square, row by row."""
    found = []
    for figure in re.findall(r"<figure><svg.*?</svg>", source):
        squares = {}
        for path, kind in re.findall(r'<path d="([^"]*)" class="(\w+)"', figure):
            squares |= {(float(y), float(x)): kind for x, y in re.findall(r"M([0-9.]+) ([0-9.]+)h9", path)}
        found.append([squares[place] for place in sorted(squares)])
    return found


def test_the_picture_on_the_page_is_the_dump(tmp_path):
    passes = [(4, 0)] * 7
    (tmp_path / "build/sim").mkdir(parents=True)
    (tmp_path / "build/sim/core.vcd").write_text(dump(8, 8, passes, stuck=(1, 5)))  # rows are not columns
    assert main(["--build", str(tmp_path / "build"), "--out", str(tmp_path / "out")]) == 0
    found = drawn((tmp_path / "out/index.html").read_text())
    assert len(found) == 32
    for cycle, kinds in enumerate(found):
        wanted = expected(8, 8, passes, cycle)
        wanted[1 * 8 + 5] = wavefront.IDLE
        assert kinds == ["idle" if number < 0 else f"p{number % 4}" for number in wanted]


def test_a_dump_that_cannot_be_read_is_told(tmp_path):
    put(tmp_path, "sim", {"passed": True})
    (tmp_path / "sim/core.vcd").write_text(HEADER)
    assert main(["--build", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    told = read_json(tmp_path / "out/result.json")["unreadable"]["core.vcd"]
    assert "holds no PE" in told
    assert told in Page((tmp_path / "out/index.html").read_text()).shown


def test_a_simulators_dump_counts_what_its_run_counts(tmp_path):
    out = tmp_path / "build/sim"
    folder = write_set(Foreign(rows=4, cols=3, kernel=(2, 2), padded=(3, 3)), tmp_path / "set")
    assert sim.main(["--vectors", str(folder), "--out", str(out), "--no-registers", "--waves", "vcd"]) == 0
    wave, result = wavefront.read(out / "core.vcd", 8), read_json(out / "result.json")
    parts = result["breakdown"]
    assert sum(wave.busy) == 4 * 3 * parts["pixels"]
    assert len(wave.busy) == parts["pixels"] + parts["bubbles"] + 4 + 3 - 2
    assert [sum(number >= 0 for number in cycle) for cycle in wave.passes[:3]] == [1, 3, 6]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("#1 1!", "#1 1?"), "does not declare"),
        (("b0001 #", "b00011 #"), "gives 4 bits"),
        (("b0001 #", "b0002 #"), "is no value"),
        (("r0.5 r", "rx r"), "is no value"),
        (("#3", "#1"), "stands behind 2"),
        (("#5", "#" + "5" * 5000), "is no value change"),
        (("$enddefinitions $end", "$enddefinitions"), "without \\$end"),
        (("var wire 1 b", "var wire 1 #"), "bits wide and"),
        (("#0 $dumpvars", "0" * (1 << 20)), "has a line of"),
    ],
)
def test_a_dump_that_says_what_cannot_be_is_refused(path, change, told):
    """They were taken as they were, passed over, or a traceback: found by make fuzz."""
    assert change[0] in HEADER + BODY
    with pytest.raises(LockstepError, match=told):
        edges(path, (HEADER + BODY).replace(*change))
