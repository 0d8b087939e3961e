"""The Makefile: its help, and user-given values that reach the scripts untouched."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Stands in for .venv/bin/python: writes its arguments and its environment to $RECORD and exits with $STATUS.
RECORDER = """#!/bin/sh
{ for word; do printf '%s\\0' "$word"; done; } > "$RECORD.args"
env -0 > "$RECORD.env"
exit "${STATUS:-0}"
"""
FLAGS = {
    "train": ["NET", "FORMAT", "WBITS", "ABITS", "DATA", "START", "FLOAT_EPOCHS", "QAT_EPOCHS", "SEED"],
    "requant": ["NET", "TERMS"],
    "evaluate": ["NET", "DATA", "IMAGES", "JOBS", "OUT"],
    "vectors": ["NET", "LAYER", "IMAGE", "DATA", "ROWS", "COLS", "PSUM", "OUT", "CHECK", "PROPOSE", "MANIFEST"],
    "sim": ["VECTORS", "MANIFEST", "WAVES", "WGT_LANES", "SEED", "OUT"],
    "network": ["NET", "IMAGE", "DATA", "LAYERS", "ROWS", "COLS", "INPUT", "STALL", "CHECKS", "WAVES", "OUT"],
    "random": ["N", "SEED", "FIRST", "JOBS", "OUT"],
    "regress": [
        *("NET", "IMAGES", "DATA", "LAYERS", "MODES", "ROWS", "COLS", "DRAWS", "SEED", "FIRST", "CHECKS", "ONLY"),
        *("OUT", "JOBS", "SCHEDULER", "CLUSTER", "CONFIG"),
    ],
    "waves": ["VIEWER", "OUT"],
    "synth": ["TOOLS", "ONLY", "JOBS", "OUT"],
    "formal": ["PROOF", "TOOLS", "JOBS", "OUT"],
    "c": ["NET", "FORMAT", "TARGET", "WEIGHTS", "MULTIPLY", "FLASH", "RAM", "IMAGES", "OUT"],
    "c-proof": ["N", "FORMAT", "SEED", "JOBS", "OUT"],
    "coverage": ["ONLY", "JOBS", "OUT"],
    "fuzz": ["N", "ONLY", "SEED", "REPLAY", "OUT"],
    "mutants": ["ONLY", "JOBS"],
    "mutation": ["N", "MODULE", "TOOLS", "JOBS", "OUT"],
    "report": ["OUT"],
}
MODULES = {"random": "random_layers"}  # where they have another name than the target
NASTY = [
    "my cat's.png",
    'say "hi"',
    "a$b $(echo x) ${HOME} $$",
    "`echo x`; false",
    "-1",
    "two  blanks ",
    "#1 50%",
    "back\\slash",
    "*",
    "ä=ß",
    "a,b:c",
]


class House:
    """A folder with the Makefile, a recorder for Python and a set-up that does nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Makefile", "scripts/help.awk", "scripts/takes.awk"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        self.write("scripts/setup.sh", 'echo "$1" >> setup_levels\n')
        self.write(".venv/bin/python", RECORDER)
        self.write(".venv/lockstep/simulator", "icarus\n")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "LC_ALL")}
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env={**clean, "RECORD": str(self.folder / "record"), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def arguments(self) -> list[str]:
        return (self.folder / "record.args").read_bytes().decode().split("\0")[:-1]

    @property
    def environment(self) -> dict[str, str]:
        pairs = (self.folder / "record.env").read_bytes().decode().split("\0")[:-1]
        return dict(pair.split("=", 1) for pair in pairs)

    @property
    def levels(self) -> list[str]:
        return (self.folder / "setup_levels").read_text().split()


@pytest.fixture
def house(tmp_path: Path) -> House:
    folder = tmp_path / "a folder's name"
    folder.mkdir()
    return House(folder)


def test_make_alone_prints_the_targets_in_the_datas_order(house: House) -> None:
    done = house.make()
    assert done.returncode == 0
    printed = re.findall(r"^  ([a-z-]+) ", done.stdout, re.MULTILINE)
    assert " ".join(printed) == (
        "setup setup-test train benchmark-train requant evaluate vectors sim network random regress benchmark waves "
        "synth tradeoff c c-proof check test formal coverage fuzz mutants mutation report clean distclean"
    )
    groups = [line.split()[0] for line in done.stdout.splitlines()[1:] if line and not line.startswith(" ")]
    assert groups == ["Set", "Train", "Vectors", "Simulate", "Synthesize", "C", "Check", "Report", "Clean"]
    assert max(map(len, done.stdout.splitlines())) <= 120
    for flags in FLAGS.values():
        for name in flags:
            assert re.search(rf"\b{name}=", done.stdout), f"{name} is not in the help"


@pytest.mark.parametrize(
    ("target", "level", "module"),
    [
        ("train", "train", "scripts.train"),
        ("benchmark-train", "train", "scripts.benchmark_train"),
        ("requant", "vectors", "scripts.requant"),
        ("evaluate", "evaluate", "scripts.evaluate"),
        ("vectors", "vectors", "scripts.vectors"),
        ("sim", "sim", "scripts.sim"),
        ("network", "network", "scripts.network"),
        ("random", "sim", "scripts.random_layers"),
        ("regress", "regress", "scripts.regress"),
        ("benchmark", "sim", "scripts.benchmark"),
        ("waves", "vectors", "scripts.waves"),
        ("synth", "synth", "scripts.synth"),
        ("formal", "formal", "scripts.formal"),
        ("c", "c", "scripts.c"),
        ("c-proof", "c", "scripts.c_proof"),
        ("coverage", "test", "scripts.coverage"),
        ("fuzz", "test", "scripts.fuzz"),
        ("mutants", "test", "scripts.mutants"),
        ("mutation", "test", "scripts.mutation"),
        ("check", "test", "scripts.check"),
        ("test", "test", "pytest"),
        ("report", "vectors", "scripts.report"),
    ],
)
def test_a_target_sets_up_its_part_and_runs_its_module(house: House, target: str, level: str, module: str) -> None:
    done = house.make(target)
    assert done.returncode == 0, done.stderr
    assert house.levels == [level]
    assert house.arguments[:2] == ["-m", module]
    if target in FLAGS:
        assert not [word for word in house.arguments[2:] if not word.startswith("--sim=")], (
            "flags without a value given"
        )


@pytest.mark.parametrize("way", ["argument", "environment"])
@pytest.mark.parametrize("target", ["train", "evaluate", "vectors", "sim", "network"])
def test_values_arrive_as_they_were_typed(house: House, target: str, way: str) -> None:
    names = FLAGS[target]
    for start in range(0, len(NASTY), len(names)):  # every value, a different one in every variable
        values = dict(zip(names, NASTY[start:] + NASTY, strict=False))
        if way == "argument":
            done = house.make(target, *(f"{name}={value}" for name, value in values.items()))
        else:
            done = house.make(target, **values)
        assert done.returncode == 0, done.stderr
        expected = {f"--{name.lower().replace('_', '-')}={value}" for name, value in values.items()}
        assert expected <= set(house.arguments)


def test_an_empty_value_is_no_value(house: House) -> None:
    house.make("vectors", "NET=", "OUT=")
    assert house.arguments == ["-m", "scripts.vectors"]


@pytest.mark.parametrize(("given", "used"), [([], "icarus"), (["SIM=verilator"], "verilator"), (["SIM="], "icarus")])
@pytest.mark.parametrize("target", ["sim", "test", "mutants"])
def test_the_simulator_is_the_given_one_or_the_one_set_up(
    house: House, target: str, given: list[str], used: str
) -> None:
    assert house.make(target, *given).returncode == 0
    assert house.environment["SIM"] == used
    assert target != "sim" or f"--sim={used}" in house.arguments


@pytest.mark.parametrize("target", ["sim", "network", "random", "check", "test", "mutants"])
def test_a_random_start_reaches_every_simulation(house: House, target: str) -> None:
    assert house.make(target, "INIT=random").returncode == 0
    assert house.environment["INIT"] == "random"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["sim", "NET=tiny"], "NET= is for make train "),
        (["train", "WAVES=1"], "; make train takes ABITS DATA "),
        (["sim", "VECTOR=x"], "no target takes VECTOR=; make sim takes INIT MANIFEST OUT "),
        (["sim", "waves", "NET=tiny"], "make sim waves takes "),
        (["vectors", "SIM=icarus"], "SIM= is for make setup "),
        (["NET=tiny"], "make help takes no variables"),
        (["clean", "PYTHON=x"], "PYTHON= is for make setup "),
        (["coverage", "SIM=icarus"], "; make coverage takes INIT JOBS ONLY OUT PYTHON SEED SYSTEM_PACKAGES"),
        (["formal", "SEED=3"], "SEED= is for make train sim network random regress benchmark c-proof check test "),
        (["waves", "INIT=random"], "INIT= is for make sim network random regress benchmark check test coverage fuzz "),
    ],
)
def test_a_variable_that_the_target_does_not_take_is_one_line_before_any_work(
    house: House, given: list[str], told: str
) -> None:
    done = house.make(*given)
    assert done.returncode == 2
    assert done.stdout == ""
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (house.folder / "setup_levels").exists()
    assert not (house.folder / "record.args").exists()


