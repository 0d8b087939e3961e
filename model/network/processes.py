"""Training by several processes that share each batch: `torchrun` starts them, gloo or nccl joins them."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from model.errors import LockstepError

T = TypeVar("T")
PATIENCE = timedelta(minutes=60)  # the others wait while the first one measures


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that torchrun started, for as long as the context lasts; alone, nothing happens.

    Raises
    ------
    LockstepError
        When the environment is torchrun's and the processes do not find each other.
    """
    world = os.environ.get("WORLD_SIZE") or "1"
    if world == "1":
        yield
        return
    cuda = torch.cuda.is_available()
    try:
        if cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0][:120]
        raise LockstepError(f"the processes of torchrun cannot join: {reason}; start them with torchrun") from error
    try:
        yield
    except RuntimeError as error:  # what gloo and nccl raise when a process has left
        reason = str(error).splitlines()[0][:120]
        raise LockstepError(
            f"process {process_index()} broke off: {reason}; the process that ended first says why"
        ) from error
    finally:
        distributed.destroy_process_group()


def process_count() -> int:
    """How many processes share a batch."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def process_index() -> int:
    """Which of them this one is; 0 writes the files and tells how it goes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def first_before_the_others(run: Callable[[], T]) -> T:
    """What `run` returns, called in the first process and then, when that has ended, in the others."""
    if process_index() > 0:
        distributed.barrier()
    result = run()
    if process_index() == 0 and process_count() > 1:
        distributed.barrier()
    return result


def own_share(count: int) -> slice:
    """The own part of a batch of `count` images, which the processes share evenly."""
    each = count // process_count()
    return slice(process_index() * each, (process_index() + 1) * each)


class _SumOfAll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous().clone()
        distributed.all_reduce(total)
        return total


def sum_of_all(value: Tensor) -> Tensor:
    """`value` summed over the processes, differentiable."""
    if process_count() == 1:
        return value
    total: Tensor = _SumOfAll.apply(value)
    return total


def batch_statistics(value: Tensor) -> tuple[Tensor, Tensor, int]:
    """Mean and (biased) variance of each channel over the images of all processes, and how many values went into each.

    Parameters
    ----------
    value : float tensor (batch, channels, height, width); every process has as many
    """
    count = value.numel() // value.shape[1] * process_count()
    mean = sum_of_all(value.sum((0, 2, 3))) / count
    squares = (value - mean[:, None, None]).square().sum((0, 2, 3))
    return mean, sum_of_all(squares) / count, count


def from_first(content: bytes | None, device: torch.device) -> io.BytesIO | None:
    """What the first process read, on all of them: not every machine sees its files."""
    if process_count() == 1:
        return None if content is None else io.BytesIO(content)
    size = torch.tensor([-1 if content is None else len(content)], device=device)
    distributed.broadcast(size, 0)
    if int(size) < 0:
        return None
    own = content if process_index() == 0 else bytes(int(size))
    data = torch.frombuffer(bytearray(own or b""), dtype=torch.uint8).to(device)
    distributed.broadcast(data, 0)
    return io.BytesIO(data.cpu().numpy().tobytes())


def share_gradients(network: nn.Module) -> nn.Module:
    """`network`, whose gradients are averaged over the processes as they come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of arguments that torch is to drop
        # BatchNorm's statistics are those of all processes already: there are no buffers to hand round
        return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)
