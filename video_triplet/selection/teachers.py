"""The teachers to choose from: finished trainings that kept the weights of their epochs, and which videos they know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.json_files import read_json
from video_triplet.data.provenance import LeakError
from video_triplet.data.split import PARTS
from video_triplet.models.kept_epochs import epoch_file, epochs_on_disk, read_epochs
from video_triplet.models.run_files import MODEL_FILE, RUN_FILE, read_history


@dataclass(frozen=True)
class TeacherRun:
    """A finished training.

    Attributes:
        folder: Of the run.
        trainer: Its name in the registry.
        settings: As the run wrote them.
        split: Name, fold and protocol, and the names of the training, validation and test videos.
        labels: Hash of the labels it was trained and validated with.
        images: Hash over the image files of these videos.
        losses: Mean training loss of each epoch.
    """

    folder: Path
    trainer: str
    settings: Mapping[str, Any]
    split: Mapping[str, Any]
    labels: str
    images: str
    losses: tuple[float, ...]

    @property
    def last_epoch(self) -> int:
        """How many epochs were trained."""
        return len(self.losses)

    @property
    def seed(self) -> int:
        """Of its weights and batches."""
        return int(self.settings["seed"])

    def videos(self, part: str) -> tuple[str, ...]:
        """Return the names of the `"training"`, `"validation"` or `"test"` videos."""
        return tuple(self.split[part])


def read_teachers(folders: Sequence[Path]) -> list[TeacherRun]:
    """Read several runs that may be chosen from together.

    Raises:
        DataError: if one is not a finished training, a folder is given twice, or two have the same seed.
        LeakError: if a run has no validation videos of its own apart from the test, so that a choice would look at
            what is reported; or if the runs do not share their videos.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise DataError("a run is given twice; give the folder of each teacher once")
    runs = [read_teacher(folder) for folder in folders]
    for run in runs:
        if any(run.videos(part) != runs[0].videos(part) for part in PARTS):
            raise LeakError(
                f"{run.folder} and {runs[0].folder} were trained with different splits, so one would choose on videos "
                "of the other's test; take teachers of one fold and protocol"
            )
    seeds = [run.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise DataError(f"the teachers have the seeds {', '.join(map(str, seeds))}; take teachers of different seeds")
    return runs


def read_teacher(folder: Path) -> TeacherRun:
    """Read one run.

    Raises:
        DataError: if it is not a finished training.
        LeakError: if a choice would look at the videos that are reported.
    """
    if not (folder / MODEL_FILE).is_file() or not (folder / RUN_FILE).is_file():
        raise DataError(
            f"{folder} is not the folder of a finished training ({MODEL_FILE} and {RUN_FILE} are in one); finish it "
            "with `video-triplet train --keep-epochs all`"
        )

    def broken(reason: str) -> str:
        return f"{folder} cannot be read as a run ({reason})"

    content = read_json(folder / RUN_FILE, broken=broken)
    try:
        losses = read_history(folder, "train_loss")
        run = TeacherRun(
            folder,
            content["trainer"],
            content["settings"],
            content["split"],
            content["labels"],
            content["images"],
            losses,
        )
        seen = sorted({*run.videos("training"), *run.videos("validation")} & set(run.videos("test")))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(broken(f"{type(error).__name__}: {error}")) from error
    if seen:
        raise LeakError(
            f"{folder} validates on {', '.join(seen)}, which are also its test videos (protocol "
            f"{run.split['protocol']!r}); a teacher chosen there would be chosen on what is reported. Train teachers "
            "with the protocol 'inner'"
        )
    return run


def candidate_epochs(run: TeacherRun, wanted: str) -> tuple[int, ...]:
    """Return the epochs of a run to choose from.

    Args:
        run: The teacher.
        wanted: `all` for those that were kept, or epochs such as `2-8`.

    Raises:
        SettingsError: if `wanted` is not understood.
        DataError: if no weights were kept, or not those of an epoch that is wanted.
    """
    kept = epochs_on_disk(run.folder)
    if not kept:
        raise DataError(f"{run.folder} kept the weights of no epoch; train with --keep-epochs in another folder")
    if wanted == "all":
        return kept
    asked = read_epochs(wanted, run.last_epoch, source="--epochs")
    absent = [epoch for epoch in asked if epoch not in kept]
    if absent:
        path = epoch_file(run.folder, absent[0])
        raise DataError(f"there is no {path}; kept are the epochs {', '.join(map(str, kept))}")
    return asked
