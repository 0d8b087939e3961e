"""Training: a float leg, then a quantization-aware one, with a checkpoint every epoch.

Every random draw is a function of (seed, leg, epoch) and every learning rate one of the step, so a run that was killed
and resumed from its last checkpoint takes exactly the steps of an unbroken one.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from model.dataset import Dataset
from model.errors import LockstepError
from model.files import write_atomic
from model.network.nets import ConvNet
from model.network.quantize import set_quantized, start_quantization
from model.network.recipe import Leg, Recipe

CALIBRATION_IMAGES = 512
LEGS = ("float", "qat")


@dataclass
class Progress:
    """Where a run stands: `epochs` finished per leg and the last accuracies measured, by leg."""

    epochs: dict[str, int]
    accuracy: dict[str, float]
    seconds: float


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


def augment(pixels: Tensor, crop: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Random crops out of a border of `crop` zero pixels, and mirror images, for a whole batch at once.

    Parameters
    ----------
    pixels : uint8 tensor (batch, channels, height, width)
    generator : CPU generator that the draws come from

    Returns
    -------
    uint8 tensor of the same shape
    """
    batch, _, height, width = pixels.shape
    rows = torch.arange(height)[None].repeat(batch, 1)
    cols = torch.arange(width)[None].repeat(batch, 1)
    if flip:
        mirrored = torch.randint(2, (batch, 1), generator=generator).bool()
        cols = torch.where(mirrored, cols.flip(1), cols)
    if crop:
        rows = rows + torch.randint(2 * crop + 1, (batch, 1), generator=generator)
        cols = cols + torch.randint(2 * crop + 1, (batch, 1), generator=generator)
        pixels = nn.functional.pad(pixels, [crop] * 4)
    rows, cols = rows.to(pixels.device), cols.to(pixels.device)
    image = torch.arange(batch, device=pixels.device)[:, None, None]
    picked = pixels.permute(0, 2, 3, 1)[image, rows[:, :, None], cols[:, None, :]]  # (batch, y, x, channel)
    return picked.permute(0, 3, 1, 2)


