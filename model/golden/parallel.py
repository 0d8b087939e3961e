"""Logits of many images by several processes, each with one BLAS thread, in whatever order they are ready."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

import numpy as np

from model.errors import LockstepError
from model.golden.evaluate import BATCH, Executor
from model.graph.graph import IntegerGraph

Array = np.ndarray[Any, Any]
# Processes that share the cores need no threads beside them; BLAS reads these when it is loaded.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_executors: list[Executor] = []  # of a worker process: the one that it was started with


def stream(graph: IntegerGraph, pixels: Array, indices: Array, jobs: int) -> Iterator[tuple[Array, Array]]:
    """Logits of chosen images, a batch at a time.

    Parameters
    ----------
    graph : IntegerGraph
    pixels : uint8 array (n, channels, height, width)
    indices : int64 array (m,)
        Images to run.
    jobs : int
        Processes, 1 or more.

    Yields
    ------
    indices : int64 array (k,), k at most `model.golden.evaluate.BATCH`
    logits : int64 array (k, classes)

    Raises
    ------
    LockstepError
        When pixels do not fit the graph, or a process dies.
    """
    parts = [indices[start : start + BATCH] for start in range(0, len(indices), BATCH)]
    with _one_thread_each():
        context = multiprocessing.get_context("spawn")  # a fork would take BLAS's threads over in an unknown state
        pool = ProcessPoolExecutor(min(jobs, max(1, len(parts))), context, _begin, (graph,))
        try:
            waiting = {pool.submit(_run, pixels[part]): part for part in parts}
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as error:
            raise LockstepError("a process of the evaluation was killed; is the memory full? try --jobs 1") from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin(graph: IntegerGraph) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; it waits for the batch under way
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _executors.append(Executor(graph))


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(pixels: Array) -> Array:
    return _executors[0].logits(pixels)
