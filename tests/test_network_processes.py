"""Training by several processes: two of them with half a batch each take the steps of one with the whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from model.errors import LockstepError
from model.files import alone, read_json
from model.network import train
from model.network.processes import joined, process_count
from tests.trained import ROOT, recipe, small_network, state_tensors, stripes

pytestmark = pytest.mark.slow


def torchrun(processes: int, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with the ends of groups: one process, two, and twice two that share no disk."""
    folder = tmp_path_factory.mktemp("ranks")
    plan = [("1", 1, False), ("2", 2, False), ("apart", 2, True), ("apart", 2, True)]
    (folder / "plan.json").write_text(json.dumps(plan))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "forked_ranks.py"), "plan.json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def end_of(folder: Path) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in state_tensors(folder / "checkpoint.pt").items()}


def apart(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Greatest distance of a tensor from its counterpart, as a share of its length."""
    return max(
        float(np.linalg.norm(one[name] - other[name]) / (np.linalg.norm(one[name]) + 1e-9))
        for name in one
        if "num_batches" not in name
    )


def test_two_processes_take_the_steps_of_one_with_the_whole_batch(runs):
    whole, shared = end_of(runs / "1"), end_of(runs / "2")
    assert whole.keys() == shared.keys()
    assert apart(whole, shared) < 1e-5
    starts = [next((runs / each).glob("float-*.pt")) for each in ("1", "2")]
    before = [{k: v.double().numpy() for k, v in state_tensors(path).items()} for path in starts]
    assert apart(*before) < 1e-5
    assert apart(before[0], whole) > 0.01, "the QAT leg moved the weights: the comparison sees something"


def test_a_process_whose_machine_has_no_checkpoint_gets_the_first_ones(runs):
    """Machines of a cluster need not share a disk: here each process has a folder of its own, and runs twice."""
    folders = [runs / "apart" / f"machine{index}" for index in (0, 1)]
    assert (folders[0] / "checkpoint.pt").exists()
    assert not (folders[1] / "checkpoint.pt").exists()
    told = [(folder / f"told{index}").read_text().split() for index, folder in enumerate(folders)]
    assert len({word for words in told for word in words}) == 1
    again = [(runs / "apart" / f"out{index}").read_text() for index in (0, 1)]
    assert [out.count("resuming after 2 float and 2 QAT epochs") for out in again] == [1, 0]


def test_a_batch_that_the_processes_cannot_share(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "process_count", lambda: 3)
    with pytest.raises(LockstepError, match="3 processes cannot share a batch of 16 evenly; start as many as divide"):
        train.Trainer(small_network(), stripes(), recipe(), tmp_path, quiet=True)


def test_make_trains_command_under_torchrun(tmp_path):
    arguments = ["-m", "scripts.train", "--net", "tiny", "--float-epochs", "1", "--qat-epochs", "1", "--quiet"]
    done = torchrun(2, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    result = read_json(tmp_path / "build" / "train" / "tiny" / "result.json")
    assert result["passed"] is True
    assert result["codes_differing"] == 0
    assert result["processes"] == 2
    assert done.stdout.count("integers only") == 1


def test_without_torchruns_variables_complete_it_says_so(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WORLD_SIZE": "2"}
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "scripts.train", "--net", "tiny", "--quiet"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: the processes of torchrun cannot join: ")


@pytest.mark.parametrize("world", ["", "two"])
def test_a_number_of_processes_that_is_none(world, monkeypatch):
    """An empty one is one process alone."""
    monkeypatch.setenv("WORLD_SIZE", world)
    refused = pytest.raises(LockstepError, match="the processes of torchrun cannot join")
    with refused if world else nullcontext(), joined():
        assert process_count() == 1


def test_a_process_that_ends_early_takes_the_others_along_without_a_traceback(tmp_path):
    arguments = ["-m", "scripts.train", "--net", "tiny", "--quiet"]
    with alone(tmp_path / "build" / "train" / ".tiny.lock", "the test"):
        done = torchrun(2, tmp_path, *arguments)
    assert done.returncode != 0
    assert "another run of tiny is at work already" in done.stderr
    assert "scripts/training.py" not in done.stderr, "no traceback, whichever way the other one hears of it"


def test_one_process_alone_needs_no_group():
    assert not torch.distributed.is_initialized()
