"""`make sim` where the training packages cannot be imported: in the script, and in the Python inside the simulator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.files import read_json
from tests.replay_sets import write_set
from tests.vector_sets import Foreign

ROOT = Path(__file__).resolve().parents[1]
# Loaded by every Python that finds it on its path: tells of itself, closes the door to the training packages.
HOOK = """
import importlib.abc, os, sys
with open(os.environ["STARTED"], "a") as file:
    file.write(f"{sys.executable or 'embedded'} {sys.argv if hasattr(sys, 'argv') else ''} {os.getpid()}\\n")
class Closed(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "PIL", "sklearn", "scipy", "tqdm", "tensorboard"}:
            with open(os.environ["STARTED"], "a") as file:
                file.write(f"asked for {name}\\n")
            raise ModuleNotFoundError(f"{name} is not installed here")
sys.meta_path.insert(0, Closed())
"""


@pytest.fixture
def closed(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK)
    environment = {name: value for name, value in os.environ.items() if name != "LOCKSTEP_BUILD"}
    return {**environment, "PYTHONPATH": f"{tmp_path / 'hook'}{os.pathsep}{ROOT}", "STARTED": str(tmp_path / "started")}


def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_replay_asks_for_no_training_package(closed: dict[str, str], tmp_path: Path) -> None:
    folder = write_set(Foreign(rows=2, cols=2, kernel=(1, 1), padded=(2, 2)), tmp_path / "set")
    done = run(tmp_path, closed, "-m", "scripts.sim", f"--vectors={folder}", f"--out={tmp_path / 'out'}", "--waves=vcd")
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "out" / "result.json")["passed"] is True
    started = (tmp_path / "started").read_text()
    assert "asked for" not in started
    assert len({line.split()[-1] for line in started.splitlines()}) >= 3  # the script, and two simulations' own Python


def test_vectors_ask_for_none_either(closed: dict[str, str], tmp_path: Path) -> None:
    done = run(
        tmp_path, closed, "-m", "scripts.vectors", "--net=tiny", "--layer=classifier", f"--out={tmp_path / 'sets'}"
    )
    assert done.returncode == 0, done.stderr
    assert "asked for" not in (tmp_path / "started").read_text()


def test_the_hook_closes_the_door(closed: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, closed, "-c", "import model.network.nets")
    assert done.returncode == 1
    assert "torch is not installed here" in done.stderr
    assert "asked for torch" in (tmp_path / "started").read_text()
