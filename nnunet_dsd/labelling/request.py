"""What `nnunet-dsd soft-labels` is asked for, and what of it can be checked before anything heavy is loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.counting import repeated
from nnunet_dsd.common.errors import SettingsError

SOURCE = "what nnunet-dsd soft-labels was asked for"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for.

    Attributes:
        dataset: Number, or `DatasetNNN_NAME`.
        configuration: Of the student's plans.
        plans: The student's plans, or those they derive from.
        teachers: `TRAINER__PLANS__CONFIGURATION` among the data set's results, or model folders' paths.
        folds: Of every teacher; None: all that are finished.
        checkpoint: Of every fold.
        unlabelled: Folder of images without labels in nnU-Net's naming.
        name: Of the soft labels.
        mirroring: Let teachers predict mirrored images too.
        in_sample: Let teachers label what they were trained on.
        part: Which of how many parts of the cases, from 1.
        device: Where the teachers run.
    """

    dataset: str
    configuration: str
    plans: str
    teachers: tuple[str, ...]
    folds: tuple[str, ...] | None = None
    checkpoint: str = "checkpoint_final.pth"
    unlabelled: Path | None = None
    name: str
    mirroring: bool = True
    in_sample: bool = False
    part: tuple[int, int] = (1, 1)
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what cannot be, all at once.

        Raises:
            SettingsError: listing it.
        """
        problems = []
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            problems.append(f"the name '{self.name}' must be letters, digits, '.', '-' and '_'")
        problems += [f"the teacher {one} is named twice" for one in repeated(self.teachers)]
        problems += [f"the fold {fold} is named twice" for fold in repeated(self.folds or ())]
        part, parts = self.part
        if not 1 <= part <= parts:
            problems.append(f"part {part} of {parts}: allowed are 1/{parts} to {parts}/{parts}")
        if self.unlabelled is not None and not self.unlabelled.is_dir():
            problems.append(f"{self.unlabelled} is no folder of images")
        if problems:
            raise SettingsError(problems, source=SOURCE)


def parse_part(word: str) -> tuple[int, int]:
    """Return the part and the number of parts of a word such as 2/8.

    Raises:
        SettingsError: if it is no such word.
    """
    if not re.fullmatch(r"\d+/\d+", word):
        raise SettingsError([f"--part: got '{word}', expected such as 2/8, the second of eight parts"], source=SOURCE)
    part, parts = word.split("/")
    return int(part), int(parts)
