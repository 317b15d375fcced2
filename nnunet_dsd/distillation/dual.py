"""Which level of a U-shape teaches which, on the encoder side and on the decoder side.

Encoder maps are ordered from encoder 1 (full resolution) to encoder Z (just above the bottleneck); decoder maps from
decoder 1 (just below the output) to decoder Z (the bottleneck's own map). "Deepest" is the paper's word: the level
the information has travelled furthest to, so encoder Z and decoder 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.distillation.dual_settings import TeacherChoice
from nnunet_dsd.distillation.soft_kl import mean_logits, soft_kl_to_teacher

Side = Literal["encoder", "decoder"]


def teacher_index(side: Side, teacher: TeacherChoice, levels: int) -> int | None:
    """Return the position of the teacher among a side's maps, or None where the mean of all maps teaches.

    Args:
        side: "encoder" (maps 1 to Z) or "decoder" (maps 1 to Z).
        teacher: "deepest" is encoder Z and decoder 1 (Eq. 5); "reversed" is encoder 1 and decoder Z (Table 6).
        levels: Z, at least 2.

    Raises:
        NetworkStructureError: with fewer than two levels, where nobody is left to teach.
    """
    if levels < 2:
        raise NetworkStructureError(
            f"distillation between {side}s needs at least 2 {side} levels, got {levels}; use a network with more stages"
        )
    if teacher == "mean":
        return None
    return levels - 1 if (side == "encoder") == (teacher == "deepest") else 0


def student_indices(side: Side, teacher: TeacherChoice, levels: int) -> tuple[int, ...]:
    """Return the positions of the students among a side's maps: all but the teacher, or all for the mean teacher."""
    index = teacher_index(side, teacher, levels)
    return tuple(level for level in range(levels) if level != index)


def stop_gradient(teacher: Tensor) -> Tensor:
    """Return the teacher's values with a gradient of zero: not none, for which data-parallel training would wait."""
    return teacher.detach() + 0.0 * teacher


def side_divergences(
    maps: Sequence[Tensor],
    *,
    side: Side,
    teacher: TeacherChoice,
    temperature: float,
    detach_teacher: bool = False,
    mask: Tensor | None = None,
    regions: bool = False,
) -> dict[int, Tensor]:
    """Return the divergence of each student of one side from its teacher, by the student's level number (from 1).

    Args:
        maps: Logits of levels 1 to Z, each `(B, C, *S)` at one resolution.
        side: Which side of the U the maps come from.
        teacher: Who teaches. With "mean" the teacher is the mean of all soft labels and teaches every level; the
            paper does not say whether it averages logits or soft labels, we average soft labels.
        temperature: T of the soft labels.
        detach_teacher: Stop the gradient into the teacher.
        mask: `(B, 1, *S)`, true where a voxel counts.
        regions: Channels are independent regions instead of exclusive classes.

    Reference: dual self-distillation (IEEE TBME 2025), Eq. 4 and 5; the other teachers are those of its Table 6.
    """
    index = teacher_index(side, teacher, len(maps))
    teacher_map = mean_logits(maps, temperature=temperature, regions=regions) if index is None else maps[index]
    if detach_teacher:
        teacher_map = stop_gradient(teacher_map)
    students = student_indices(side, teacher, len(maps))
    values = soft_kl_to_teacher(
        [maps[student] for student in students], teacher_map, temperature=temperature, mask=mask, regions=regions
    )
    return {student + 1: value for student, value in zip(students, values, strict=True)}
