"""`make train` run again and again, killed at another point each time: python tests/killed_runs.py <plan> <ends>.

Started by tests/test_scripts_train.py. The processes are forked from this one, so that torch and scikit-learn are
loaded once; each is a whole run of `scripts.train`, in a folder of the plan, that ends by the signal which it sends
itself at the point named. Read: a JSON list of [folder, point, count]; written: how each of them ended.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sklearn.datasets  # noqa: F401  # loaded here, once, what every run would load late for itself: the digits
import torch
import torch._dynamo  # and what an optimizer loads, which takes longer than the training

from model.network import checkpoint, train
from scripts import training
from scripts.train import main
from tests.trained import KILLED_RUN as ARGUMENTS


def die(signal_number: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), signal_number)


def calls(holder: Any, name: str, count: int, act: Callable[..., Any]) -> None:
    """Let `act` take the place of the `count`-th call of `holder.name`; it is given the real one, and its arguments."""
    real, seen = getattr(holder, name), 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal seen
        seen += 1
        return act(real, *arguments, **named) if seen == count else real(*arguments, **named)

    setattr(holder, name, call)


def before(real: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    die()


def after(real: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    real(*arguments, **named)
    die()


def half_written(real: Callable[..., Any], path: Path, content: Callable[[Any], Any]) -> None:
    buffer = io.BytesIO()
    content(buffer)

    def half(file: Any) -> None:
        file.write(buffer.getvalue()[: len(buffer.getvalue()) // 2])
        file.flush()
        die()

    real(path, half)


def interrupted(real: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    die(signal.SIGINT)
    real(*arguments, **named)


def at(name: str, act: Callable[..., Any]) -> Callable[[Any, int], None]:
    return lambda holder, count: calls(holder, name, count, act)


POINTS: dict[str, tuple[Any, Callable[[Any, int], None]]] = {
    "step": (torch.optim.SGD, at("step", before)),
    "writing": (checkpoint, at("write_atomic", half_written)),
    "written": (os, at("replace", before)),
    "saved": (os, at("replace", after)),
    "calibrated": (train, at("start_quantization", after)),
    "frozen": (training, at("freeze", after)),
    "interrupt": (torch.optim.SGD, at("step", interrupted)),
}


def run(folder: str, point: str | None, count: int) -> dict[str, Any]:
    """One run in a process of its own; how it ended, and what it left on stderr."""
    Path(folder).mkdir(exist_ok=True)
    with Path(f"{folder}.stderr").open("w+") as told:
        child = os.fork()
        if child == 0:
            os.chdir(folder)
            sys.stderr = told
            if point is not None:
                holder, arm = POINTS[point]
                arm(holder, count)
            status = main(ARGUMENTS)
            told.flush()
            os._exit(status)
        _, status = os.waitpid(child, 0)
        told.seek(0)
        return {
            "folder": folder,
            "point": point,
            "count": count,
            "killed": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "exit": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "stderr": told.read(),
            "parts": len(list(Path(folder).rglob(".*.part"))),
        }


if __name__ == "__main__":
    ends = [run(*entry) for entry in json.loads(Path(sys.argv[1]).read_text())]
    Path(sys.argv[2]).write_text(json.dumps(ends))
