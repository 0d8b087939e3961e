"""Several images through a whole network on the engine, one after another in one simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model.graph.graph import IntegerGraph
from model.program.compile import compile_graph
from model.program.fit import fitting_shape
from tb.network.bench import Report, run_jobs
from tb.network.whole import Maps, job_of

Array = np.ndarray[Any, Any]


def run_images(
    graph: IntegerGraph,
    pixels: Array,
    folder: Path,
    simulator: str,
) -> tuple[Array, Report]:
    """Run the images `pixels`, unsigned (n, channels, height, width), and compare every activation and every logit.

    Returns
    -------
    (golden logits int64 (n, classes), Report)
        The RTL's logits are these where the report has no mismatch, error or failed job.

    Raises
    ------
    SimulationError, LockstepError
        As `tb.network.bench.run_jobs`.
    """
    program = compile_graph(graph, fitting_shape(graph))
    every = [Maps.of(graph, image) for image in pixels]
    stream = program.stream()
    jobs = [job_of(program, maps, 0, len(graph.layers) - 1, stream=stream) for maps in every]
    report = run_jobs(folder, program.shape, jobs, simulator, checks=False)
    return np.stack([maps.outputs[-1].reshape(-1) for maps in every]), report
