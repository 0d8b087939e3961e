"""The data moves one way, and imports only point back along it; torch ends at the freeze."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# What each package may import: of the project (itself apart), and of others. Longest prefix counts.
HOUSE: dict[str, tuple[set[str], set[str]]] = {
    "model.errors": (set(), set()),
    "model.files": ({"model.errors"}, set()),
    "model.numeric": ({"model.errors"}, {"numpy"}),
    "model.typed": ({"model.errors"}, set()),
    "model.graph": ({"model.errors", "model.files", "model.numeric"}, {"numpy"}),
    "model.golden": ({"model.errors", "model.numeric", "model.graph"}, {"numpy"}),
    "model.program": ({"model.errors", "model.numeric", "model.graph", "model.golden"}, {"numpy"}),
    "model.c": ({"model.errors", "model.numeric", "model.graph"}, {"numpy"}),
    "model.vectors": ({"model.errors", "model.files", "model.numeric", "model.graph", "model.golden"}, {"numpy"}),
    "model.dataset": ({"model.errors", "model.files"}, {"numpy", "PIL", "sklearn"}),
    "model.network": (
        {"model.errors", "model.files", "model.numeric", "model.graph", "model.dataset"},
        {"numpy", "torch", "torchvision", "tqdm"},
    ),
    "tb": (
        {
            "model.errors",
            "model.files",
            "model.typed",
            "model.numeric",
            "model.graph",
            "model.golden",
            "model.program",
            "model.vectors",
        },
        {"numpy", "cocotb", "cocotb_tools", "pytest"},
    ),
    "tb.accelerator": (
        {"model.errors", "model.numeric", "model.graph", "model.golden", "model.program", "tb.common"},
        {"numpy", "cocotb", "cocotbext", "pytest"},
    ),
    "tb.c": (
        {"model.errors", "model.files", "model.numeric", "model.graph", "model.golden", "model.c"},
        {"numpy", "pytest", "unicorn", "elftools"},
    ),
    "tb.fuzz": (
        {"model.errors", "model.files", "model.golden", "model.program", "tb.accelerator", "tb.common", "tb.mutants"},
        {"numpy", "cocotb", "cocotbext", "pytest"},
    ),
    "scripts.fuzzing": ({"model", "tb", "scripts"}, {"numpy", "hypothesis", "PIL", "torch"}),
    "scripts": ({"model", "tb"}, {"numpy", "torch", "torchvision", "distributed"}),
    "scripts.regression": ({"model", "tb", "scripts"}, {"numpy", "tqdm", "dask", "distributed", "dask_jobqueue"}),
    "scripts.reporting": ({"model.errors", "model.files", "model.numeric", "tb.waves.vcd"}, set()),
}
# Whoever has no torch, and whoever replays a vector folder knowing nothing but the folder.
WITHOUT_TORCH = (
    "model.numeric",
    "model.graph",
    "model.golden",
    "model.program",
    "model.vectors",
    "model.c",
    "tb",
    "scripts.vectors",
    "scripts.sim",
    "scripts.waves",
    "scripts.report",
    "scripts.reporting",
    "scripts.synth",
    "scripts.formal",
    "scripts.coverage",
    "scripts.regress",
    "scripts.regression",
)
REPLAY = ("tb.core.replay", "tb.core.os_replay", "tb.core.core_tests")
REPLAY_MODEL = {"model.errors", "model.files", "model.vectors.manifest", "model.vectors.reader"} | {
    "model.vectors.os_manifest",
    "model.vectors.os_set",
}
# Heavy packages that only some runs need: imported where they are used, not with the module.
LATE = {"PIL", "sklearn", "torchvision", "unicorn", "elftools", "dask", "distributed", "dask_jobqueue"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> set[str]:
    """Modules and members imported anywhere below `tree`: ``from a.b import c`` counts as ``a.b`` and ``a.b.c``."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            assert node.module is not None
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, packages: set[str] | tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


