"""The make line of what was asked for."""

from __future__ import annotations

import argparse

import pytest

from scripts.given import given_line


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
def test_what_is_not_as_by_default_is_told(arguments: list[str], line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEED", raising=False)
    monkeypatch.delenv("INIT", raising=False)
    parser = argparse.ArgumentParser()
    for name, default in (("net", "vgg16"), ("image", "sample"), ("data", None), ("sim", "icarus"), ("act-width", "")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--only", action="append")
    parser.add_argument("--lanes", default="2")
    parser.add_argument("--no-registers", action="store_true")
    parser.add_argument("--out", default="build")
    args = parser.parse_args(arguments)
    args.lanes = int(args.lanes)  # a script may have read it by now
    assert given_line("network", parser, args) == line
    monkeypatch.setenv("INIT", "random")
    monkeypatch.setenv("SEED", "7")
    assert given_line("network", parser, args) == f"{line} SEED=7 INIT=random"
