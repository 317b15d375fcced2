"""Frozen settings of a triplet training: defaults are the paper's, the authors' code has a preset of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from nnunet_dsd.common.declared_settings import differing_settings, merged_settings, refuse_impossible, setting
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.likeness import listed
from nnunet_dsd.distillation.epochwise_settings import EpochReduction
from video_triplet.vocabulary import Head

HeadSet = Literal["triplet", "multi-task", "multi-task-phase"]
HEAD_SETS: Mapping[HeadSet, tuple[Head, ...]] = {
    "triplet": ("triplet",),
    "multi-task": ("triplet", "instrument", "verb", "target"),
    "multi-task-phase": ("triplet", "instrument", "verb", "target", "phase"),
}
AugmentationName = Literal["paper", "authors-code", "none"]
EpochChoice = Literal["best", "last"]
Reduction = Literal["mean", "sum"]
AnySettings = TypeVar("AnySettings")


@dataclass(frozen=True, kw_only=True)
class TripletSettings:
    """Everything that can be set about one training.

    Defaults are those of "Self-distillation for Surgical Action Recognition" (MICCAI 2023), Sect. 2.3; what the paper
    leaves open is said in each help text.

    Raises:
        SettingsError: listing every value that is not allowed.
    """

    backbone: str = setting("swin_base_patch4_window7_224", "name of a timm model")
    backbone_options: str = setting("{}", "JSON object of further arguments of that timm model, such as its depths")
    weights: str = setting("timm", "timm: pre-trained ones from its hub; none; or the path of a local file of them")
    image_size: int = setting(224, "width and height of the images in pixels", low=16)
    head_set: HeadSet = setting("triplet", "which heads are trained; the components and the phase are auxiliary")
    epochs: int = setting(20, "passes over the training frames; the paper: 20 for teachers, 40 for students", low=1)
    batch_size: int = setting(64, "frames per optimiser step, over all devices", low=1)
    accumulate: int = setting(1, "parts a step's frames are passed in, for small memories; gradients add up", low=1)
    learning_rate: float = setting(2e-4, "initial learning rate of Adam", low=0, open_low=True)
    minimum_learning_rate: float = setting(2e-6, "learning rate at the end of the cosine, stepped per epoch", low=0)
    weight_decay: float = setting(0.0, "L2 penalty in Adam; not in the paper (authors' code: 1e-6)", low=0)
    reduction: Reduction = setting("mean", "binary cross-entropy: mean or sum over frames and classes")
    augmentation: AugmentationName = setting("paper", "training augmentation; each of its operations with p = 0.5")
    soft_weight: float = setting(1.0, "SD in (1 - SD) hard + SD soft, where there are soft labels", low=0, high=1)
    temperature: float = setting(1.0, "softens the teacher's probabilities: sigmoid(logit / T)", low=0, open_low=True)
    label_smoothing: float = setting(0.0, "s in (1 - s) label + s / 2, on every column", low=0, high=1)
    epoch_lambda: float = setting(
        0.0,
        "weight lambda of the distance to the last epoch's features; 0: no epoch-wise self-distillation",
        low=0,
    )
    epoch_reduction: EpochReduction = setting(
        "mean",
        "that distance: mean over all values; samples: squared norm per frame, averaged; sum: over a step's frames",
    )
    choose_epoch: EpochChoice = setting("best", "best: by video mAP on the validation videos; last: no choice")
    seed: int = setting(
        1, "seed of the new layers, of the order of frames and of the augmentation", low=0, high=2**32 - 1
    )

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        refuse_impossible(self, source="the triplet settings")
        problems = []
        if self.batch_size % self.accumulate:
            problems.append(f"batch_size {self.batch_size} is not divisible by accumulate {self.accumulate}")
        if self.minimum_learning_rate > self.learning_rate:
            problems.append(f"minimum_learning_rate {self.minimum_learning_rate} is above {self.learning_rate}")
        problems += options_problems("backbone_options", self.backbone_options)
        if problems:
            raise SettingsError(problems, source="the triplet settings")

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads that are trained."""
        return HEAD_SETS[self.head_set]

    @property
    def backbone_arguments(self) -> dict[str, Any]:
        """`backbone_options` as keyword arguments; JSON lists become tuples."""
        return read_options(self.backbone_options)

    def differences(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults."""
        return differing_settings(self)


AUTHORS_CODE: Mapping[str, Any] = {
    "minimum_learning_rate": 2e-5,
    "weight_decay": 1e-6,
    "reduction": "sum",
    "augmentation": "authors-code",
}
Presets = Mapping[str, tuple[str, Mapping[str, Any]]]
PRESETS: Presets = {
    "paper": ("the settings of the paper, which are the defaults", {}),
    "authors-code-teacher": (
        "as the authors' code, without its faults: 3 epochs, the last one, its augmentation, BCE summed",
        {**AUTHORS_CODE, "epochs": 3, "choose_epoch": "last"},
    ),
    "authors-code-student": ("the same for students: 40 epochs, the best one", {**AUTHORS_CODE, "epochs": 40}),
}


def find_preset(name: str, presets: Presets = PRESETS) -> Mapping[str, Any]:
    """Return the settings of a preset.

    Raises:
        SettingsError: naming the presets that there are.
    """
    if name not in presets:
        known = listed(name, presets)
        raise SettingsError([f"unknown preset {name!r}; there are {known}"], source="--preset")
    return presets[name][1]


def read_triplet_settings(
    given: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    source: str = "the settings of this training",
) -> TripletSettings:
    """Build triplet settings; arguments and errors as of `read_training_settings`."""
    return read_training_settings(TripletSettings, given, defaults=defaults, fixed=fixed, source=source)


def read_training_settings(
    owner: type[AnySettings],
    given: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    source: str = "the settings of this training",
) -> AnySettings:
    """Build settings from what a user gave, a trainer's defaults and what makes the trainer what it is.

    Args:
        owner: The class of the settings.
        given: By a user, a preset included.
        defaults: The trainer's.
        fixed: The trainer's.
        source: Where they come from, for the message.

    Raises:
        SettingsError: listing everything that is unknown or impossible.
    """
    merged = merged_settings(owner, given, defaults=defaults, source=source)
    contradicted = [name for name, value in (fixed or {}).items() if name in given and given[name] != value]
    if contradicted:
        problems = [f"{name} is {(fixed or {})[name]!r} in this trainer and cannot be set" for name in contradicted]
        raise SettingsError(problems, source=source)
    return owner(**{**merged, **(fixed or {})})


def options_problems(name: str, text: str) -> list[str]:
    """Return what is wrong with a setting that should be a JSON object: at most one sentence."""
    try:
        sound = isinstance(json.loads(text), dict)
    except json.JSONDecodeError:
        sound = False
    return [] if sound else [f"{name} {text!r} is not a JSON object, such as {{}}"]


def read_options(text: str) -> dict[str, Any]:
    """Return a JSON object as keyword arguments; lists become tuples."""
    return {name: _tuples(value) for name, value in json.loads(text).items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