@pytest.mark.parametrize(
    "given",
    [
        ["vectors", "sim", "NET=tiny", "WAVES=1"],
        ["train", "SYSTEM_PACKAGES=no", "PYTHON=python3"],
        ["setup", "SIM=icarus"],
        ["test", "SEED=2", "PYTEST_ADDOPTS=-x"],
        ["network", "INIT=random", "SEED=7"],
        ["tradeoff", "SYSTEM_PACKAGES=no"],
        ["sim", "NET="],
    ],
)
def test_a_variable_that_one_of_the_goals_or_their_set_up_takes_is_accepted(house: House, given: list[str]) -> None:
    done = house.make(*given)
    assert done.returncode == 0, done.stderr


def test_variables_of_the_environment_are_nobodys_mistake(house: House) -> None:
    done = house.make("sim", NET="tiny", ONLY="x", UNKNOWN="y")
    assert done.returncode == 0, done.stderr


def test_a_new_target_joins_by_the_line_below_it(house: House) -> None:
    path = house.folder / "Makefile"
    rule = "\nextra: setup-train ## More\n#: TOP=<number> NET=tiny\n\t@exec $(python) -m scripts.extra $(flags)\n"
    path.write_text(path.read_text() + rule)
    assert house.make("extra", "TOP=a b", "NET=x").returncode == 0
    assert house.arguments == ["-m", "scripts.extra", "--top=a b", "--net=x"]
    assert "make extra takes NET PYTHON SYSTEM_PACKAGES TOP" in house.make("extra", "OUT=x").stderr
    assert re.search(r"NET= is for make train .*\bextra; ", house.make("sim", "NET=x").stderr)


