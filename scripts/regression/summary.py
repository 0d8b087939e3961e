"""What a regression comes to: a line while it runs, the summary of all jobs, the last lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MOST_SHOWN = 10  # failing jobs, with what differs


class Told:
    """Tells of the jobs as they end: a bar where a person watches, else a line every tenth of the way.

    Parameters
    ----------
    total, kept : int
        Jobs, and those of them that need not run.
    """

    def __init__(self, total: int, kept: int) -> None:
        from tqdm import tqdm

        self.total, self.count, self.failed = total, kept, 0
        self.bar = tqdm(total=total, initial=kept, unit="job", disable=None, file=sys.stderr)
        self.watched = not self.bar.disable

    def done(self, result: Mapping[str, Any], again: str) -> None:
        """A job has ended; `again` is the make line that runs it alone."""
        before, self.count = self.count, self.count + 1
        if not result["passed"]:
            self.failed += 1
            if self.failed <= MOST_SHOWN:
                self.bar.write(f"FAILED: {result['job']}: {result['what']}\n  again: {again}", file=sys.stderr)
            self.bar.set_postfix(failed=self.failed)
        self.bar.update()
        if not self.watched and self.count * 10 // self.total > before * 10 // self.total:
            print(f"  {self.count} of {self.total} jobs, {self.failed} failed", flush=True)

    def close(self) -> None:
        """Nothing more will come."""
        self.bar.close()


def counts(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Jobs, failed ones, values and cycles compared, seconds of simulation."""
    return {
        "jobs": len(results),
        "failed": sum(not each["passed"] for each in results),
        "values": sum(each["values"] for each in results),
        "cycles": sum(each["cycles"] for each in results),
        "seconds": round(sum(each["seconds"] for each in results), 3),
    }


def summarize(results: Sequence[Mapping[str, Any]], again: Mapping[str, str]) -> dict[str, Any]:
    """The summary of all jobs.

    Parameters
    ----------
    results : sequence of mappings
        As `tb.network.run_case.run_case` gives them, with ``job``, ``mode``, ``layer`` and ``kept``.
    again : mapping
        The make line of each job, by its name.

    Returns
    -------
    dict
        ``passed``; ``jobs``, ``values``, ``cycles``, ``seconds`` (of simulation); ``failed``: job, what, again, folder;
        ``kept``, ``retried`` (jobs begun more than once), ``workers``, ``simulators`` (used) and ``built`` (in this
        run); ``by_mode`` and ``by_layer``: the counts of each.
    """
    fresh = [each for each in results if not each["kept"]]
    modes = sorted({each["mode"] for each in results}, key=("ws", "os", "pairs").index)
    places = dict.fromkeys((each["layer"], mode) for mode in modes for each in results if each["mode"] == mode)
    whole = counts(results)
    return whole | {
        "passed": not whole["failed"],
        "failed": [
            {"job": each["job"], "what": each["what"], "again": again[each["job"]], "folder": each["folder"]}
            for each in results
            if not each["passed"]
        ],
        "kept": len(results) - len(fresh),
        "retried": sum(each["attempts"] > 1 for each in fresh),
        "workers": len({each["worker"] for each in fresh} - {None}),
        "simulators": len({each["simulator"] for each in results} - {None}),
        "built": sum(each["built"] for each in fresh),
        "by_mode": [{"mode": mode, **counts([each for each in results if each["mode"] == mode])} for mode in modes],
        "by_layer": [
            {
                "layer": layer,
                "mode": mode,
                **counts([each for each in results if (each["layer"], each["mode"]) == (layer, mode)]),
            }
            for layer, mode in places
        ],
    }


def tell(summary: Mapping[str, Any], path: Path) -> int:
    """Print the last lines; returns the exit status."""
    print(f"  {'mode':<6} {'jobs':>7} {'failed':>7} {'values':>14} {'cycles':>14} {'sim s':>9}")
    for each in summary["by_mode"]:
        print(
            f"  {each['mode']:<6} {each['jobs']:>7,} {each['failed']:>7,} {each['values']:>14,} {each['cycles']:>14,} "
            f"{each['seconds']:>9,.1f}"
        )
    failed = summary["failed"]
    retried = f", {summary['retried']} begun again on another worker" if summary["retried"] else ""
    print(
        f"{summary['jobs']} jobs, {len(failed)} failed, {summary['kept']} kept{retried}; {summary['workers']} workers, "
        f"{summary['simulators']} simulators ({summary['built']} built); {summary['wall_seconds']:.0f} s"
    )
    if len(failed) > MOST_SHOWN:
        print(f"  {len(failed) - MOST_SHOWN} more failed than were shown", file=sys.stderr)
    print(f"{'PASS' if summary['passed'] else 'FAIL'}  {path}", flush=True)
    return 0 if summary["passed"] else 1
