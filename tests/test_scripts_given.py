"""The make line of what was asked for."""

from __future__ import annotations

import argparse
import re
import subprocess

import pytest

from scripts.given import FROM_OUTSIDE, given_line
from tb.common.runner import ROOT


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "make network NET=vgg16 SIM=icarus"),
        (["--net", "tiny", "--data", "here", "--out", "there"], "make network NET=tiny SIM=icarus"),
        (
            ["--image", "in/my cat.png", "--act-width", "8"],
            "make network NET=vgg16 IMAGE='in/my cat.png' SIM=icarus ACT_WIDTH=8",
        ),
        (["--only", "a", "--no-registers"], "make network NET=vgg16 SIM=icarus ONLY=a"),
        (["--only", "a", "--only", "b"], "make network NET=vgg16 SIM=icarus"),
        (["--sim", "verilator", "--lanes", "2"], "make network NET=vgg16 SIM=verilator"),
        (["--lanes", "8"], "make network NET=vgg16 SIM=icarus LANES=8"),
    ],
)
@pytest.mark.usefixtures("usual_start")
def test_what_is_not_as_by_default_is_told(arguments: list[str], line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("net", "vgg16"), ("image", "sample"), ("data", None), ("sim", "icarus"), ("act-width", "")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--only", action="append")
    parser.add_argument("--lanes", default="2")
    parser.add_argument("--no-registers", action="store_true")
    parser.add_argument("--out", default="build")
    args = parser.parse_args(arguments)
    args.lanes = int(args.lanes)  # a script may have read it by now
    assert given_line("network", parser, args, simulates=True) == line
    monkeypatch.setenv("INIT", "random")
    monkeypatch.setenv("SEED", "7")
    assert given_line("network", parser, args, simulates=True) == f"{line} SEED=7 INIT=random"
    assert given_line("network", parser, args) == line


def test_make_takes_what_the_lines_of_simulations_tell() -> None:
    awk = ["awk", "-f", "scripts/takes.awk", "Makefile"]
    taken = subprocess.run(awk, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    told = {
        target: simulates
        for path in sorted((ROOT / "scripts").glob("*.py"))
        for target, simulates in re.findall(
            r'given_line\(\s*"([a-z-]+)", parser, args(, simulates=True)?\s*\)', path.read_text()
        )
    }
    assert {"c", "random", "sim", "synth"} <= told.keys()
    for target, simulates in told.items():
        assert not simulates or {f"{target}:{name}" for name in FROM_OUTSIDE} <= set(taken), target
