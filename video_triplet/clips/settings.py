"""Frozen settings of a clip training: fine-tuning on videos with one label each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nnunet_dsd.common.declared_settings import differing_settings, refuse_impossible, setting
from nnunet_dsd.common.errors import NetworkStructureError, SettingsError
from nnunet_dsd.distillation.epochwise_settings import EpochReduction
from video_triplet.clips.encoders import find_encoder
from video_triplet.settings import (
    EpochChoice,
    Presets,
    options_problems,
    read_options,
    read_training_settings,
)

Schedule = Literal["cosine", "constant"]
SOURCE = "the clip settings"


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Everything that can be set about one training on clips.

    Defaults are the R(2+1)D of "Preserve pre-trained knowledge: transfer learning with self-distillation for action
    recognition", Sect. 4.2, and of the code it builds on; what they leave open is said in each help text.

    Raises:
        SettingsError: listing every value that is not allowed.
    """

    encoder: str = setting("r2plus1d_small", "clip encoder: c3d, r2plus1d_small, one of torchvision, or timm:NAME")
    encoder_options: str = setting("{}", "JSON object of further arguments of that encoder, such as its width")
    weights: str = setting("none", "pre-trained encoder: path of a local file; torchvision or timm: their hubs; none")
    least_loaded: float = setting(0.9, "fraction of the encoder's values that a file must hold", low=0, high=1)
    frames: int = setting(16, "frames of a clip", low=1)
    stride: int = setting(1, "between two of them, in frames of the video", low=1)
    clip_size: int = setting(112, "width and height of a clip in pixels", low=1)
    augmentation: bool = setting(True, "random part of the picture and flip; without it, the centre")
    epochs: int = setting(100, "passes over the training videos, one clip of each", low=1)
    batch_size: int = setting(32, "clips per optimiser step, over all devices; 24 for C3D in the paper", low=1)
    accumulate: int = setting(
        1, "parts a step's clips are passed in; gradients add up, batch norm sees one part at a time", low=1
    )
    learning_rate: float = setting(
        0.1, "initial learning rate of SGD; 0.005 for C3D in the paper", low=0, open_low=True
    )
    momentum: float = setting(0.9, "of SGD", low=0, high=1)
    weight_decay: float = setting(1e-4, "L2 penalty in SGD", low=0)
    schedule: Schedule = setting("cosine", "learning rate by epoch: cosine to minimum_learning_rate, or constant")
    minimum_learning_rate: float = setting(0.0, "learning rate at the end of the cosine, stepped per epoch", low=0)
    epoch_lambda: float = setting(
        0.0, "lambda of CE + lambda ||f(x) - f'(x)||^2; 0: no epoch-wise self-distillation", low=0
    )
    epoch_reduction: EpochReduction = setting(
        "mean",
        "that distance: mean over all values; samples: squared norm per clip, averaged as the CE is; sum over a step",
    )
    choose_epoch: EpochChoice = setting("best", "best: by Acc@1 on the validation part; last: no choice")
    patience: int = setting(0, "stop after so many epochs without a better Acc@1; 0: never", low=0)
    validation_clips: int = setting(1, "evenly spaced clips per validation video; 1: the middle one", low=1)
    test_clips: int = setting(10, "evenly spaced clips per test video, logits averaged", low=1)
    seed: int = setting(1, "seed of new layers, of the order of videos and of the clips", low=0, high=2**32 - 1)

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        refuse_impossible(self, source=SOURCE)
        problems = options_problems("encoder_options", self.encoder_options)
        try:
            find_encoder(self.encoder)
        except NetworkStructureError as error:
            problems.append(f"encoder: {error}")
        if self.batch_size % self.accumulate:
            problems.append(f"batch_size {self.batch_size} is not divisible by accumulate {self.accumulate}")
        if self.minimum_learning_rate > self.learning_rate:
            problems.append(f"minimum_learning_rate {self.minimum_learning_rate} is above {self.learning_rate}")
        if self.patience and self.choose_epoch == "last":
            problems.append("patience chooses by the validation score; it goes with choose_epoch best")
        if problems:
            raise SettingsError(problems, source=SOURCE)

    @property
    def encoder_arguments(self) -> dict[str, Any]:
        """`encoder_options` as keyword arguments; JSON lists become tuples."""
        return read_options(self.encoder_options)

    def differences(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults."""
        return differing_settings(self)


C3D: Mapping[str, Any] = {
    "encoder": "c3d",
    "batch_size": 24,
    "learning_rate": 0.005,
    "minimum_learning_rate": 0.005 / 1000,
}
R2PLUS1D: Mapping[str, Any] = {
    "encoder": "r2plus1d_small",
    "batch_size": 32,
    "learning_rate": 0.1,
    "minimum_learning_rate": 0.1 / 1000,
}
LAST: Mapping[str, Any] = {"choose_epoch": "last"}
CLIP_PRESETS: Presets = {
    "paper-c3d": ("the paper's C3D, 100 epochs, the best one by the validation part of the training list", C3D),
    "paper-r2plus1d": ("the same with its R(2+1)D", R2PLUS1D),
    "paper-c3d-last": ("the paper's C3D by its Algorithm 1: all training videos, the last epoch", {**C3D, **LAST}),
    "paper-r2plus1d-last": ("the same with its R(2+1)D", {**R2PLUS1D, **LAST}),
}


def read_clip_settings(
    given: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    source: str = "the settings of this training",
) -> ClipSettings:
    """Build clip settings; arguments and errors as of `video_triplet.settings.read_training_settings`."""
    return read_training_settings(ClipSettings, given, defaults=defaults, fixed=fixed, source=source)