def test_a_clean_that_cannot_remove_fails(house: House) -> None:
    house.write("build/sim/x", "")
    house.write("bin/rm", "#!/bin/sh\ncase $* in *build/sim*) echo no >&2; exit 1 ;; esac\n")
    done = house.make("clean", PATH=f"{house.folder / 'bin'}:{os.environ['PATH']}")
    assert done.returncode == 2
    assert "no" in done.stderr


def test_a_failing_script_fails_make(house: House) -> None:
    assert house.make("sim", STATUS="1").returncode != 0


def test_a_failing_setup_stops_before_the_script(house: House) -> None:
    house.write("scripts/setup.sh", "exit 2\n")
    assert house.make("sim").returncode != 0
    assert not (house.folder / "record.args").exists()


def test_makes_own_variables_and_foreign_python_paths_stay_outside(house: House) -> None:
    house.make("-j2", "sim", "OUT=x", PYTHONPATH="elsewhere", PYTHONHOME="elsewhere")
    assert not {"MAKEFLAGS", "MFLAGS", "PYTHONPATH", "PYTHONHOME"} & set(house.environment)


def test_clean_keeps_what_took_long(house: House) -> None:
    for name in ("train/vgg16/x", "data/x", "cache/x", "sim/x y", "tb/x", ".hidden"):
        house.write(f"build/{name}", "")
    assert house.make("clean").returncode == 0
    assert sorted(path.name for path in (house.folder / "build").iterdir()) == ["cache", "data", "train"]
    assert (house.folder / ".venv").is_dir()
    assert house.make("clean").returncode == 0
    assert house.make("distclean").returncode == 0
    assert not (house.folder / "build").exists()
    assert not (house.folder / ".venv").exists()
    assert house.make("clean").returncode == 0


@pytest.mark.parametrize("target", FLAGS)
def test_the_scripts_know_the_flags_that_make_passes(target: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts." + MODULES.get(target, target.replace("-", "_")), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    for name in FLAGS[target] + (["SIM"] if target in ("sim", "network", "synth") else []):
        assert re.search(rf"--{name.lower().replace('_', '-')}\b", done.stdout), (
            f"scripts.{target} has no flag for {name}"
        )
