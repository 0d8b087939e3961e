"""Training: a float leg, then a quantization-aware one, with a checkpoint every epoch.

Every random draw is a function of (seed, leg, epoch) and every learning rate one of the step, so a run that was killed
and resumed from its last checkpoint takes exactly the steps of an unbroken one. Several processes (`torchrun`) take
equal parts of each batch and the same steps as one process would, to rounding.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from model.dataset import Dataset
from model.errors import LockstepError
from model.network import checkpoint
from model.network.augment import augment, to_input
from model.network.layers import set_quantized, start_quantization
from model.network.nets import ConvNet
from model.network.processes import own_share, process_count, process_index, sum_of_all
from model.network.recipe import Leg, Recipe

CALIBRATION_IMAGES = 512
LEGS = ("float", "qat")


@dataclass
class Progress:
    """Where a run stands: `epochs` finished per leg, the last accuracies measured and the seconds taken, by leg."""

    epochs: dict[str, int]
    accuracy: dict[str, float]
    seconds: dict[str, float]


def pick_device() -> torch.device:
    """CUDA where there is one, held to algorithms that give the same bits each time; else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 mixed precision on `device`."""
    return torch.autocast(device.type, dtype=torch.bfloat16)


def make_optimizer(network: nn.Module, plan: Leg) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; weight decay on convolution and linear weights alone."""
    decayed = [p for n, p in network.named_parameters() if n.endswith("weight") and p.dim() > 1]
    kept = {id(p) for p in decayed}
    rest = [p for p in network.parameters() if id(p) not in kept]  # BatchNorm, biases, steps
    groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=plan.peak_rate, momentum=0.9, nesterov=True, fused=True)


