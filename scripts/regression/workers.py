"""The workers of a regression: processes here, a Dask cluster that is there, or jobs of a Slurm or LSF farm.

A worker needs nothing of Lockstep: what it runs is `subprocess.run` of the project's Python. All of them see the
project's folder and the results' folder under the same paths.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import LockstepError
from model.files import read_toml
from tb.common.runner import ROOT
from tb.network.run_case import NO_ANSWER

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster
    from distributed import Client

CONNECT_SECONDS = 5
LOST_WORKERS = 3  # so many may die over one job; one more, and the job counts as failed
RETRIES = 2  # of a job whose process ends without an answer
PATIENCE_SECONDS = 60  # without a single worker, of those that are processes here
LOOK_SECONDS = 5  # between two looks at whether there is one
WAIT_SECONDS = 0.2  # between two looks at what has come in
# What a worker runs: the folder is the same everywhere, and an interrupt at the terminal is not for it.
COMMAND = [sys.executable, "-m", "tb.network.run_case"]
HERE = {"cwd": str(ROOT), "capture_output": True, "text": True, "start_new_session": True, "check": True}
# Of the workers begun here and their scheduler: silent, without pages for a
# browser, and without the looks at themselves that cost an idle one 5% of a core.
SETTINGS = {
    "logging": {"distributed": "critical", "asyncio": "critical"},
    "distributed.scheduler.allowed-failures": LOST_WORKERS,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
SUBMIT = {"slurm": "sbatch", "lsf": "bsub"}
# What a farm's file may say; the names are dask-jobqueue's own.
COMMON = {
    **dict.fromkeys(("cores", "processes", "death_timeout"), int),
    **dict.fromkeys(("memory", "queue", "project", "walltime", "interface", "protocol", "python", "shebang"), str),
    **dict.fromkeys(("local_directory", "log_directory", "job_name"), str),
    **dict.fromkeys(("job_extra_directives", "job_directives_skip", "job_script_prologue", "worker_extra_args"), list),
}
FARMS: dict[str, dict[str, type]] = {
    "slurm": COMMON | {"account": str, "job_cpu": int, "job_mem": str},
    "lsf": COMMON | {"ncpus": int, "mem": int, "lsf_units": str, "use_stdin": bool},
}


@dataclass(frozen=True)
class Choice:
    """Which workers.

    Parameters
    ----------
    jobs : int
        Processes here, or jobs of a farm; without meaning for a scheduler that is there.
    scheduler : str
        Address of a Dask scheduler; empty for none.
    cluster : str
        ``slurm`` or ``lsf``; empty for none.
    config : str
        The farm's file (TOML).
    out : Path
        For what the workers here write of their own.

    Raises
    ------
    LockstepError
        When these do not go together, or a value is none.
    """

    jobs: int
    scheduler: str
    cluster: str
    config: str
    out: Path

    def __post_init__(self) -> None:
        if self.scheduler and self.cluster:
            raise LockstepError(f"SCHEDULER={self.scheduler} and CLUSTER={self.cluster}; expected one of them")
        if self.scheduler and not re.fullmatch(r"(tcp|tls|ucx)://[^\s/:]+:[0-9]{1,5}", self.scheduler):
            raise LockstepError(f"SCHEDULER={self.scheduler} is no address; expected tcp://<host>:<port>")
        if self.cluster and self.cluster not in FARMS:
            raise LockstepError(f"CLUSTER={self.cluster} is no farm; expected one of {', '.join(FARMS)}")
        if bool(self.cluster) != bool(self.config):
            raise LockstepError("CLUSTER= and CONFIG= go together; expected CLUSTER=slurm|lsf CONFIG=<file>")

    @property
    def told(self) -> str:
        """Who works, in words."""
        if self.scheduler:
            return f"the workers of {self.scheduler}"
        return f"at most {self.jobs} {self.cluster} jobs" if self.cluster else f"{self.jobs} processes here"


def farm_options(kind: str, path: Path) -> dict[str, Any]:
    """What the farm's file says, checked.

    Raises
    ------
    LockstepError
        When it cannot be read, or an entry is unknown, of another kind, or missing.
    """
    try:
        options = read_toml(path)
    except LockstepError as error:
        raise LockstepError(f"CONFIG={path}: {error}") from error
    kinds = FARMS[kind]
    for name, value in options.items():
        if name not in kinds:
            raise LockstepError(f"CONFIG={path}: no entry {name!r} for {kind}; expected of {', '.join(sorted(kinds))}")
        if type(value) is not kinds[name] or (isinstance(value, list) and not all(isinstance(x, str) for x in value)):
            raise LockstepError(f"CONFIG={path}: {name} is {value!r}; expected {kinds[name].__name__}")
    for name in ("cores", "memory"):
        if name not in options:
            raise LockstepError(
                f'CONFIG={path}: {name} is missing; expected cores = 1 and memory = "4GB", for instance'
            )
    return options


def farm(kind: str, options: Mapping[str, Any]) -> JobQueueCluster:
    """The farm's cluster, without a worker yet; `job_script()` is what it will submit."""
    from dask_jobqueue import LSFCluster, SLURMCluster

    made = {"slurm": SLURMCluster, "lsf": LSFCluster}[kind]
    usual = {"processes": options["cores"], "python": sys.executable, "job_name": "lockstep-regress"}
    return made(
        **(usual | dict(options)), silence_logs="critical", scheduler_options={"dashboard_address": "127.0.0.1:0"}
    )


