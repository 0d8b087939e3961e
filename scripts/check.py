"""`make check`: lint, types and the fast tests; every step runs, and the result tells of each."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from model.errors import LockstepError
from model.files import write_json
from scripts.guard import guarded

BUILD = Path("build") / "check"
STEPS: dict[str, list[str]] = {
    "lint": ["ruff", "check"],
    "types": ["mypy"],
    "tests": [
        "pytest",
        "-q",
        "-m",
        "not slow",
        "--numprocesses=2",
        "--dist=loadfile",
        f"--junitxml={BUILD / 'tests' / 'junit.xml'}",
    ],
}


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run the steps; returns the exit status: 0, 1 when any of them failed, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*", metavar="step", help=f"{', '.join(STEPS)} (all of them)")
    args = parser.parse_args(arguments)
    chosen = args.steps or list(STEPS)
    unknown = [step for step in chosen if step not in STEPS]
    if unknown:
        raise LockstepError(f"{unknown[0]!r} is no step of the check; expected {', '.join(STEPS)}")
    (BUILD / "result.json").unlink(missing_ok=True)  # an interrupted run leaves no older verdict behind
    result: dict[str, dict[str, object]] = {}
    for step in chosen:
        print(f"== {step}: {' '.join(STEPS[step])}", flush=True)
        started = time.monotonic()
        status = subprocess.run([sys.executable, "-m", *STEPS[step]], check=False).returncode
        result[step] = {"passed": status == 0, "exit_status": status, "seconds": round(time.monotonic() - started, 1)}
    passed = all(bool(outcome["passed"]) for outcome in result.values())
    write_json(BUILD / "result.json", {"passed": passed, "steps": result})
    print(
        "== " + ", ".join(f"{step} {'passed' if outcome['passed'] else 'FAILED'}" for step, outcome in result.items())
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
