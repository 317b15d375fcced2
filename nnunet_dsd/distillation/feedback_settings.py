"""The settings of HLFD and the other ways of feedback: a finished model teaches the one that is trained."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from nnunet_dsd.common.declared_settings import setting
from nnunet_dsd.common.settings_part import SettingsPart

FeedbackMethod = Literal["hlfd", "feature", "pixel", "ufd", "ifd", "skd", "at", "dkd", "hifd", "none"]
SupervisedLossChoice = Literal["nnunet", "focal_dice"]


@dataclass(frozen=True, kw_only=True)
class FeedbackSettings(SettingsPart):
    """Who teaches a student, what it learns from its teacher, and its loss against the labels."""

    title: ClassVar[str] = "HLFD, feedback of a finished model"

    feedback: FeedbackMethod = setting("hlfd", "what the student learns from its teacher; hlfd is the whole method")
    feedback_beta: float = setting(0.9, "weight beta of the feedback on features", low=0)
    feedback_lambda: float = setting(0.1, "weight lambda of the feedback on maps and output", low=0)
    feedback_teacher: str | None = setting(
        None,
        "teacher: TRAINER__PLANS__CONFIGURATION among the data set's results, or a model folder's path, kept whole",
    )
    feedback_teacher_folds: str | None = setting(
        None, "folds of the teacher, with commas between them; none: the student's own fold"
    )
    feedback_teacher_checkpoint: str = setting("checkpoint_final.pth", "which of the teacher's checkpoints")
    feedback_known_cases: bool = setting(
        False, "allow a teacher that was trained on the student's validation cases; their scores then say little"
    )
    feedback_features: str | None = setting(
        None, "the student's encoder levels, from early to final: module paths with commas between them; none: by rule"
    )
    feedback_maps: str | None = setting(
        None, "the student's decoder levels, from early (deepest) to last, in the same form; none: by rule"
    )
    feedback_teacher_features: str | None = setting(None, "the teacher's encoder levels, in the same form")
    feedback_teacher_maps: str | None = setting(None, "the teacher's decoder levels, in the same form")
    feedback_cache: float = setting(
        0.0,
        "GiB of memory, per process, in which to keep what the teacher shows of a patch until it comes again; needs "
        "--no-augmentation",
        low=0,
    )
    supervised_loss: SupervisedLossChoice = setting(
        "nnunet", "loss against the labels: nnU-Net's own, or HLFD's focal loss plus Dice"
    )

    def contradictions(self) -> list[str]:
        """Return a sentence for values that do not go together."""
        folds = self.feedback_teacher_folds
        if not isinstance(folds, str) or re.fullmatch(r"(\d+|all)(,(\d+|all))*", folds.replace(" ", "")):
            return []
        return [
            f"feedback_teacher_folds: got '{folds}', expected folds with commas between them and no more, such as 0,1,2"
        ]


def named_by_path(teacher: str) -> bool:
    """Return whether a teacher is named by a model folder's path, not by its name among the results."""
    return os.sep in teacher.rstrip(os.sep)