@contextmanager
def workers(choice: Choice) -> Iterator[Client]:
    """A Dask client of the workers chosen; those started here end with the body.

    Raises
    ------
    LockstepError
        When the scheduler does not answer within CONNECT_SECONDS, or the farm has no command to submit with.
    """
    import dask
    from distributed import Client, LocalCluster

    with dask.config.set(SETTINGS), _silence():
        if choice.scheduler:
            try:
                client = Client(choice.scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
            except (OSError, ValueError) as error:
                reason = str(error).partition("\n")[0] or type(error).__name__
                raise LockstepError(
                    f"no scheduler answers at SCHEDULER={choice.scheduler} ({reason}); start one there: dask scheduler"
                ) from error
            with client:
                yield client
            return
        if choice.cluster:
            options = farm_options(choice.cluster, Path(choice.config))
            if shutil.which(SUBMIT[choice.cluster]) is None:
                raise LockstepError(
                    f"CLUSTER={choice.cluster}: no {SUBMIT[choice.cluster]} on PATH; expected a machine that may submit"
                )
            with farm(choice.cluster, options) as cluster, Client(cluster, set_as_default=False) as client:
                cluster.adapt(minimum_jobs=0, maximum_jobs=choice.jobs)  # replaces those that end early
                yield client
            return
        with (
            LocalCluster(
                n_workers=choice.jobs,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address="127.0.0.1:0",
                host="127.0.0.1",
                local_directory=str(choice.out / "dask"),
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


@contextmanager
def _silence() -> Iterator[None]:
    """No word of Dask's on what is told here in a line, such as a scheduler that has gone."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def answers(client: Client, requests: Mapping[str, str], patient: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """What `tb.network.run_case` answers to each request, as it comes in.

    Parameters
    ----------
    client : Client
    requests : mapping
        JSON, by names that come back with the answers.
    patient : bool
        Wait for workers however long there are none.

    Raises
    ------
    LockstepError
        When the scheduler is gone, or, unless `patient`, all workers have been for PATIENCE_SECONDS.
    """
    from distributed import as_completed

    run = uuid.uuid4().hex  # a scheduler that is there knows the futures of others
    waiting = {
        client.submit(subprocess.run, COMMAND, key=f"{name}-{run}", retries=RETRIES, input=request, **HERE): name
        for name, request in requests.items()
    }
    coming = as_completed(list(waiting), loop=client.loop)
    looked = seen = time.monotonic()
    while not coming.is_empty():
        if coming.has_ready():
            future = next(coming)
            if future.status == "cancelled":
                raise LockstepError("the scheduler is gone; what is finished is kept, the same command goes on")
            yield waiting.pop(future), _answer(future)
            continue
        time.sleep(WAIT_SECONDS)
        if not patient and time.monotonic() - looked > LOOK_SECONDS:
            looked = time.monotonic()
            seen = looked if client.scheduler_info()["workers"] else seen
            if looked - seen > PATIENCE_SECONDS:
                raise LockstepError("all workers are gone; what is finished is kept, the same command goes on")


def _answer(future: Any) -> dict[str, Any]:
    """What a job said; where it has no answer, why."""
    error = future.exception()
    if error is None:
        answer: dict[str, Any] = json.loads(future.result().stdout.splitlines()[-1])
        return answer
    said = getattr(error, "stderr", None) or str(error)
    return NO_ANSWER | {"what": f"no answer: {type(error).__name__}: {' '.join(said.split())[-500:]}"}


def look_everywhere(client: Client, request: str) -> dict[str, subprocess.CompletedProcess[str] | BaseException]:
    """The answer of every worker that is there to `request`, or why it has none."""
    found: dict[str, Any] = client.run(subprocess.run, COMMAND, input=request, on_error="return", **HERE)
    return found
