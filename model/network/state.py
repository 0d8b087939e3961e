"""What a training run keeps on disk: its checkpoint, and its finished float leg, which other runs may start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.errors import LockstepError
from model.network import checkpoint
from model.network.recipe import LEGS, Recipe


@dataclass
class Progress:
    """Where a run stands: `epochs` finished per leg, the last accuracies measured and the seconds taken, by leg."""

    epochs: dict[str, int]
    accuracy: dict[str, float]
    seconds: dict[str, float]

    @property
    def leg(self) -> str:
        """The leg that the run is in."""
        return "qat" if self.epochs["qat"] else "float"

    @classmethod
    def none(cls) -> Progress:
        """Of a run that has not begun."""
        return cls(dict.fromkeys(LEGS, 0), {}, dict.fromkeys(LEGS, 0.0))


class RunState:
    """The files of one run.

    Parameters
    ----------
    folder : Path
        ``checkpoint.pt`` and ``float-<hash>.pt`` are kept here.
    shared : Path, optional
        Folder of run folders, `folder` among them: a float leg that one of them has finished serves all whose recipes
        have the same. None for no sharing.
    recipe : Recipe
    data_sha256 : str
    device : torch.device
        Where tensors are loaded to.
    """

    def __init__(
        self, folder: Path, shared: Path | None, recipe: Recipe, data_sha256: str, device: torch.device
    ) -> None:
        self.folder, self.shared, self.device = folder, shared, device
        self.epochs = {leg: int(getattr(recipe, leg).epochs) for leg in LEGS}
        self.key = recipe.key(data_sha256)
        self.start_key = recipe.float_key(data_sha256)

    @property
    def checkpoint(self) -> Path:
        """The run's checkpoint file."""
        return self.folder / "checkpoint.pt"

    @property
    def start(self) -> Path:
        """The run's finished float leg; its name is a hash of all that decides how it ends."""
        return self.folder / f"float-{self.start_key[:12]}.pt"

    def save(self, network: nn.Module, progress: Progress, optimizer: torch.optim.Optimizer) -> None:
        """Keep where the run stands."""
        state = {
            "key": self.key,
            "epochs": progress.epochs,
            "accuracy": progress.accuracy,
            "seconds": progress.seconds,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        checkpoint.save(self.checkpoint, state)

    def save_start(self, network: nn.Module, progress: Progress) -> None:
        """Keep the end of the float leg."""
        state = {name: getattr(progress, name)["float"] for name in ("accuracy", "seconds")}
        checkpoint.save(self.start, {**state, "key": self.start_key, "network": network.state_dict()})

    def load(self, network: nn.Module) -> tuple[Progress, dict[str, Any] | None]:
        """Load the checkpoint, where there is one, into `network`.

        Returns
        -------
        progress : Progress
        optimizer : dict or None
            The optimizer's state, for the leg that the checkpoint was saved in the middle of: a finished leg leaves
            none to the next.

        Raises
        ------
        LockstepError
            When the checkpoint is damaged, or of another recipe or other data.
        """
        state = checkpoint.load(self.checkpoint, self.device)
        if state is None:
            return Progress.none(), None
        try:
            if state["key"] != self.key:
                raise LockstepError(
                    f"{self.checkpoint} belongs to another recipe or other data; to go on with it use its settings, "
                    f"to start afresh move {self.folder} away"
                )
            epochs = {leg: int(state["epochs"][leg]) for leg in LEGS}
            seconds = {leg: float(state["seconds"][leg]) for leg in LEGS}
            network.load_state_dict(state["network"])
            progress = Progress(epochs, {str(k): float(v) for k, v in state["accuracy"].items()}, seconds)
            under_way = epochs[progress.leg] < self.epochs[progress.leg]
            return progress, dict(state["optimizer"]) if under_way else None
        except LockstepError:
            raise
        except Exception as error:  # torch raises many kinds on contents that are not what they should be
            raise self.not_whole(error) from error

    def not_whole(self, error: Exception) -> LockstepError:
        """The error for a checkpoint that `error` shows to be none."""
        return checkpoint.not_whole(self.checkpoint, error)

    def load_start(self, network: nn.Module) -> tuple[Path, Progress] | None:
        """Load a finished float leg of this recipe into `network`: the run's own, or that of another run.

        Returns
        -------
        where it was found, and the progress that it stands for; None when there is none

        Raises
        ------
        LockstepError
            When the file is damaged.
        """
        others = sorted(self.shared.glob(f"*/{self.start.name}")) if self.shared is not None else []
        path = self.start if self.start.exists() or not others else others[0]
        state = checkpoint.load(path, self.device)
        if state is None:
            return None
        try:
            if state["key"] != self.start_key:
                raise ValueError("of another recipe")
            network.load_state_dict(state["network"])
            progress = Progress.none()
            progress.epochs["float"] = self.epochs["float"]
            progress.accuracy["float"] = float(state["accuracy"])
            progress.seconds["float"] = float(state["seconds"])
            return path, progress
        except Exception as error:
            raise checkpoint.not_whole(path, error) from error
