"""The settings of knowledge distillation from stored soft labels, with images without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from nnunet_dsd.common.declared_settings import setting
from nnunet_dsd.common.settings_part import SettingsPart

UnlabelledTarget = Literal["soft", "hard"]


@dataclass(frozen=True, kw_only=True)
class SoftLabelSettings(SettingsPart):
    """Which soft labels teach a student, and how much."""

    title: ClassVar[str] = "knowledge distillation from soft labels"

    soft_labels: str | None = setting(
        None, "name of the soft labels that `nnunet-dsd soft-labels` made of this data set for these plans"
    )
    kd_weight: float = setting(1.0, "weight of the divergence from the teachers; 0: the labels alone", low=0)
    kd_levels: bool = setting(
        False, "the divergence at the outputs of nnU-Net's deep supervision too, with the weights they have there"
    )
    unlabelled_fraction: float | None = setting(
        None,
        "share of each batch that comes from images without labels; none: half where the soft labels have such "
        "images, else 0",
        low=0,
        high=0.95,
    )
    unlabelled_target: UnlabelledTarget = setting(
        "soft",
        "what images without labels are learned from: the teachers' probabilities, or their likeliest class as if it "
        "were a label (pseudo labels, the usual control)",
    )
    max_disagreement: float | None = setting(
        None, "leave out images without labels on which the teachers disagree by more, in nats; none: keep all", low=0
    )
    kd_known_cases: bool = setting(
        False, "allow teachers that were trained on the student's validation cases; their scores then say little"
    )
