"""INIT=random: registers and memories do begin at random, tests pass all the same, and a forgotten reset does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from model.errors import LockstepError
from model.program.draw import draw
from tb.common.initial import SEEDS, plusargs, random_start, randomize
from tb.common.runner import ROOT, SimulationError, simulate
from tb.network.draws import run_draws

SRAM = {"Width": 40, "Depth": 12}
COUNT_RESET = "      count_q <= {CountWidth{1'b0}};\n"


@pytest.fixture(autouse=True)
def random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INIT", "random")


def first_values(folder: Path, seed: int) -> list[int]:
    """What an sram of SRAM holds at time 0."""
    simulate("sram", "tb.common.initial_tests", SRAM, seed=seed, environment={"FIRST_VALUES": str(folder / "values")})
    return [int(word) for word in (folder / "values").read_text().split()]


@pytest.mark.slow
def test_memories_and_registers_begin_at_random_by_the_seed(tmp_path: Path) -> None:
    values = first_values(tmp_path, 1)
    assert len(set(values)) == len(values) == SRAM["Depth"] + 1
    assert min(values) < 1 << 37, "the topmost of 40 bits are not always set"
    assert max(values) >= 1 << 39, "and not always clear"
    assert first_values(tmp_path, 1) == values
    assert first_values(tmp_path, 2) != values


def test_a_block_passes_from_random_values() -> None:
    assert simulate("fifo", "tb.fifo.fifo_tests", {"Width": 5, "Depth": 3}).tests == 2


def test_a_forgotten_reset_is_found(tmp_path: Path) -> None:
    """By its first test, which resets only once, at the start, and which Verilator's zeros would let pass."""
    shutil.copytree(ROOT / "rtl", tmp_path / "rtl")
    source = (tmp_path / "rtl" / "fifo.v").read_text()
    assert source.count(COUNT_RESET) == 1
    (tmp_path / "rtl" / "fifo.v").write_text(source.replace(COUNT_RESET, ""))
    with pytest.raises(SimulationError, match=r"full_o 1, expected|valid_o 1 over None"):
        simulate(
            *("fifo", "tb.fifo.fifo_tests", {"Width": 5, "Depth": 4}),
            rtl=tmp_path / "rtl",
            build_root=tmp_path / "build",
            only=["test_order_is_kept_through_any_traffic"],
        )


def test_drawn_layers_pass_from_random_values(tmp_path: Path) -> None:
    draws = [draw(1, index, "4x4") for index in (1, 2, 9)]
    wrong, report = run_draws(draws, tmp_path, "icarus")
    assert not wrong
    assert report.jobs == len(draws)
    assert "random_pipe_q" in (tmp_path / "random" / "delay.v").read_text()


def test_a_seed_is_what_both_simulators_take() -> None:
    for seed in (0, 1, -5, SEEDS, 10**30):
        number = int(plusargs("icarus", seed)[0].rpartition("=")[2])
        assert 1 <= number <= SEEDS
        assert plusargs("verilator", seed) == ["+verilator+rand+reset+2", f"+verilator+seed+{number}"]


def test_registers_of_every_sort_get_a_value_and_nets_none() -> None:
    source = """module m (output reg y);
  reg [W-1:0] a_q, b;  // <= in a comment
  reg [7:0] mem [0:3];
  integer n_q;
  wire less = a_q <= b;
  always @(*) b = (a_q <= 3) ? 1 : 0;
  always @(posedge c) begin
    if (a_q <= 2) {a_q, n_q} <= 0;
    else mem[n_q] <= 1;
  end
endmodule"""
    made = randomize(source, "m.v")
    assert made.count("\n") == source.count("\n")
    assert [word for word in made.split() if word.startswith("random_") and "." not in word] == [
        "random_a_q",
        "random_mem",
        "random_n_q",
    ]
    assert "for (i = 0; i <= 3; i = i + 1)" in made


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("reg a; always @(posedge c) a <= 1; always @(*) a = 0;", "m.v: a is written by <= and by ="),
        ("module m (output reg a); always @(posedge c) a <= 1; endmodule", "m.v: a is written by <=, but not declared"),
    ],
)
def test_what_it_cannot_reach_is_named(source: str, message: str) -> None:
    with pytest.raises(LockstepError, match=message):
        randomize(source, "m.v")


def test_another_init_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INIT", "zero")
    with pytest.raises(LockstepError, match="INIT is 'zero'; expected random"):
        random_start()
    monkeypatch.delenv("INIT")
    assert not random_start()
