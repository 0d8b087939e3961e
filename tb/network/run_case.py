"""One case of a regression as a process of its own: a request as JSON on stdin, its result as JSON on stdout.

A process of its own runs the sources as they are now, however long the worker that asks has been running, and takes
nobody with it when it crashes. It ends, simulator and all, when the one that asked is gone.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from tb.common.runner import SimulationError
from tb.common.simulators import find
from tb.network.bench import simulate, write_jobs
from tb.network.cases import case_from_json
from tb.network.shared import shared_simulator
from tb.network.whole import wrongs

LOOK_SECONDS = 0.5  # between two looks at whether the parent is still there
FOREIGN = (
    "INIT",
    "SEED",
    "SIM",
    "LOCKSTEP_RTL",
    "LOCKSTEP_BUILD",
    "LOCKSTEP_COVERAGE",
)  # a worker's own environment does not count
# A result before anything is known of it, or of a case whose process ended without one.
NO_ANSWER: dict[str, Any] = {
    **dict.fromkeys(("passed", "built"), False),
    **dict.fromkeys(("what", "simulator", "worker", "folder")),
    **dict.fromkeys(("cycles", "values", "seconds"), 0),
    "layers": [],
    "attempts": 1,
}


def run_case(request: Mapping[str, Any]) -> dict[str, Any]:
    """Simulate a case and compare.

    Parameters
    ----------
    request : mapping
        ``case`` (of `tb.network.cases.case_to_json`), ``key`` (its hash), ``simulator``, ``checks``, ``rtl`` (folder of
        the sources), ``out`` (folder that all runs share), ``init`` (seed of what registers and
        memories begin with; None for X or 0).

    Returns
    -------
    dict
        ``passed``, ``what`` (differs, and where; None), ``cycles``, ``values`` compared, ``layers`` (their counters),
        ``built`` (whether the simulator had to be), ``simulator`` (its folder's name), ``seconds`` of simulation,
        ``attempts`` (how often the case was begun, this time included), ``worker``, and ``folder``: what a failed run
        leaves behind; None of one that passed.
    """
    result = NO_ANSWER | {"worker": f"{socket.gethostname()}:{os.getppid()}"}
    out = Path(request["out"])
    folder = Path(tempfile.mkdtemp(prefix=f"{request['key']}.", dir=out / "work"))
    try:
        work = case_from_json(request["case"]).work()
        sizes = write_jobs(folder, work.shape, work.jobs)
        rtl, checks = Path(request["rtl"]), bool(request["checks"])
        with _environment(request["init"]):
            shared = shared_simulator(
                out / "simulators", work.shape, sizes, request["simulator"], checks=checks, rtl=rtl
            )
        result |= {"built": shared.built, "simulator": shared.name}
        report = simulate(folder, shared.command)
        wrong = wrongs(work.jobs, work.programs, report)
        result["what"] = "; ".join(wrong[job] for job in sorted(wrong)) or None
        result |= {"cycles": report.cycles, "values": work.values, "seconds": round(report.seconds, 3)}
        result["layers"] = [asdict(run) for run in report.layers]
    except (SimulationError, LockstepError) as error:
        result["what"] = str(error)
    begun = list((out / "work").glob(f"{request['key']}.*"))
    result |= {"passed": result["what"] is None, "attempts": len(begun)}
    result["folder"] = None if result["passed"] else str(folder)
    for each in folder.iterdir() if result["passed"] else ():  # the folder itself tells that this was begun
        each.unlink()
    return result


@contextmanager
def _environment(init: int | None) -> Iterator[None]:
    """The environment without FOREIGN, and with a random start of the seed `init`."""
    before = {name: os.environ.pop(name) for name in FOREIGN if name in os.environ}
    if init is not None:
        os.environ |= {"INIT": "random", "SEED": str(init)}
    try:
        yield
    finally:
        for name in ("INIT", "SEED"):
            os.environ.pop(name, None)
        os.environ.update(before)


def look(request: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a case could run here: ``what`` is in the way, or None; of a request as above, with ``look``, a file."""
    try:
        find(request["simulator"])
    except LockstepError as error:
        return {"what": str(error)}
    there = Path(request["look"]).is_file()
    return {"what": None if there else f"{request['out']} is not the folder of the one that asks"}


def main() -> int:
    """Answer the request on stdin; the exit status is 0 whatever the case comes to."""
    if os.getpid() == os.getpgid(0):  # else somebody else's processes would end with these
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    request = json.load(sys.stdin)
    print(json.dumps(look(request) if "look" in request else run_case(request)))
    return 0


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
