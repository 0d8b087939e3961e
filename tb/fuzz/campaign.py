"""Episodes of the bus, simulated in pieces, each from the seed and the number of its episode alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from model.files import read_json, write_json
from tb.accelerator.arrays import ARRAYS, BUILT_IN, SMALL
from tb.common.runner import SimulationError, simulate

BUS = "bus"
CHUNK = 20  # episodes of one simulation
SQUARE = ARRAYS["4x4"]
ENGINES = {
    "4x4": SQUARE,
    "2x4": ARRAYS["2x4, two banks"],
    "both dataflows": SQUARE | BUILT_IN["os"],
    "pairs": SQUARE | BUILT_IN["simd"],
}
WIDE = SMALL | {"PsumWidth": 20}


def episodes(count: int, seed: int, out: Path, first: int = 0, rtl: Path | None = None) -> dict[str, Any]:
    """Run episodes `first` and up, `count` of them, array after array.

    Returns
    -------
    dict
        ``examples`` (episodes that ended as they should), ``refusals`` (runs among them that told an error), ``kinds``
        and ``errors`` (episodes by what was done wrong, and by the error told), ``defect`` (None, or what was found and
        how to see it again), ``seconds``.
    """
    started = time.monotonic()
    found: dict[str, Any] = {"examples": 0, "refusals": 0, "kinds": {}, "errors": {}, "defect": None}
    names = list(ENGINES)
    for start in range(first, first + count, CHUNK * len(names)):
        stop = min(start + CHUNK * len(names), first + count)
        for index, name in enumerate(names):
            numbers = [number for number in range(start, stop) if number % len(names) == index]
            if numbers and not found["defect"]:
                _simulate(name, numbers, seed, out, rtl, found)
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def _simulate(name: str, numbers: list[int], seed: int, out: Path, rtl: Path | None, found: dict[str, Any]) -> None:
    """Add what became of the episodes `numbers`, all on one array, to `found`."""
    report = (out / "report.json").resolve()
    write_json(report, {"done": 0, "at": numbers[0], "kinds": {}, "errors": {}})
    try:
        simulate(
            "accelerator",
            "tb.fuzz.bus_tests",
            WIDE | ENGINES[name],
            seed=seed,
            environment={
                "LOCKSTEP_FUZZ_SEED": str(seed),
                "LOCKSTEP_FUZZ_EPISODES": " ".join(map(str, numbers)),
                "LOCKSTEP_FUZZ_REPORT": str(report),
            },
            checks=False,  # a wrong descriptor breaks their rules: it is the answer that counts here
            rtl=rtl,
            build_root=out / "sim",
            announce=False,
        )
    except SimulationError as error:
        at = read_json(report)["at"]
        found["defect"] = f"{' '.join(str(error).split())[:300]}; again: make fuzz ONLY={BUS} REPLAY={seed}:{at}"
    told = read_json(report)
    found["examples"] += told["done"]
    for what in ("kinds", "errors"):
        for key, number in told[what].items():
            found[what][key] = found[what].get(key, 0) + number
    found["refusals"] = sum(number for key, number in found["errors"].items() if key != "0")
