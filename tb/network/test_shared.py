"""Simulators that are built once: by whoever comes first, whole or not at all."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model.program.draw import ARRAYS
from tb.common.runner import BuildError
from tb.network import bench
from tb.network.shared import Shared, shared_simulator

SIZES = {"Jobs": 1, "Descriptors": 1, "LoadLines": 9, "StreamWords": 5, "CodeLines": 1, "ResultLines": 1}


def ask(root: Path, array: str = "4x4", **sizes: int) -> Shared:
    return shared_simulator(root, ARRAYS[array], SIZES | sizes, "icarus")


def test_who_comes_together_builds_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(folder: Path, *more: Any, **named: Any) -> list[str]:
        time.sleep(0.2)
        (folder / "program").write_text("")
        return ["run", str(folder / "program")]

    monkeypatch.setattr(bench, "build", slow)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, [tmp_path / "all"] * 4))
    assert sorted(each.built for each in found) == [False, False, False, True]
    assert len({(each.name, *each.command) for each in found}) == 1
    assert Path(found[0].command[1]).is_file()
    assert ask(tmp_path / "all", LoadLines=4096) == found[0]._replace(built=False)  # of the same step
    others = [ask(tmp_path / "all", LoadLines=4097), ask(tmp_path / "all", Jobs=2), ask(tmp_path / "all", "8x8")]
    assert all(each.built for each in others)
    assert len({each.name for each in [found[0], *others]}) == 4
    assert not list((tmp_path / "all").glob(".*"))


def test_what_does_not_build_leaves_nothing(tmp_path: Path) -> None:
    rtl = tmp_path / "rtl"
    rtl.mkdir()
    (rtl / "engine.v").write_text("module engine; endmodul")
    with pytest.raises(BuildError, match="does not build"):
        shared_simulator(tmp_path / "all", ARRAYS["4x4"], SIZES, "icarus", rtl=rtl)
    assert [path.suffix for path in (tmp_path / "all").iterdir()] == [".lock"]
