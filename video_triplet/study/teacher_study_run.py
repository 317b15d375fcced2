"""Runs a study of teachers: claims its folder, renders its data where it has none of its own, and reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.declared_settings import below_lowest
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.files import write_json
from nnunet_dsd.common.json_files import read_object
from nnunet_dsd.steps.folder import refuse_foreign_folder
from nnunet_dsd.steps.step import Step
from video_triplet.data.frame_sources import FrameSource
from video_triplet.data.provenance import LeakError
from video_triplet.data.split import Split
from video_triplet.data.videos import TripletDataset, labels_hash
from video_triplet.predictions.file import load_predictions
from video_triplet.selection.epoch_predictions import Reading
from video_triplet.selection.teachers import read_teacher
from video_triplet.study.steps import Call, command_step, run_all
from video_triplet.study.teacher_study import TeacherStudy, control_steps, curve_steps, strategy_steps, teacher_steps
from video_triplet.study.teacher_study_results import choices_of_their_own, collect, write_results

MARKER = "study.json"


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A rendered data set, for a study without data of its own; made in the study's folder.

    Attributes:
        data: Its folder.
        cache: Folder of its frames at training size.
        videos: How many.
        frames: Per video.
        seed: Of the data set.
        ambiguity: Fraction of frames whose labels are drawn.
        image_size: Pixels of the cache.

    Raises:
        SettingsError: with every number that nothing can be rendered with.
    """

    data: Path
    cache: Path
    videos: int
    frames: int
    seed: int
    ambiguity: float
    image_size: int

    def __post_init__(self) -> None:
        """Refuse impossible numbers, all at once."""
        problems = below_lowest(self, {"videos": 2, "frames": 8, "ambiguity": 0}, as_options=True)
        if self.seed < 0:
            problems.append(f"--data-seed is {self.seed}, it must be at least 0")
        if self.ambiguity > 1:
            problems.append(f"--ambiguity is {self.ambiguity}, it is a fraction, at most 1")
        if problems:
            raise SettingsError(problems, source="study-teachers")

    def steps(self) -> list[Step]:
        """Return the rendering and its cache, which sees for itself what is there."""
        size = str(self.image_size)
        words = ("prepare", str(self.data), "-o", str(self.cache), "--size", size, "--workers", "1")
        title = f"render {counted(self.videos, 'video')} of {counted(self.frames, 'frame')}"
        render = Step(name="render", title=title, work=lambda start: self._render(), is_done=self.data.is_dir)
        return [render, command_step("prepare the frames", words)]

    def _render(self) -> None:
        from video_triplet.rendered.triplets import render_dataset

        render_dataset(self.data, videos=self.videos, frames=self.frames, seed=self.seed, ambiguity=self.ambiguity)


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """Where a study's frames come from.

    Attributes:
        read: Opens data set and pixels; gets the image size, or None where no pixels are needed.
        split: Returns the fold to be set apart.
        rendering: What is rendered before; None for data of the user's own.
    """

    read: Callable[[int | None], tuple[TripletDataset, FrameSource]]
    split: Callable[[TripletDataset], Split]
    rendering: Rendering | None


def before_the_choices(study: TeacherStudy) -> list[Step]:
    """Return the steps that do not depend on what is chosen."""
    return [*teacher_steps(study), *control_steps(study), *curve_steps(study)]


def run_teacher_study(
    study: TeacherStudy, data: StudyData, described: Mapping[str, str], call: Call, *, image_size: int | None
) -> str:
    """Run what is missing, write results and figure, and return the table.

    Args:
        study: What is run.
        data: Where the frames come from.
        described: What the study is: all that must not change when it goes on, by name.
        call: Runs the commands.
        image_size: That a cache must have; None where the trainers' default decides.

    Raises:
        SetupError: if the folder holds something that is no study, or a step fails.
        SettingsError: if it holds another study, also one of other labels or images.
        LeakError: if the validation videos are the test videos.
    """
    claim_study_folder(study.folder, data, described, call, image_size=image_size)
    run_all(before_the_choices(study), call)
    run_all(strategy_steps(study, choices_of_their_own(study)), call)
    reading, truth = _reading(study, data), None
    if data.rendering:
        from video_triplet.rendered.triplets import TRUTH_FILE

        truth = load_predictions(data.rendering.data / TRUTH_FILE)
    return write_results(study, collect(study, reading, truth), criterion=study.criterion)


def claim_study_folder(
    folder: Path, data: StudyData, described: Mapping[str, str], call: Call, *, image_size: int | None
) -> None:
    """Render the data set if there is none, check the split, and remember what the study is; errors as of the study."""
    path = folder / MARKER
    refuse_foreign_folder(folder, path, what="no study of teachers")
    there = None
    if path.is_file():
        there = read_object(path, broken=lambda reason: f"{path} is damaged ({reason}); give another folder with -o")
    refuse_another_study(folder, there, described)
    if data.rendering:
        write_json(path, {**(there or {}), **described})
        run_all(data.rendering.steps(), call)
    content = {**described, **data_hashes(data, image_size)}
    refuse_another_study(folder, there, content)
    write_json(path, content)


def refuse_another_study(folder: Path, there: Mapping[str, str] | None, content: Mapping[str, str]) -> None:
    """Refuse a folder that was begun as another study.

    Raises:
        SettingsError: with everything that differs.
    """
    changed = [
        f"{name} was {there[name]}, now {value}"
        for name, value in content.items()
        if there is not None and name in there and there[name] != value
    ]
    if changed:
        raise SettingsError(changed, source=f"{folder}, which holds another study (choose another folder)")


def data_hashes(data: StudyData, image_size: int | None) -> dict[str, str]:
    """Return hashes of labels and images of the fold's videos.

    Raises:
        LeakError: if the validation videos are the test videos, so that a choice would look at what is reported.
        DataError: if there is no such fold.
    """
    dataset, source = data.read(image_size)
    split = data.split(dataset)
    if set(split.validation) & set(split.test):
        raise LeakError(
            f"the protocol {split.protocol!r} validates on the test videos: teachers would be chosen on what is "
            "reported; take the protocol 'inner'"
        )
    names = [*split.training, *split.validation, *split.test]
    return {"labels": labels_hash(dataset.subset(names)), "images": source.fingerprint(names)}


def _reading(study: TeacherStudy, data: StudyData) -> Reading:
    teacher = read_teacher(study.teacher_run(study.seeds[0]))
    dataset, source = data.read(teacher.settings["image_size"])
    device = "cpu" if study.training.get("--accelerator") == ("cpu",) else None
    return Reading(dataset, source, device, workers=study.workers)
