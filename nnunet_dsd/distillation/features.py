"""L2 distance between feature vectors of the levels of one side: the paper's ablation of Section 3.7."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nnunet_dsd.distillation.dual import Side, stop_gradient, student_indices, teacher_index
from nnunet_dsd.distillation.dual_settings import TeacherChoice


def feature_distances(
    vectors: Sequence[Tensor], *, side: Side, teacher: TeacherChoice, detach_teacher: bool = False
) -> dict[int, Tensor]:
    """Return the mean squared difference of each student's vector from the teacher's, by level number (from 1).

    Args:
        vectors: Pooled and projected features of levels 1 to Z, each `(B, F)`.
        side: Which side of the U they come from.
        teacher: Who teaches; "mean" is the mean of all vectors.
        detach_teacher: Stop the gradient into the teacher.
    """
    index = teacher_index(side, teacher, len(vectors))
    target = torch.stack([v.float() for v in vectors]).mean(0) if index is None else vectors[index].float()
    if detach_teacher:
        target = stop_gradient(target)
    students = student_indices(side, teacher, len(vectors))
    return {student + 1: functional.mse_loss(vectors[student].float(), target) for student in students}
