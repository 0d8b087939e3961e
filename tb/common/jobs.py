"""Pieces of long work, done several at a time; what is done is kept, and done again only when it must be."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import LockstepError
from model.files import read_json, write_json
from tb.common.tools import ToolError

Result = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Parameters
    ----------
    name : str
        Unique; the folder below the results, too.
    group : {"area", "format", "fmax", "gates"}
    block : str
    kind : str
        The flow.
    folder : Path
    depends : str
        Everything the result depends on, as text.
    work : function
        Does it, and returns the figures.
    about : mapping
        What the result says beside the figures.
    """

    name: str
    group: str
    block: str
    kind: str
    folder: Path
    depends: str
    work: Callable[[], Mapping[str, Any]]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Hash of all that the result depends on."""
        return hashlib.sha256(f"{self.name}\n{self.depends}".encode()).hexdigest()

    def finish(self) -> Result:
        """The figures, with ``name``, ``seconds``, ``error`` (None, or a line) and ``kept``; errors are not kept."""
        path = self.folder / "job.json"
        try:
            stored = read_json(path)
            if stored["key"] == self.key:
                return {**stored["result"], **self.about, "kept": True}
        except (LockstepError, LookupError, TypeError):
            pass  # never done, or broken off
        path.unlink(missing_ok=True)
        started = time.monotonic()
        result: Result = {"name": self.name, "error": None}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            result |= self.work()
        except ToolError as error:
            result["error"] = str(error)
        result["seconds"] = round(time.monotonic() - started, 1)
        if result["error"] is None:
            write_json(path, {"key": self.key, "result": result})
        return {**result, **self.about, "kept": False}


def finish_all(
    work: Sequence[Job],
    jobs: int,
    told: Callable[[Result], str],
    workers: Callable[[int], Executor] = ThreadPoolExecutor,
) -> dict[str, Result]:
    """Finish `work`, `jobs` pieces at a time; `told` is a result's line, printed as it comes. Results by job.

    The workers are threads, which is enough for those that wait for a tool, or what `workers` makes.
    """
    done: dict[str, Result] = {}
    with workers(jobs) as pool:
        try:
            for future in as_completed({pool.submit(job.finish): job for job in work}):
                result = future.result()
                done[result["name"]] = result
                print(told(result), flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {job.name: done[job.name] for job in work}
