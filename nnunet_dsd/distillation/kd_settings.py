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
    kd_dice_weight: float = setting(
        0.0, "weight of the Dice with the teachers' probabilities, in which small structures count as large ones", low=0
    )
    kd_levels: bool = setting(
        False, "the teachers at the outputs of nnU-Net's deep supervision too, with the weights they have there"
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
    teacher_online: bool = setting(
        False,
        "let the teachers look at each augmented patch in training, instead of what was stored of the image; costs "
        "a forward pass of each",
    )
    kd_feature_weight: float = setting(
        0.0, "weight of the attention distance of the bottleneck from the teachers'; needs --teacher-online", low=0
    )
    kd_feature_ramp: float = setting(
        0.5, "fraction of the training over which the weight of features grows linearly to its value", low=0, high=1
    )
    max_disagreement: float | None = setting(
        None, "leave out images without labels on which the teachers disagree by more, in nats; none: keep all", low=0
    )
    kd_known_cases: bool = setting(
        False, "allow teachers that were trained on the student's validation cases; their scores then say little"
    )

    def contradictions(self) -> list[str]:
        """Return a sentence for values that do not go together."""
        problems = []
        if self.kd_feature_weight > 0 and not self.teacher_online:
            problems.append(
                f"kd_feature_weight is {self.kd_feature_weight}, but soft labels that were stored have no features: "
                "let the teachers look at the patches (--teacher-online)"
            )
        if self.teacher_online and self.unlabelled_target == "hard":
            problems.append("teacher_online has no effect on pseudo labels (unlabelled_target hard): leave one out")
        return problems
