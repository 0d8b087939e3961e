"""Training by processes that share a batch, group after group: python tests/forked_ranks.py <plan>.

Started by tests/test_network_processes.py. The processes of a group are forked from this one, so that torch is loaded
once, and are given the variables that torchrun sets. Read: a JSON list of [folder, processes, apart]; each process
leaves ``out<rank>``, what it printed, in its group's folder, which is made when it is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import traceback
from pathlib import Path

import torch
import torch._dynamo  # an optimizer loads it, which takes longer than the training

from model.network import train
from model.network.processes import joined, process_index
from model.network.recipe import Leg
from tests.trained import recipe, small_network, stripes

PLAN = recipe(
    cutout=1,
    float=Leg(2, 0.1, 0.25, 5e-4, cutmix=0.5, small=0.5, small_side=3, trivial=0.5),
    qat=Leg(2, 0.03, 0.1, 1e-4, sharpness=0.2),
)


def rank(apart: bool) -> None:
    """The run of one process, here; `apart`: in a folder of its own."""
    # In float64: in bfloat16 roundings are all one sees, and each can tip a code that then tips others
    train.autocast = lambda device: torch.autocast("cpu", enabled=False)
    train.to_input = lambda pixels: pixels.double() / 255
    with joined():
        own = Path(f"machine{process_index()}" if apart else ".")
        run = train.Trainer(small_network().double(), stripes(), PLAN, own, own.parent, quiet=True)
        run.run()
        (own / f"told{process_index()}").write_text(f"{run.progress.accuracy['qat']} {run.evaluate()}")


def group(folder: Path, count: int, apart: bool) -> None:
    """Run `count` processes.

    Raises
    ------
    SystemExit
        When one of them fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for index in range(count):
        child = os.fork()
        if child == 0:
            os.environ |= {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            os.environ |= {"RANK": str(index), "LOCAL_RANK": str(index)}
            try:
                os.chdir(folder)
                with Path(f"out{index}").open("w") as out, contextlib.redirect_stdout(out):
                    rank(apart)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(ends):
        raise SystemExit(f"{folder}: the processes ended with {ends}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, count, apart in json.loads(Path(sys.argv[1]).read_text()):
        group(Path(name), count, apart)
