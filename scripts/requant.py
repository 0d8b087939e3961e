"""`make requant`: an integer graph whose requantization needs no multiplier, from one that has been trained."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from model.files import write_json
from model.graph import storage
from model.graph.shifts import terms_of, without_multipliers
from model.typed import whole_number
from scripts.given import given_line
from scripts.guard import guarded
from scripts.local_data import BUILD

OUT = Path("build/requant")


@guarded
def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status: 0, 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="tiny", help="network, or path of an integer graph (%(default)s)")
    parser.add_argument("--terms", default="2", help="signed powers of two in a sum, 1 to 8 (%(default)s)")
    args = parser.parse_args(arguments)
    terms = whole_number("TERMS", args.terms, 2)
    result_path = OUT / "result.json"
    result_path.unlink(missing_ok=True)
    graph = storage.load(storage.find(args.net))
    made = without_multipliers(graph, terms)
    path = BUILD / "train" / made.name / f"{made.name}{storage.SUFFIX}"
    storage.save(made, path)
    old, new = (np.concatenate([layer.multiplier for layer in each.layers]) for each in (graph, made))
    change = np.abs(new - old) / np.maximum(np.abs(old), 1)
    result = {
        "passed": True,
        "make": given_line("requant", parser, args),
        "net": args.net,
        "graph": str(path),
        "graph_sha256": made.sha256,
        "terms": terms,
        "terms_before": float(np.mean([terms_of(int(m)) for m in old])),
        "terms_mean": float(np.mean([terms_of(int(m)) for m in new])),
        "change_mean": float(change.mean()),
        "change_most": float(change.max()),
    }
    write_json(result_path, result)
    print(
        f"{made.name}: {len(old)} multipliers, {result['terms_before']:.1f} terms on average before, "
        f"{result['terms_mean']:.2f} now; changed by {change.mean():.2%} on average, {change.max():.2%} at most"
    )
    print(f"graph {path}  sha256 {made.sha256[:16]}...; make evaluate NET={made.name} tells its accuracy")
    return 0


if __name__ == "__main__":
    sys.exit(main())
