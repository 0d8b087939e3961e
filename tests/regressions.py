"""A network small enough to regress in a moment, and runs of it without Dask: one after another in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from model.graph import storage
from model.graph.graph import IntegerGraph
from model.numeric.formats import IntFormat
from scripts.regression.workers import Choice
from tb.network.run_case import run_case
from tests.integer_graphs import PIXEL, random_layer

TWO = IntFormat(2)
ARRAY = ("--rows", "4", "--cols", "4")


def network(folder: Path) -> str:
    """The file of a network of pixels as the digits have them, and of codes that can be multiplied in pairs."""
    rng = np.random.default_rng(4)
    layers = (
        random_layer(rng, "conv", (8, 1, 3, 3), act=PIXEL, out=TWO),
        random_layer(rng, "point", (6, 8, 1, 1), act=TWO, out=TWO),
        random_layer(rng, "classifier", (3, 6, 6, 6), act=TWO, out=None),
    )
    path = folder / "small.graph.zip"
    storage.save(IntegerGraph("small", (1, 8, 8), layers, tuple("abc"), {}), path)
    return str(path)


@contextmanager
def nobody(choice: Choice) -> Iterator[None]:
    """No workers."""
    yield None


def answers(client: None, requests: Mapping[str, str], patient: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every request answered here, one after another."""
    for name, request in requests.items():
        yield name, run_case(json.loads(request))


def results(out: Path) -> dict[str, dict[str, Any]]:
    """What must be the same whoever runs the jobs and how often, by the job's name."""
    told = [json.loads(path.read_text()) for path in (out / "jobs").glob("*.json")]
    return {
        each["job"]: {name: each[name] for name in ("key", "passed", "cycles", "values", "layers")} for each in told
    }