class Trainer:
    """One run: network, data, recipe and the folder that holds its checkpoint and TensorBoard log.

    Parameters
    ----------
    network : ConvNet
        Freshly built; a checkpoint in `folder` is loaded into it.
    dataset : Dataset
    recipe : Recipe
    folder : Path
        ``checkpoint.pt`` and ``log/`` are kept here.
    starts : Path, optional
        Folder of run folders, `folder` among them: a float leg that one of them has finished serves all whose recipes
        have the same. None for no sharing.
    quiet : bool
        No progress bar.

    Raises
    ------
    LockstepError
        When `folder` holds a checkpoint of another recipe, other data or a damaged one (nothing is overwritten), when
        there are fewer training images than a batch, or a batch that the processes cannot share evenly.
    """

    def __init__(
        self,
        network: ConvNet,
        dataset: Dataset,
        recipe: Recipe,
        folder: Path,
        starts: Path | None = None,
        quiet: bool = False,
    ) -> None:
        if len(dataset.train_pixels) < recipe.batch:
            raise LockstepError(
                f"{len(dataset.train_pixels)} training images are fewer than one batch; expected {recipe.batch} or more"
            )
        if recipe.batch % process_count():
            raise LockstepError(
                f"{process_count()} processes cannot share a batch of {recipe.batch} evenly; start as many as divide it"
            )
        self.device = pick_device()
        self.first = process_index() == 0  # the process that writes and tells
        self.recipe, self.folder, self.quiet = recipe, folder, quiet or not self.first
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        self.train_pixels, self.train_labels, self.test_pixels, self.test_labels = (
            torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
            for array in (dataset.train_pixels, dataset.train_labels, dataset.test_pixels, dataset.test_labels)
        )
        self.progress = Progress(dict.fromkeys(LEGS, 0), {}, dict.fromkeys(LEGS, 0.0))
        self.key = hashlib.sha256(json.dumps([recipe.describe(), dataset.sha256], sort_keys=True).encode()).hexdigest()
        self.start_key = recipe.float_key(dataset.sha256)
        self.starts = starts
        self._resumed: torch.optim.Optimizer | None = None  # of the leg that a checkpoint was saved in the middle of
        self._resume()

    @property
    def checkpoint(self) -> Path:
        """The run's checkpoint file."""
        return self.folder / "checkpoint.pt"

    @property
    def start_name(self) -> str:
        """Name of the file of the finished float leg."""
        return f"float-{self.start_key[:12]}.pt"

    def plan(self, leg: str) -> Leg:
        """The recipe of one leg."""
        plan: Leg = getattr(self.recipe, leg)
        return plan

    def run(self) -> None:
        """Train whatever is not trained yet.

        Raises
        ------
        LockstepError
            When training diverges or `folder` cannot be written.
        """
        unfinished = [leg for leg in LEGS if self.progress.epochs[leg] < self.plan(leg).epochs]
        if not unfinished:
            return
        finished = sum(self.progress.epochs.values())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # What a killed run logged after its last checkpoint is hidden: those epochs are trained again.
            with (
                SummaryWriter(str(self.folder / "log"), purge_step=finished + 1) if self.first else nullcontext() as log
            ):
                for leg in unfinished:
                    self._run_leg(leg, self.plan(leg), log)
        except OSError as error:
            raise LockstepError(f"cannot write {self.folder}: {error.strerror or error}; make room for it") from error

    def _run_leg(self, leg: str, plan: Leg, log: SummaryWriter | None) -> None:
        if leg == "qat" and self.progress.epochs[leg] == 0:
            self.network.eval()
            stride = max(1, len(self.train_pixels) // CALIBRATION_IMAGES)
            start_quantization(self.network, to_input(self.train_pixels[::stride]))
        set_quantized(self.network, leg == "qat")
        optimizer = self._resumed or make_optimizer(self.network, plan)
        self._resumed = None
        model: nn.Module = self.network
        if process_count() > 1:
            # BatchNorm's statistics are those of all processes already: there are no buffers to hand round
            model = nn.parallel.DistributedDataParallel(self.network, broadcast_buffers=False)
        for epoch in range(self.progress.epochs[leg], plan.epochs):
            started = time.monotonic()
            loss, accuracy = self._epoch(leg, plan, epoch, optimizer, model)
            self.progress.epochs[leg] = epoch + 1
            tested = (epoch + 1) % self.recipe.evaluate_every == 0 or epoch + 1 == plan.epochs
            if tested:
                self.progress.accuracy[leg] = self.evaluate()
            if log is not None:
                step = sum(self.progress.epochs.values())
                log.add_scalar("train/loss", loss, step)
                log.add_scalar("train/accuracy", accuracy, step)
                if tested:
                    told = self.progress.accuracy[leg]
                    log.add_scalar("test/accuracy", told, step)
                    tqdm.write(f"{leg} epoch {epoch + 1}/{plan.epochs}: test accuracy {told:.2%}")
                log.flush()
            self.progress.seconds[leg] += time.monotonic() - started
            if leg == "float" and epoch + 1 == plan.epochs:
                self._save_start()  # before the checkpoint, or a kill between the two would lose it to other runs
            self._save(optimizer)

    def _epoch(
        self, leg: str, plan: Leg, epoch: int, optimizer: torch.optim.Optimizer, model: nn.Module
    ) -> tuple[float, float]:
        """Train one epoch; returns mean loss and accuracy on the augmented training images."""
        self.network.train()
        recipe = self.recipe
        generator = torch.Generator().manual_seed((recipe.seed << 32) + (LEGS.index(leg) << 16) + epoch)
        order = torch.randperm(len(self.train_pixels), generator=generator)
        count = len(order) // recipe.batch  # a short last batch would upset BatchNorm; another order drops others
        share = own_share(recipe.batch)
        epochs_left = sum(self.plan(each).epochs - self.progress.epochs[each] for each in LEGS)  # this one included
        sums = torch.zeros(2, device=self.device)  # of losses and of shares that were right
        started = time.monotonic()
        with tqdm(
            range(count),
            desc=f"{leg} {epoch + 1}/{plan.epochs}",
            unit="img",
            unit_scale=recipe.batch,
            disable=self.quiet,
            leave=False,
        ) as bar:
            for step in bar:
                for group in optimizer.param_groups:
                    group["lr"] = plan.rate(epoch * count + step, plan.epochs * count)
                picked = order[step * recipe.batch : (step + 1) * recipe.batch].to(self.device)
                drawn = augment(self.train_pixels[picked], recipe.crop, recipe.flip, generator, recipe.cutout, share)
                labels = self.train_labels[picked[share]]
                with autocast(self.device):
                    logits = model(to_input(drawn))
                loss = nn.functional.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
                optimizer.step()
                sums += torch.stack([loss.detach(), (logits.argmax(1) == labels).float().mean()])
                if step % 20 == 19 and not self.quiet:
                    done = step + 1
                    minutes = (time.monotonic() - started) / done * (epochs_left * count - done) / 60
                    bar.set_postfix_str(
                        f"loss {sums[0] / done:.3f}, accuracy {sums[1] / done:.1%}, all done in {minutes:.0f} min"
                    )
        loss_mean, right = (float(value) for value in sum_of_all(sums) / (count * process_count()))
        if not np.isfinite(loss_mean):
            raise LockstepError(
                f"training diverged in {leg} epoch {epoch + 1} (loss {loss_mean}); lower peak_rate. "
                f"The last checkpoint before it is kept in {self.checkpoint}"
            )
        return loss_mean, right

    @torch.no_grad()
    def evaluate(self) -> float:
        """Accuracy on the test set in mixed precision, as trained: a log entry; quoted figures come from integers."""
        self.network.eval()
        right = torch.zeros((), device=self.device)
        for start in range(256 * process_index(), len(self.test_pixels), 256 * process_count()):
            with autocast(self.device):
                logits = self.network(to_input(self.test_pixels[start : start + 256]))
            right += (logits.argmax(1) == self.test_labels[start : start + 256]).sum()
        return int(sum_of_all(right)) / len(self.test_pixels)

    def _save_start(self) -> None:
        if self.starts is not None:
            state = {name: getattr(self.progress, name)["float"] for name in ("accuracy", "seconds")}
            checkpoint.save(
                self.folder / self.start_name, {**state, "key": self.start_key, "network": self.network.state_dict()}
            )

    def _save(self, optimizer: torch.optim.Optimizer) -> None:
        checkpoint.save(
            self.checkpoint,
            {
                "key": self.key,
                "epochs": self.progress.epochs,
                "accuracy": self.progress.accuracy,
                "seconds": self.progress.seconds,
                "network": self.network.state_dict(),
                "optimizer": optimizer.state_dict(),
            },
        )

    def _resume(self) -> None:
        state = checkpoint.load(self.checkpoint, self.device)
        if state is None:
            self._take_start()
            return
        try:
            if state["key"] != self.key:
                raise LockstepError(
                    f"{self.checkpoint} belongs to another recipe or other data; to go on with it use its settings, "
                    f"to start afresh move {self.folder} away"
                )
            epochs = {leg: int(state["epochs"][leg]) for leg in LEGS}
            seconds = {leg: float(state["seconds"][leg]) for leg in LEGS}
            self.network.load_state_dict(state["network"])
            self.progress = Progress(epochs, {str(k): float(v) for k, v in state["accuracy"].items()}, seconds)
            # The optimizer's state serves the leg it was saved in; a finished leg leaves none to the next.
            leg = "qat" if epochs["qat"] else "float"
            if epochs[leg] < self.plan(leg).epochs:
                self._resumed = make_optimizer(self.network, self.plan(leg))
                self._resumed.load_state_dict(state["optimizer"])
        except LockstepError:
            raise
        except Exception as error:  # torch raises many kinds on contents that are not what they should be
            raise checkpoint.not_whole(self.checkpoint, error) from error
        set_quantized(self.network, epochs["qat"] > 0)
        self._tell(f"resuming after {epochs['float']} float and {epochs['qat']} QAT epochs")

    def _take_start(self) -> None:
        """The float leg of another run, where one has trained just that."""
        epochs = self.plan("float").epochs
        if self.starts is None or not epochs:
            return
        path = next(iter(sorted(self.starts.glob(f"*/{self.start_name}"))), self.folder / self.start_name)
        state = checkpoint.load(path, self.device)
        if state is None:
            return
        try:
            if state["key"] != self.start_key:
                raise ValueError("of another recipe")
            self.network.load_state_dict(state["network"])
            self.progress.epochs["float"] = epochs
            self.progress.accuracy["float"] = float(state["accuracy"])
            self.progress.seconds["float"] = float(state["seconds"])
        except Exception as error:
            raise checkpoint.not_whole(path, error) from error
        self._tell(f"starting from {path}: {epochs} float epochs, as this recipe has them")

    def _tell(self, line: str) -> None:
        if self.first:
            tqdm.write(line)
