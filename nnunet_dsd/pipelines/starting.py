"""Where students start from: a teacher's weights where the networks are alike."""

from __future__ import annotations

from typing import Any

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.labelling.teachers import Teacher
from nnunet_dsd.labelling.work import Work
from nnunet_dsd.pipelines.request import Distillation
from nnunet_dsd.plans import PlanChanges, derive_plans, inherited
from nnunet_dsd.registry import installed_registry

ARCHITECTURE = "architecture"  # of a configuration: the network


def starts_from_teachers(asked: Distillation, work: Work) -> dict[int, str] | None:
    """Return the checkpoint that each seed starts from, teachers of the student's network in turn; None: from none.

    Raises:
        DataError: if a teacher's weights were asked for and no teacher has the student's network.
    """
    if asked.start in ("own", "scratch"):
        return None
    wanted = _student_network(asked, work)
    alike = [teacher for teacher in work.teachers if _network(teacher) == wanted]
    if alike:
        paths = [teacher.model.path(teacher.record.fold) for teacher in alike]
        return {seed: str(paths[index % len(paths)].resolve()) for index, seed in enumerate(asked.seeds)}
    if asked.start == "teacher":
        raise DataError(
            "--start teacher: no teacher has the student's network, whose channels, stages or kind differ; plan the "
            "student as a teacher is, or let it start from its own training (--start own)"
        )
    return None


def _student_network(asked: Distillation, work: Work) -> Any:
    changes = PlanChanges({}, batch_size=asked.batch_size, patch_size=asked.patch_size, width=asked.width)
    plans = derive_plans(work.plans.plans, [asked.configuration], f"{asked.name}_student", changes)
    return inherited(plans["configurations"], asked.configuration, ARCHITECTURE)


def _network(teacher: Teacher) -> Any:
    """Return a teacher's architecture as its plans say; None where its trainer builds another."""
    trainer = teacher.model.folder.resolve().name.split("__")[0]
    entry = installed_registry().trainers.get(trainer)
    if entry is not None and ".backbones:" in entry.target:
        return None
    return inherited(teacher.model.plans["configurations"], teacher.model.configuration, ARCHITECTURE)
