"""The settings of a training, whatever it trains: budget, optimiser, schedule, augmentation, seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from nnunet_dsd.common.declared_settings import setting
from nnunet_dsd.common.settings_part import SettingsPart

Optimiser = Literal["sgd", "adamw"]
Schedule = Literal["poly", "step", "constant", "cosine"]

LEARNING_RATES: dict[Optimiser, float] = {"sgd": 1e-2, "adamw": 1e-3}  # nnU-Net's; the paper's for MMWHS
WEIGHT_DECAYS: dict[Optimiser, float] = {"sgd": 3e-5, "adamw": 1e-5}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(SettingsPart):
    """What every trainer of this package reads, the baselines too."""

    title: ClassVar[str] = "the training"

    epochs: int = setting(1000, "number of epochs", low=1)
    iterations_per_epoch: int = setting(250, "training steps per epoch", low=1)
    validation_iterations_per_epoch: int = setting(50, "validation steps per epoch", low=1)
    save_every: int = setting(50, "epochs between two checkpoints to resume from", low=1)
    optimiser: Optimiser = setting("sgd", "sgd: nnU-Net's, with Nesterov momentum 0.99; adamw: the paper's")
    learning_rate: float | None = setting(
        None, "initial learning rate; none: 0.01 with sgd, 0.001 with adamw", low=0, open_low=True
    )
    weight_decay: float | None = setting(None, "weight decay; none: 3e-5 with sgd, 1e-5 with adamw", low=0)
    schedule: Schedule = setting(
        "poly",
        "poly: nnU-Net's; step: halved after every sixth of the epochs (paper, MMWHS); constant; cosine: half a cosine "
        "down to 1e-6 (HLFD)",
    )
    augmentation: bool = setting(
        True, "nnU-Net's augmentation; without it patches stay as they are, and prediction does not mirror either"
    )
    mirror_axes: tuple[int, ...] | None = setting(
        None,
        "axes along which patches may be mirrored, in training and at prediction, numbered from 0 as in the patch size "
        "of the plans; [] in a file, none as an option: no mirroring, for structures with a left and a right one; "
        "not set: all, as nnU-Net does",
        low=0,
        high=2,
    )
    start_from: str | None = setting(
        None,
        "checkpoint of a finished training of this data set to start from, all its weights and nothing else: a path, "
        "or TRAINER__PLANS__CONFIGURATION/fold_N/checkpoint_final.pth among the data set's results",
    )
    seed: int | None = setting(
        None, "seed of weights and sampling; none: as nnU-Net, not seeded", low=0, high=2**32 - 1
    )

    def contradictions(self) -> list[str]:
        """Return a sentence for values that do not go together."""
        if self.augmentation or not self.mirror_axes:
            return []
        return [
            f"mirror_axes: got {list(self.mirror_axes)} without augmentation, where nothing is mirrored; leave one of "
            "the two out"
        ]

    @property
    def initial_learning_rate(self) -> float:
        """The learning rate asked for, or the optimiser's own."""
        return LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate

    @property
    def chosen_weight_decay(self) -> float:
        """The weight decay asked for, or the optimiser's own."""
        return WEIGHT_DECAYS[self.optimiser] if self.weight_decay is None else self.weight_decay


def mirror_axes_problems(axes: Sequence[int] | None, patch_size: Sequence[int]) -> list[str]:
    """Return why patches cannot be mirrored along these axes: at most one sentence.

    Args:
        axes: The setting.
        patch_size: Of the configuration, in voxels per axis.
    """
    if all(axis < len(patch_size) for axis in axes or ()):
        return []
    allowed = ", ".join(map(str, range(len(patch_size))))
    return [f"mirror_axes: got {list(axes or ())}, but patches of {list(patch_size)} have the axes {allowed} only"]
