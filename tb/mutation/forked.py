"""Runs in the simulator: one process a mutant, forked when the tests are imported and nothing has been simulated yet.

Starting vvp, Python, NumPy and cocotb takes longer than most tests. So one simulator starts, and each mutant is a copy
of it that goes on by itself, in a folder of its own; the first process waits for them, then is the RTL without a
mutant. The host says in the environment which tests (TESTS) and which numbers (NUMBERS); the folder is the current one.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

TESTS = "LOCKSTEP_MUTANT_TESTS"
NUMBERS = "LOCKSTEP_MUTANT_NUMBERS"
LIMIT = "LOCKSTEP_MUTANT_SECONDS"
CHOSEN = "mutant.hex"  # the netlist reads its mutant's number there
ENDED = "ended"  # a mutant's file: the seconds that it took
PAUSE = 0.005


def _become(number: int) -> None:
    """Go on as mutant `number`: in its folder, with its log and its results."""
    folder = Path(f"mutant_{number}").resolve()
    folder.mkdir()
    os.chdir(folder)
    Path(CHOSEN).write_text(f"{number:x}\n")
    os.environ["COCOTB_RESULTS_FILE"] = str(folder / "results.xml")
    log = os.open("sim.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _wait(process: int, limit: float) -> float:
    """Wait for a mutant to end; kill it after `limit` seconds. Returns its seconds."""
    started = time.monotonic()
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        if time.monotonic() > started + limit:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            break
        time.sleep(PAUSE)
    return time.monotonic() - started


def _fork() -> None:
    for number in map(int, os.environ[NUMBERS].split(",")):
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process == 0:
            _become(number)
            return
        seconds = _wait(process, float(os.environ[LIMIT]))
        Path(f"mutant_{number}", ENDED).write_text(f"{seconds:.2f}\n")
    Path(CHOSEN).write_text("0\n")


if TESTS in os.environ:
    globals().update(vars(import_module(os.environ[TESTS])))
    _fork()
