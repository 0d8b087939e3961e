"""`make report`: one page from the results that are there, self-contained; what is missing is named, never invented."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from model.files import alone, write_atomic, write_json
from scripts.guard import guarded, require_own
from scripts.reporting import (
    accuracy,
    area,
    controller,
    coverage,
    network,
    provenance,
    regress,
    summary,
    tradeoff,
    verification,
    wave_section,
)
from scripts.reporting.markup import badge, figure, page, text
from scripts.reporting.results import collect
from scripts.reporting.section import Section

BUILD, OUT = Path("build"), Path("build/report")
TITLE = "Lockstep: report"
FIGURES = (accuracy, network, wave_section, area, tradeoff, controller, regress, coverage)


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0 when the page is written, whatever it says, 2 when it cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=BUILD, help="folder of the results (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the page (%(default)s)")
    args = parser.parse_args(arguments)
    require_own(args.out, OUT, "report")
    with alone(args.out / "lock", f"`make report` in {args.out}", "name another folder: OUT=<folder>"):
        (args.out / "result.json").unlink(missing_ok=True)
        content, result = compose(args.build)
        write_atomic(args.out / "index.html", content)
        write_json(args.out / "result.json", {"passed": True, "page": str(args.out / "index.html"), **result})
    return _tell(result, args.out / "index.html")


def compose(build: Path) -> tuple[str, dict[str, Any]]:
    """The page from the results below `build`, and what is in it.

    Returns
    -------
    tuple
        HTML, and a mapping: ``sections_with_data``, ``sections_without_data`` (anchors), ``missing`` (make line by
        result), ``failing`` (results that did not pass), ``unreadable`` (why, by result).
    """
    found = collect(build)
    sections: list[Section] = [part.section(found) for part in FIGURES]
    broken = {title: line for section in sections for title, line in section.broken.items()}
    sections += [verification.section(found, broken), provenance.section(found)]
    failing = verification.failing(found)
    broken |= sections[-2].broken
    missing = {what: make for section in sections for what, make in section.absent}
    result = {
        "sections_with_data": [section.anchor for section in sections if section.data],
        "sections_without_data": [section.anchor for section in sections if not section.data],
        "missing": missing,
        "failing": failing,
        "unreadable": broken,
    }
    there = sum(not source.missing for sources in found.values() for source in sources)
    told = ", ".join([f"failing: {name}" for name in failing] + [f"unreadable: {name}" for name in broken])
    state = False if failing or broken else None if missing else True
    lead = (
        "<p>A 4-bit network, frozen to integers, and the systolic array that computes it, held equal bit by bit. "
        "Every figure below stands in a result file below <code>build/</code>, written by the command beside it.</p>"
        f"<p>{badge(state, 'failing' if state is False else 'incomplete' if state is None else 'all pass')} "
        f"{figure(there)} results, {text(told or 'none failing')}; {figure(len(missing))} missing. "
        f"Page made {text(time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime()))} by <code>make report</code>.</p>"
    )
    parts = [(section.anchor, section.heading, section.html()) for section in sections]
    return page(TITLE, lead, summary.tiles(found, broken), parts), result


def _tell(result: dict[str, Any], path: Path) -> int:
    """Print what is in the page; returns the exit status."""
    for what, make in result["missing"].items():
        print(f"  missing: {what}; {make}")
    for line in result["unreadable"].values():
        print(f"  unreadable: {line}", file=sys.stderr)
    for name in result["failing"]:
        print(f"  failing: {name}", file=sys.stderr)
    count = len(result["sections_with_data"]) + len(result["sections_without_data"])
    print(f"{path}  {len(result['sections_with_data'])} of {count} sections have data", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
