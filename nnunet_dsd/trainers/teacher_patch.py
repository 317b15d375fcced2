"""Whether a teacher can look at a student's patches."""

from __future__ import annotations

from torch import Tensor

from nnunet_dsd.common.errors import TeacherError
from nnunet_dsd.networks.feedback import TeacherNetwork
from nnunet_dsd.trainers.teacher import TeacherModel


def check_on_a_patch(teacher: TeacherNetwork, empty: Tensor, *, classes: int, model: TeacherModel) -> None:
    """Let a teacher see one empty patch of the student's, to find what cannot work before training starts.

    Args:
        teacher: The teacher.
        empty: `(1, C, *S)`.
        classes: The student's outputs.
        model: Where the teacher comes from, for messages.

    Raises:
        TeacherError: if it fails, or its levels do not lie on the patch (a network that pads inside).
    """
    patch = tuple(empty.shape[2:])
    size = " ".join(map(str, model.manager.patch_size))
    cure = f"plan the student with patches that fit, such as the teacher's own (`nnunet-dsd plan --patch-size {size}`)"
    try:
        views = teacher(empty)
    except (RuntimeError, ValueError) as error:
        raise TeacherError(
            f"{model.folder.name} cannot take the student's patches of {patch}: {cure}. Its network said: {error}"
        ) from error
    if views.output.shape[1:] != (classes, *patch):
        raise TeacherError(
            f"the teacher gives {tuple(views.output.shape[1:])} for a patch, expected {(classes, *patch)}"
        )
    levels, tensors = (*teacher.levels.features, *teacher.levels.maps), (*views.features, *views.maps)
    for level, features in zip(levels, tensors, strict=True):
        expected = tuple(size // scale for size, scale in zip(patch, level.scale, strict=True))
        if tuple(features.shape[2:]) != expected:
            raise TeacherError(
                f"the teacher's {level.name} has {tuple(features.shape[2:])} voxels for a patch of {patch}, expected "
                f"{expected}: it pads inside, so its levels do not lie on the student's; {cure}"
            )
