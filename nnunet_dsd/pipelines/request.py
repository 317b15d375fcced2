"""What `nnunet-dsd distill` is asked for. Light: nothing heavy is loaded to read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nnunet_dsd.common.errors import SettingsError

Start = Literal["teacher", "own", "scratch"]
STARTS: tuple[Start, ...] = ("teacher", "own", "scratch")
CHOSEN = ("seed", "soft_labels", "unlabelled_target", "start_from")  # settings that a distillation gives itself
WARM_LEARNING_RATE = 0.005  # half of nnU-Net's: the weights are good already


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """A distillation as it is asked for.

    Attributes:
        dataset: Number, or `DatasetNNN_NAME`.
        configuration: Of the students.
        from_plans: Plans that the students' derive from.
        teachers: `TRAINER__PLANS__CONFIGURATION` among the data set's results, or model folders' paths.
        teacher_folds: Of every teacher; None: all that are finished.
        checkpoint: Of every fold.
        name: First part of the names of derived plans, and the name of the soft labels.
        folder: Of the study.
        unlabelled: Folder of images without labels.
        test: Folders of test images and of their references; None: imagesTs and labelsTs.
        fold: The students'.
        seeds: A student, and each control, for each.
        start: Where students start from; None: from a teacher where architectures agree, else from their own training.
        width: Factor on the students' feature channels.
        patch_size: The students', in voxels per axis.
        batch_size: The students'.
        settings: Of the students' trainings, by name.
        mirroring: Whether soft labels and predictions of test cases are means over mirrored images.
        device: As nnU-Net takes it; None: its default.
    """

    dataset: str
    configuration: str
    from_plans: str = "nnUNetPlans"
    teachers: tuple[str, ...]
    teacher_folds: tuple[str, ...] | None = None
    checkpoint: str = "checkpoint_final.pth"
    name: str
    folder: Path
    unlabelled: Path | None = None
    test: tuple[Path, Path] | None = None
    fold: int | str = "all"
    seeds: tuple[int, ...] = (1,)
    start: Start | None = None
    width: float | None = None
    patch_size: tuple[int, ...] | None = None
    batch_size: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    mirroring: bool = True
    device: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be, all at once.

        Raises:
            SettingsError: listing it.
        """
        problems = []
        if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]|_(?!_))*", self.name):
            problems.append(f"the name '{self.name}' must be letters, digits, '.', '-' and single '_'; give --name")
        if len(set(self.seeds)) < len(self.seeds):
            problems.append(f"seeds {', '.join(map(str, self.seeds))}: each once")
        for folder in (self.unlabelled, *(self.test or ())):
            if folder is not None and not folder.is_dir():
                problems.append(f"{folder} is no folder")
        problems += [f"{name} is chosen by the pipeline; leave it out" for name in CHOSEN if name in self.settings]
        if problems:
            raise SettingsError(problems, source="what nnunet-dsd distill was asked for")
