"""Verilator's own objects are kept by the first build that succeeds and lie ready for the next."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from tb.common import runtime_objects as module
from tb.common.runtime_objects import runtime_objects
from tests.replay_sets import HAS_VERILATOR


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Build folders, in a tree of their own."""
    if not HAS_VERILATOR:
        monkeypatch.setattr(module, "fingerprint", lambda sources, simulator, arguments: f"{arguments}")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    return folders


def built(folder: Path, word: str) -> None:
    for name in ("verilated.o", "verilated.d", "verilated_vpi.o", "verilator.o", "Vtop.o"):
        (folder / name).write_text(word)


def test_the_second_build_gets_those_of_the_first(folders: list[Path]) -> None:
    with runtime_objects(folders[0], "verilator", ["-O3"]):
        assert not list(folders[0].iterdir())
        built(folders[0], "first")
    with runtime_objects(folders[1], "verilator", ["-O3"]):
        assert {path.name for path in folders[1].iterdir()} == {"verilated.o", "verilated.d", "verilated_vpi.o"}
        assert {path.read_text() for path in folders[1].iterdir()} == {"first"}
        assert all(path.stat().st_mtime > time.time() + 3600 for path in folders[1].iterdir())
        built(folders[1], "second")
    with runtime_objects(folders[2], "verilator", ["-O3"]):
        assert (folders[2] / "verilated.o").read_text() == "first"


def test_other_options_and_failed_builds_give_nothing(folders: list[Path]) -> None:
    with suppress(RuntimeError), runtime_objects(folders[0], "verilator", ["-O3"]):
        built(folders[0], "first")
        raise RuntimeError
    with runtime_objects(folders[1], "verilator", ["-O3"]):
        assert not list(folders[1].iterdir())
        built(folders[1], "second")
    with runtime_objects(folders[2], "verilator", ["-O0"]):
        assert not list(folders[2].iterdir())


def test_a_tree_that_cannot_be_written_is_no_trouble(folders: list[Path]) -> None:
    (folders[0].parent / "build").write_text("a file where the folder would be")
    with runtime_objects(folders[0], "verilator", []):
        built(folders[0], "first")
    with runtime_objects(folders[1], "verilator", []):
        assert not list(folders[1].iterdir())