def to_input(pixels: Tensor) -> Tensor:
    """uint8 pixels to floats in [0, 1], channels last."""
    return pixels.float().div_(255).contiguous(memory_format=torch.channels_last)


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
    quiet : bool
        No progress bar.

    Raises
    ------
    LockstepError
        When `folder` holds a checkpoint of another recipe, other data or a damaged one (nothing is overwritten), or
        when there are fewer training images than a batch.
    """

    def __init__(self, network: ConvNet, dataset: Dataset, recipe: Recipe, folder: Path, quiet: bool = False) -> None:
        if len(dataset.train_pixels) < recipe.batch:
            raise LockstepError(
                f"{len(dataset.train_pixels)} training images are fewer than one batch; expected {recipe.batch} or more"
            )
        self.device = pick_device()
        self.recipe, self.folder, self.quiet = recipe, folder, quiet
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        self.train_pixels, self.train_labels, self.test_pixels, self.test_labels = (
            torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
            for array in (dataset.train_pixels, dataset.train_labels, dataset.test_pixels, dataset.test_labels)
        )
        self.progress = Progress(dict.fromkeys(LEGS, 0), {}, 0.0)
        self.key = hashlib.sha256(json.dumps([recipe.describe(), dataset.sha256], sort_keys=True).encode()).hexdigest()
        self._resumed: torch.optim.Optimizer | None = None  # of the leg that a checkpoint was saved in the middle of
        self._resume()

    @property
    def checkpoint(self) -> Path:
        """The run's checkpoint file."""
        return self.folder / "checkpoint.pt"

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
            with SummaryWriter(str(self.folder / "log"), purge_step=finished + 1) as log:
                for leg in unfinished:
                    self._run_leg(leg, self.plan(leg), log)
        except OSError as error:
            raise LockstepError(f"cannot write {self.folder}: {error.strerror or error}; make room for it") from error

    def _run_leg(self, leg: str, plan: Leg, log: SummaryWriter) -> None:
        if leg == "qat" and self.progress.epochs[leg] == 0:
            self.network.eval()
            stride = max(1, len(self.train_pixels) // CALIBRATION_IMAGES)
            start_quantization(self.network, to_input(self.train_pixels[::stride]))
        set_quantized(self.network, leg == "qat")
        optimizer = self._resumed or self._make_optimizer(plan)
        self._resumed = None
        for epoch in range(self.progress.epochs[leg], plan.epochs):
            started = time.monotonic()
            loss, accuracy = self._epoch(leg, plan, epoch, optimizer)
            self.progress.epochs[leg] = epoch + 1
            step = sum(self.progress.epochs.values())
            log.add_scalar("train/loss", loss, step)
            log.add_scalar("train/accuracy", accuracy, step)
            if (epoch + 1) % self.recipe.evaluate_every == 0 or epoch + 1 == plan.epochs:
                self.progress.accuracy[leg] = self.evaluate()
                log.add_scalar("test/accuracy", self.progress.accuracy[leg], step)
                tqdm.write(f"{leg} epoch {epoch + 1}/{plan.epochs}: test accuracy {self.progress.accuracy[leg]:.2%}")
            log.flush()
            self.progress.seconds += time.monotonic() - started
            self._save(optimizer)

    def _make_optimizer(self, plan: Leg) -> torch.optim.Optimizer:
        decayed = [p for n, p in self.network.named_parameters() if n.endswith("weight") and p.dim() > 1]
        kept = {id(p) for p in decayed}
        rest = [p for p in self.network.parameters() if id(p) not in kept]  # BatchNorm, biases, steps
        groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        return torch.optim.SGD(groups, lr=plan.peak_rate, momentum=0.9, nesterov=True)

    def _epoch(self, leg: str, plan: Leg, epoch: int, optimizer: torch.optim.Optimizer) -> tuple[float, float]:
        """Train one epoch; returns mean loss and accuracy on the augmented training images."""
        self.network.train()
        generator = torch.Generator().manual_seed((self.recipe.seed << 32) + (LEGS.index(leg) << 16) + epoch)
        order = torch.randperm(len(self.train_pixels), generator=generator)
        count = len(order) // self.recipe.batch  # a short last batch would upset BatchNorm; another order drops others
        epochs_left = sum(self.plan(each).epochs - self.progress.epochs[each] for each in LEGS)  # this one included
        loss_sum, right = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        started = time.monotonic()
        with tqdm(
            range(count),
            desc=f"{leg} {epoch + 1}/{plan.epochs}",
            unit="img",
            unit_scale=self.recipe.batch,
            disable=self.quiet,
            leave=False,
        ) as bar:
            for step in bar:
                for group in optimizer.param_groups:
                    group["lr"] = plan.rate(epoch * count + step, plan.epochs * count)
                picked = order[step * self.recipe.batch : (step + 1) * self.recipe.batch].to(self.device)
                pixels = to_input(augment(self.train_pixels[picked], self.recipe.crop, self.recipe.flip, generator))
                labels = self.train_labels[picked]
                with autocast(self.device):
                    logits = self.network(pixels)
                loss = nn.functional.cross_entropy(logits.float(), labels, label_smoothing=self.recipe.label_smoothing)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
                optimizer.step()
                loss_sum += loss.detach()
                right += (logits.argmax(1) == labels).float().mean()
                if step % 20 == 19 and not self.quiet:
                    done = step + 1
                    minutes = (time.monotonic() - started) / done * (epochs_left * count - done) / 60
                    bar.set_postfix_str(
                        f"loss {loss_sum / done:.3f}, accuracy {right / done:.1%}, all done in {minutes:.0f} min"
                    )
        mean = float(loss_sum) / count
        if not np.isfinite(mean):
            raise LockstepError(
                f"training diverged in {leg} epoch {epoch + 1} (loss {mean}); lower peak_rate. "
                f"The last checkpoint before it is kept in {self.checkpoint}"
            )
        return mean, float(right) / count

    @torch.no_grad()
    def evaluate(self) -> float:
        """Accuracy on the test set in mixed precision, as trained: a log entry; quoted figures come from integers."""
        self.network.eval()
        right = 0
        for start in range(0, len(self.test_pixels), 256):
            with autocast(self.device):
                logits = self.network(to_input(self.test_pixels[start : start + 256]))
            right += int((logits.argmax(1) == self.test_labels[start : start + 256]).sum())
        return right / len(self.test_pixels)

    def _save(self, optimizer: torch.optim.Optimizer) -> None:
        buffer = io.BytesIO()
        torch.save(
            {
                "key": self.key,
                "epochs": self.progress.epochs,
                "accuracy": self.progress.accuracy,
                "seconds": self.progress.seconds,
                "network": self.network.state_dict(),
                "optimizer": optimizer.state_dict(),
            },
            buffer,
        )
        write_atomic(self.checkpoint, lambda file: file.write(buffer.getbuffer()))

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        try:
            with zipfile.ZipFile(self.checkpoint) as archive:  # torch.load does not look at the checksums that it wrote
                if damaged := archive.testzip():
                    raise ValueError(f"{damaged} is damaged")
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            if state["key"] != self.key:
                raise LockstepError(
                    f"{self.checkpoint} belongs to another recipe or other data; to go on with it use its settings, "
                    f"to start afresh move {self.folder} away"
                )
            epochs = {leg: int(state["epochs"][leg]) for leg in LEGS}
            self.network.load_state_dict(state["network"])
            accuracy = {str(leg): float(value) for leg, value in state["accuracy"].items()}
            self.progress = Progress(epochs, accuracy, float(state["seconds"]))
            # The optimizer's state serves the leg it was saved in; a finished leg leaves none to the next.
            leg = "qat" if epochs["qat"] else "float"
            if epochs[leg] < self.plan(leg).epochs:
                self._resumed = self._make_optimizer(self.plan(leg))
                self._resumed.load_state_dict(state["optimizer"])
        except LockstepError:
            raise
        except Exception as error:  # torch raises many kinds on damaged files
            reason = str(error).splitlines()[0][:120] if str(error) else "no reason given"
            raise LockstepError(
                f"{self.checkpoint} is not a whole checkpoint ({type(error).__name__}: {reason}); "
                "move it away to start afresh"
            ) from error
        set_quantized(self.network, epochs["qat"] > 0)
        tqdm.write(f"resuming after {epochs['float']} float and {epochs['qat']} QAT epochs")
