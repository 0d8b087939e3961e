"""Training: a float leg, then a quantization-aware one, with a checkpoint every epoch.

Every random draw is a function of (seed, leg, epoch) and every learning rate one of the step, so a run that was killed
and resumed from its last checkpoint takes exactly the steps of an unbroken one. Several processes (`torchrun`) take
equal parts of each batch and the same steps as one process would, to rounding.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from model.dataset import Dataset
from model.errors import LockstepError
from model.graph.graph import IntegerGraph
from model.network.augment import augment, scaled_to, to_input
from model.network.distill import Teacher
from model.network.layers import set_quantized, start_quantization
from model.network.mix import CutMix, Unmixed, draw_mix
from model.network.nets import ConvNet, Network
from model.network.processes import own_share, process_count, process_index, share_gradients, sum_of_all
from model.network.recipe import LEGS, Leg, Recipe
from model.network.sharpness import highest_nearby
from model.network.state import RunState
from model.network.thaw import check_shapes, thaw, thawed
from model.network.trivial import CHANNELS, changed

CALIBRATION_IMAGES = 512


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
    network : ConvNet or BranchedNet
        Freshly built; a checkpoint in `folder` is loaded into it.
    dataset : Dataset
    recipe : Recipe
    folder : Path
        The run's files and ``log/`` are kept here.
    shared : Path, optional
        Folder of run folders whose float legs are shared, as `RunState` has it.
    quiet : bool
        No progress bar.
    start : IntegerGraph, optional
        What the QAT leg starts from; None for the float leg's end.
    teachers : sequence of IntegerGraph
        What the QAT leg distills from, where the recipe wants it to; none for the float leg's end.

    Raises
    ------
    LockstepError
        When `folder` holds a checkpoint of another recipe, other data or a damaged one (nothing is overwritten), when
        there are fewer training images than a batch, a batch that the processes cannot share evenly, or the network's
        images cannot be made small or changed as the recipe wants.
    """

    def __init__(
        self,
        network: Network,
        dataset: Dataset,
        recipe: Recipe,
        folder: Path,
        shared: Path | None = None,
        quiet: bool = False,
        start: IntegerGraph | None = None,
        teachers: Sequence[IntegerGraph] = (),
    ) -> None:
        if len(dataset.train_pixels) < recipe.batch:
            raise LockstepError(
                f"{len(dataset.train_pixels)} training images are fewer than one batch; expected {recipe.batch} or more"
            )
        if recipe.batch % process_count():
            raise LockstepError(
                f"{process_count()} processes cannot share a batch of {recipe.batch} evenly; start as many as divide it"
            )
        _check_images(network, recipe)
        for graph in (*teachers, *([start] if start is not None else [])):
            check_shapes(network, graph)
        self.start, self.teachers = start, teachers
        self.device = pick_device()
        self.first = process_index() == 0  # the process that writes and tells
        self.recipe, self.folder, self.quiet = recipe, folder, quiet or not self.first
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        self.train_pixels, self.train_labels, self.test_pixels, self.test_labels = (
            torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
            for array in (dataset.train_pixels, dataset.train_labels, dataset.test_pixels, dataset.test_labels)
        )
        self.state = RunState(folder, shared, recipe, dataset.sha256, self.device)
        self._resumed: torch.optim.Optimizer | None = None  # of the leg that a checkpoint was saved in the middle of
        self._begin(shared is not None)

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
            pixels, labels = self._calibration()
            if self.start is None:
                start_quantization(self.network, pixels)
            else:
                thaw(self.network, self.start, pixels, labels, self.recipe.label_smoothing)
        set_quantized(self.network, leg == "qat")
        teacher = self._find_teacher(plan)
        optimizer = self._resumed or make_optimizer(self.network, plan)
        self._resumed = None
        model: nn.Module = self.network
        if process_count() > 1:
            model = share_gradients(self.network)
        for epoch in range(self.progress.epochs[leg], plan.epochs):
            started = time.monotonic()
            loss, accuracy = self._epoch(leg, epoch, optimizer, model, teacher)
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
                # before the checkpoint, or a kill between the two would lose it to other runs
                self.state.save_start(self.network, self.progress)
            self.state.save(self.network, self.progress, optimizer)

    def _epoch(
        self, leg: str, epoch: int, optimizer: torch.optim.Optimizer, model: nn.Module, teacher: Teacher | None
    ) -> tuple[float, float]:
        """Train one epoch; returns mean loss and accuracy on the augmented training images."""
        self.network.train()
        recipe, plan = self.recipe, self.plan(leg)
        generator = torch.Generator().manual_seed((recipe.seed << 32) + (LEGS.index(leg) << 16) + epoch)
        order = torch.randperm(len(self.train_pixels), generator=generator)
        count = len(order) // recipe.batch  # a short last batch would upset BatchNorm; another order drops others
        share = own_share(recipe.batch)
        side = plan.side(epoch, self.train_pixels.shape[2])
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
                images = self.train_pixels[picked]
                mix = draw_mix(images.shape, plan.cutmix, generator, share)
                images = changed(images, plan.trivial, generator, mix.sources)
                drawn = augment(images, recipe.crop, recipe.flip, generator, recipe.cutout, mix.sources)
                labels = self.train_labels[picked[mix.sources]]
                pixels = scaled_to(to_input(mix.images(drawn)), side)
                told, logits = self._loss(self.network if plan.sharpness else model, pixels, mix, labels, teacher)
                optimizer.zero_grad(set_to_none=True)
                if plan.sharpness:
                    with highest_nearby(self.network, told, plan.sharpness):
                        loss, _ = self._loss(model, pixels, mix, labels, teacher)
                        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
                else:
                    told.backward()  # type: ignore[no-untyped-call]  # untyped in torch
                optimizer.step()
                sums += torch.stack([told.detach(), (logits.argmax(1) == mix.main_labels(labels)).float().mean()])
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
                f"The last checkpoint before it is kept in {self.state.checkpoint}"
            )
        return loss_mean, right

    def _loss(
        self, model: nn.Module, pixels: Tensor, mix: CutMix | Unmixed, labels: Tensor, teacher: Teacher | None
    ) -> tuple[Tensor, Tensor]:
        """Loss () and logits (batch, classes) of one batch, float32."""
        with autocast(self.device):
            logits = model(pixels).float()
            loss = mix.loss(logits, labels, self.recipe.label_smoothing)
            return loss if teacher is None else teacher.loss(loss, logits, pixels), logits

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

    def _begin(self, shared: bool) -> None:
        """Take up the run where its checkpoint left it, or start from a float leg that is there and `shared`."""
        self.progress, optimizer = self.state.load(self.network)
        epochs = self.progress.epochs
        if optimizer is not None:
            self._resumed = make_optimizer(self.network, self.plan(self.progress.leg))
            try:
                self._resumed.load_state_dict(optimizer)
            except Exception as error:  # torch raises many kinds
                raise self.state.not_whole(error) from error
        if any(epochs.values()):
            set_quantized(self.network, epochs["qat"] > 0)
            self._tell(f"resuming after {epochs['float']} float and {epochs['qat']} QAT epochs")
        elif shared and self.plan("float").epochs and (found := self.state.load_start(self.network)):
            path, self.progress = found
            self._tell(f"starting from {path}: {self.progress.epochs['float']} float epochs, as this recipe has them")

    def _calibration(self) -> tuple[Tensor, Tensor]:
        """Some of the training images, as the network takes them, and their labels."""
        stride = max(1, len(self.train_pixels) // CALIBRATION_IMAGES)
        return to_input(self.train_pixels[::stride]), self.train_labels[::stride]

    def _find_teacher(self, plan: Leg) -> Teacher | None:
        if not plan.distill:
            return None
        if self.teachers:
            seen = (*self._calibration(), self.recipe.label_smoothing)
            networks = [thawed(self.network, graph, *seen) for graph in self.teachers]
            return Teacher(networks, plan.distill, plan.temperature)
        network = copy.deepcopy(self.network)
        if self.state.load_start(network) is None:
            raise LockstepError(
                f"{self.state.start} is missing: the float network teaches the quantized one; "
                f"to start afresh move {self.folder} away"
            )
        set_quantized(network, False)
        return Teacher([network], plan.distill, plan.temperature)

    def _tell(self, line: str) -> None:
        if self.first:
            tqdm.write(line)


def _check_images(network: Network, recipe: Recipe) -> None:
    """Raise LockstepError for images that a recipe makes small, or changes in colour, and its network's cannot be.

    A chain pools squares of any size to one pixel; other networks do not.
    """
    channels, height, width = network.input_shape
    for leg in LEGS:
        plan: Leg = getattr(recipe, leg)
        side = plan.small_side
        if side and not (isinstance(network, ConvNet) and side <= height == width):
            raise LockstepError(f"small_side {side} is not for {recipe.network}; expected a chain's, {height} at most")
        if plan.trivial and channels not in CHANNELS:
            raise LockstepError(
                f"trivial {plan.trivial} is not for {recipe.network}, whose images have {channels} channels; "
                "expected 1 or 3"
            )
