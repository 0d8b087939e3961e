"""`make train` killed, interrupted and resumed, in processes of its own: it ends as an unbroken run does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from model.files import read_json
from tests.trained import KILLED_RUN as ARGUMENTS
from tests.trained import state_bytes

ROOT = Path(__file__).resolve().parents[1]
RUN = Path("build") / "train" / "tiny"


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(**more),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def same_end(folder: Path, unbroken: Path) -> None:
    assert state_bytes(folder / RUN / "checkpoint.pt") == state_bytes(unbroken / RUN / "checkpoint.pt")
    assert (folder / RUN / "tiny.graph.zip").read_bytes() == (unbroken / RUN / "tiny.graph.zip").read_bytes()
    results = [read_json(each / RUN / "result.json") for each in (folder, unbroken)]
    for result in results:  # the time taken is another
        del result["training_seconds"], result["training_seconds_by_leg"], result["integer_images_per_second"]
    assert results[0] == results[1]
    assert not list(folder.rglob(".*.part")), "what killed writes left behind is removed"


STEPS = 1438 // 64  # in an epoch
SOMEWHERE = [int(step) for step in np.random.default_rng(2).integers(1, STEPS + 1, 3)]
KILLS = [
    ("step", SOMEWHERE[0]),  # in the first epoch: no checkpoint yet
    ("writing", 1),  # half of the first checkpoint
    ("saved", 1),  # epoch 1 is kept
    ("step", STEPS + SOMEWHERE[1]),  # epoch 2 is kept, in epoch 3
    ("written", 1),  # the float leg is complete beside the file that other runs look for, not in its place
    ("written", 2),  # epoch 3 is complete beside the checkpoint, not in its place
    ("saved", 2),  # between the legs
    ("calibrated", 1),
    ("writing", 1),  # the first QAT checkpoint
    ("step", STEPS + SOMEWHERE[2]),  # QAT epoch 1 is kept
    ("saved", 2),  # complete, before the freeze
    ("frozen", 1),
    ("written", 1),  # the graph is not in its place yet
    ("saved", 1),  # the graph is, the result is not
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, dict[str, list[dict]]]:
    """A folder with three ways to the end, and how each of their processes ended: unbroken, killed, interrupted."""
    folder = tmp_path_factory.mktemp("runs")
    plan = [
        ("unbroken", None, 0),
        *(("killed", point, count) for point, count in [*KILLS, (None, 0)]),
        *(("interrupted", point, count) for point, count in [("interrupt", 3), ("interrupt", STEPS + 3), (None, 0)]),
    ]
    (folder / "plan.json").write_text(json.dumps(plan))
    process = start(folder, str(ROOT / "tests" / "killed_runs.py"), "plan.json", "ends.json")
    _, told = process.communicate(timeout=850)
    assert process.returncode == 0, told
    ends = json.loads((folder / "ends.json").read_text())
    return folder, {way: [end for end in ends if end["folder"] == way] for way in ("unbroken", "killed", "interrupted")}


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_weights_of_an_unbroken_run(runs):
    """SIGKILL in the float leg, between the legs, in QAT, while the checkpoint is written, while results are."""
    folder, ends = runs
    (end,) = ends["unbroken"]
    assert (end["exit"], end["stderr"]) == (0, "")
    *killed, last = ends["killed"]
    for end in killed:
        assert end["killed"] == signal.SIGKILL, f"{end['point']} {end['count']} was never reached"
    assert sum(end["parts"] > 0 for end in killed) >= 4, "writes were really cut off"
    assert (last["exit"], last["stderr"]) == (0, "")
    same_end(folder / "killed", folder / "unbroken")


@pytest.mark.slow
def test_ctrl_c_ends_in_one_line_and_the_same_command_resumes(runs):
    folder, ends = runs
    first, second, last = ends["interrupted"]
    for end in (first, second):
        assert end["exit"] == 130
        assert end["stderr"] == "interrupted; the same command goes on from the last finished epoch\n"
        assert end["parts"] == 0
    assert last["exit"] == 0
    same_end(folder / "interrupted", folder / "unbroken")


@pytest.mark.slow
def test_killed_from_outside_the_same_command_resumes(runs, tmp_path):
    process = start(tmp_path, "-m", "scripts.train", *ARGUMENTS)
    checkpoint = tmp_path / RUN / "checkpoint.pt"
    until = time.monotonic() + 300
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.3)  # in some step of the second epoch
    process.kill()
    process.communicate(timeout=60)
    assert checkpoint.exists()
    again = start(tmp_path, "-m", "scripts.train", *ARGUMENTS)
    out, told = again.communicate(timeout=500)
    assert (again.returncode, told) == (0, "")
    assert "resuming after" in out
    same_end(tmp_path, runs[0] / "unbroken")


def test_ctrl_c_while_torch_is_loaded_ends_in_the_same_line(tmp_path):
    (tmp_path / "torch.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n")
    process = start(tmp_path, "-m", "scripts.train", *ARGUMENTS, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == "interrupted; the same command goes on from the last finished epoch\n"