FILES = {module_name(path): path for top in ("model", "tb", "scripts") for path in sorted((ROOT / top).rglob("*.py"))}
IMPORTS = {name: imported(ast.parse(path.read_text())) for name, path in FILES.items()}
# Only what names a module of the project; `from model.errors import LockstepError` is an import of model.errors.
INTERNAL = {
    name: {found for found in names if found in FILES} - {"model", "tb", "scripts"} for name, names in IMPORTS.items()
}


def reached(module: str) -> set[str]:
    """Every module of the project that `module` imports, directly or not."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        found = INTERNAL[waiting.pop()] - seen
        seen |= found
        waiting += found
    return seen


@pytest.mark.parametrize("module", [name for name in FILES if name not in ("model", "tb", "scripts")])
def test_imports_point_back_along_the_road(module: str) -> None:
    home = max((package for package in HOUSE if within(module, (package,))), key=len, default=None)
    assert home is not None, f"{module} is in no package of HOUSE; say there what it may import"
    ours, others = HOUSE[home]
    wrong = {name for name in INTERNAL[module] if not within(name, ours | {home})}
    assert not wrong, f"{module} must not import {sorted(wrong)}; {home} may import {sorted(ours)}"
    foreign = (
        {name.split(".")[0] for name in IMPORTS[module]} - set(sys.stdlib_module_names) - {"model", "tb", "scripts"}
    )
    if module.rpartition(".")[2].startswith("test_"):
        foreign.discard("tests")  # what pytest runs may share the suite's helpers
    assert foreign <= others, f"{module} must not import {sorted(foreign - others)}; {home} may import {sorted(others)}"


@pytest.mark.parametrize("module", [name for name in FILES if within(name, WITHOUT_TORCH)])
def test_no_torch_behind_the_freeze(module: str) -> None:
    for name in {module} | reached(module):
        assert not within(name, ("model.network",)), f"{module} reaches {name}"
        assert not {"torch", "torchvision"} & {found.split(".")[0] for found in IMPORTS[name]}, (
            f"{module} reaches torch in {name}"
        )


@pytest.mark.parametrize("module", REPLAY)
def test_the_replay_knows_only_the_folder(module: str) -> None:
    direct = {name for name in INTERNAL[module] if within(name, ("model",))}
    assert direct <= REPLAY_MODEL | {"model.vectors"}
    assert not {name for name in reached(module) if within(name, ("model.golden", "model.graph", "model.network"))}


@pytest.mark.parametrize("module", FILES)
def test_heavy_packages_are_imported_where_they_are_used(module: str) -> None:
    top = ast.Module(
        [node for node in ast.parse(FILES[module].read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)],
        [],
    )
    assert not LATE & {name.split(".")[0] for name in imported(top)}


@pytest.fixture(scope="module")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the training packages cannot be imported, as after `make sim` on a fresh machine."""
    folder = tmp_path_factory.mktemp("without_torch")
    training = ("torch", "torchvision", "PIL", "sklearn", "scipy", "tqdm", "tensorboard")
    for package in (*training, "unicorn", "elftools", "dask", "distributed"):
        (folder / f"{package}.py").write_text(f"raise ModuleNotFoundError('{package} is not installed here')\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def run_python(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_everything_behind_the_freeze_imports_without_torch(bare_environment: dict[str, str]) -> None:
    # *_tests are run by the simulator, whose environment they read on import; the reading above covers them.
    modules = sorted(name for name in FILES if within(name, WITHOUT_TORCH) and not name.endswith("_tests"))
    assert len(modules) > 20
    done = run_python(f"import importlib\nfor name in {modules}: importlib.import_module(name)", bare_environment)
    assert done.returncode == 0, done.stderr


def test_the_blocked_environment_really_blocks(bare_environment: dict[str, str]) -> None:
    done = run_python("import model.network.nets", bare_environment)
    assert done.returncode == 1
    assert "torch is not installed here" in done.stderr
