"""The workers of a regression: what a farm is asked for, and jobs that end without an answer."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from model.errors import LockstepError
from scripts.regression import workers
from scripts.regression.summary import summarize
from scripts.regression.workers import Choice, farm, farm_options

CONFIG = """
cores = 2
memory = "4GB"
queue = "regress"
walltime = "02:00"
job_extra_directives = ["{extra}"]
job_script_prologue = ["module load iverilog"]
"""


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "farm.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("kind", "extra", "lines"),
    [
        ("slurm", "--exclusive", ["#SBATCH -p regress", "#SBATCH --mem=4G", "#SBATCH -t 02:00", "#SBATCH --exclusive"]),
        ("lsf", "-x", ["#BSUB -q regress", "#BSUB -n 2", "#BSUB -W 02:00", "#BSUB -x"]),
    ],
)
def test_a_farm_is_asked_for_what_its_file_says(config, kind, extra, lines):
    with farm(kind, farm_options(kind, config(CONFIG.replace("{extra}", extra)))) as cluster:
        script = cluster.job_script().splitlines()
    assert set(lines) <= set(script), script
    assert any("lockstep-regress" in line for line in script)
    command = script[-1]
    assert command.startswith(f"{sys.executable} -m distributed.cli.dask_worker tcp://")
    assert "--nworkers 2" in command  # a process a core
    assert "--nthreads 1" in command
    assert script.index("module load iverilog") < script.index(command)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cores = 1", 'memory is missing; expected cores = 1 and memory = "4GB"'),
        ('cores = "1"\nmemory = "4GB"', "cores is '1'; expected int"),
        ('cores = 1\nmemory = "4GB"\nnodes = 3', "no entry 'nodes' for slurm; expected of account, cores, "),
        ("cores = ", "expected TOML"),
        ('cores = 1\nmemory = "4GB"\nworker_extra_args = [1]', "worker_extra_args is [1]; expected list"),
    ],
)
def test_a_farms_file_is_checked(config, text, told):
    with pytest.raises(LockstepError) as error:
        farm_options("slurm", config(text))
    assert told in str(error.value)


def test_a_farm_takes_a_machine_that_may_submit(config, tmp_path, monkeypatch):
    monkeypatch.setattr(workers.shutil, "which", lambda program: None)
    choice = Choice(3, "", "slurm", str(config(CONFIG)), tmp_path)
    assert choice.told == "at most 3 slurm jobs"
    with pytest.raises(LockstepError, match="no sbatch on PATH"), workers.workers(choice):
        pass


def test_a_job_without_an_answer_fails_and_says_why():
    crash = subprocess.CalledProcessError(-9, ["python"], stderr="Killed")
    for error, told in ((crash, "no answer: CalledProcessError: Killed"), (RuntimeError("lost"), "RuntimeError: lost")):
        answer = workers._answer(SimpleNamespace(exception=lambda error=error: error))
        assert answer["passed"] is False
        assert told in answer["what"]
        job = answer | {"job": "a", "mode": "ws", "layer": "conv", "kept": False}
        summary = summarize([job], {"a": "make regress ONLY=a"})
        assert summary["passed"] is False
        assert summary["workers"] == 0
