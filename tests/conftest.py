"""What holds for the whole suite: a clean environment, one thread a worker, and a result file beside the xUnit one."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.given import FROM_OUTSIDE
from tests.programs import replaced  # noqa: F401  a fixture of those that run simulators
from tests.setup_house import empty, first, packaged, ready  # noqa: F401  fixtures of test_setup*

# Given to `make test`, they are meant for make and would steer the scripts under test.
FOREIGN = (
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "NET",
    "LAYER",
    "IMAGE",
    "DATA",
    "ROWS",
    "COLS",
    "PSUM",
    "OUT",
    "VECTORS",
    "MANIFEST",
    "WAVES",
    "PYTEST_ADDOPTS",
)
for name in FOREIGN:
    os.environ.pop(name, None)

# The suite starts Python a thousand times, and uv leaves no bytecode: what has to be compiled is compiled once.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Who starts the suite in the background may have it ignore interrupts, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:  # before anything imports torch: workers times threads is the number of cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault(
        "LOCKSTEP_BUILD", f"build/tb/{os.environ['PYTEST_XDIST_WORKER']}"
    )  # no two build in one folder

_started = time.monotonic()


@pytest.fixture
def usual_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulations take nothing from the environment: the suite may run with a random start."""
    for name in FROM_OUTSIDE:
        monkeypatch.delenv(name, raising=False)


@pytest.hookimpl(tryfirst=True)  # before -m leaves tests out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test with parameters all but the first case are slow; files that say themselves that they are come last."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path in long)
    seen = set()
    for item in items:
        test = (item.path, item.nodeid.partition("[")[0])
        if test in seen:
            item.add_marker("slow")
        seen.add(test)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> Iterator[None]:
    """Write ``result.json`` beside the file of ``--junitxml``; pytest's own line stays the last."""
    yield
    if config.option.xmlpath is None:
        return
    from model.files import write_json

    counts = {
        kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped", "xfailed")
    }
    write_json(
        Path(config.option.xmlpath).with_name("result.json"),
        {
            "passed": exitstatus == 0,
            "tests": counts,
            "exit_status": int(exitstatus),
            "seconds": round(time.monotonic() - _started, 1),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        },
    )
