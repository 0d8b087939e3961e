"""What all runs together met and did not: by module and kind, the holes by source line, the points of the test plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from tb.common.runner import ROOT
from tb.coverage.counts import KINDS, Place, added
from tb.coverage.jobs import Outcome
from tb.coverage.waivers import Waiver, apply

Result = dict[str, Any]


def summarize(
    outcomes: Sequence[Outcome],
    waivers: Sequence[Waiver],
    modules: Collection[str] | None = None,
    rtl: Path | None = None,
) -> Result:
    """The result of `make coverage`.

    Parameters
    ----------
    outcomes : sequence of Outcome
    waivers : sequence of Waiver
    modules : collection of str, optional
        Judge these alone; by default all that were measured.
    rtl : Path, optional
        Folder of the sources, default ``rtl/``.

    Returns
    -------
    dict
        modules, holes, points, missed_points, waivers, waiver_errors; see docs/coverage.md.
    """
    total = added(outcome.counts for outcome in outcomes)
    judged = sorted({place.module for place in total} if modules is None else modules)
    folder = rtl or ROOT / "rtl"
    sources = {module: (folder / f"{module}.v").read_text().splitlines() for module in judged}
    counts = Counter({place: count for place, count in total.items() if place.module in sources})
    waived, wrong = apply(waivers, counts, sources)
    points: Counter[str] = Counter()
    for outcome in outcomes:
        for point, hits in outcome.points.items():
            # One that names its family (``states: reset in run``) is the plan's, and may be met in any testbench.
            name = point if ": " in point else f"{outcome.job.partition('/')[0]}: {point}"
            points[name] = points[name] + hits
    taken = Counter(waived.values())
    return {
        "modules": {module: _module(module, counts, waived) for module in judged},
        "holes": _holes([place for place in sorted(counts) if not counts[place] and place not in waived], sources),
        "points": dict(sorted(points.items())),
        "missed_points": sorted(point for point, hits in points.items() if not hits),
        "waivers": [{"waiver": str(waiver), "reason": waiver.reason, "places": taken[waiver]} for waiver in taken],
        "waiver_errors": wrong,
    }


def _module(module: str, counts: Counter[Place], waived: dict[Place, Waiver]) -> dict[str, dict[str, int]]:
    """Of each kind: places, met, waived."""
    told = {}
    for kind in KINDS:
        places = [place for place in counts if (place.module, place.kind) == (module, kind)]
        met = sum(counts[place] > 0 for place in places)
        told[kind] = {"places": len(places), "met": met, "waived": sum(place in waived for place in places)}
    return told


def _holes(places: Sequence[Place], sources: dict[str, list[str]]) -> list[dict[str, Any]]:
    """One entry a source line and kind: what of it was not met, toggles by their signal."""
    found: dict[tuple[str, int, str, str], list[str]] = {}
    for place in places:
        signal = place.name if place.kind == "toggle" else ""
        found.setdefault((place.module, place.line, place.kind, signal), []).append(place.what)
    return [
        {
            "module": module,
            "line": line,
            "kind": kind,
            "what": what,
            "source": sources[module][line - 1].strip(),
        }
        for (module, line, kind, _), what in found.items()
    ]


def share(told: dict[str, int]) -> float:
    """Met, of what is not waived; 1 where nothing is left to meet.

    >>> share({"places": 10, "met": 6, "waived": 2})
    0.75
    """
    wanted = told["places"] - told["waived"]
    return round(told["met"] / wanted, 4) if wanted else 1.0
