"""`video-triplet soft-labels`: what a trained teacher says about its own training frames."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.files import require_writable_file
from video_triplet.cli.data_options import add_data_options, read_dataset, refuse_missing_data
from video_triplet.cli.outputs import add_overwrite_option
from video_triplet.models.run_files import require_model_file

if TYPE_CHECKING:
    from video_triplet.predictions.file import Predictions

SUMMARY = "write a teacher's probabilities for its training frames, for a student to learn from"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the teacher, the file to write and where the frames are."""
    parser.add_argument("model", type=Path, nargs="*", help="model.pt of a teacher; several are averaged")
    parser.add_argument("--choice", type=Path, metavar="FILE", help="or what `select-teacher` chose, such as IEE.json")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="soft labels to write (.npz)")
    parser.add_argument("--batch-size", type=int, default=64, help="frames at once (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read frames (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...; default: cuda where there is one")
    add_overwrite_option(parser)
    add_data_options(parser, required=False)


def run(arguments: argparse.Namespace) -> int:
    """Write the soft labels; frames of videos that a teacher was not trained on are never labelled.

    A file that holds them already is left as it is, unless it is to be replaced.
    """
    from video_triplet.predictions.file import load_predictions

    if bool(arguments.model) == bool(arguments.choice):
        raise SettingsError(["give either model files or --choice, and one of them"], source="soft-labels")
    if arguments.model and arguments.data is None:
        raise SettingsError(["a model needs the frames that it labels; give them with --data"], source="soft-labels")
    if arguments.batch_size < 1 or arguments.workers < 0:
        numbers = f"--batch-size {arguments.batch_size} and --workers {arguments.workers}"
        raise SettingsError([f"got {numbers}; they must be at least 1 and 0"], source="soft-labels")
    for path in arguments.model:
        require_model_file(path)
    refuse_missing_data(arguments, choice=arguments.choice)
    require_writable_file(arguments.output)
    goes_on = arguments.output.is_file() and not arguments.overwrite
    there = load_predictions(arguments.output) if goes_on else None
    soft_labels = of_choice(arguments, there) if arguments.choice else of_models(arguments, there)
    if soft_labels is there:
        print(f"already there: {arguments.output}")
        return 0
    soft_labels.save(arguments.output)
    print(
        f"{counted(len(soft_labels), 'frame')} of {counted(len(soft_labels.videos), 'video')}, "
        f"heads {', '.join(soft_labels.heads)}"
    )
    print(f"written: {arguments.output}")
    return 0


def of_choice(arguments: argparse.Namespace, there: Predictions | None) -> Predictions:
    """Return the soft labels of a choice; those that are there if they are the same."""
    from video_triplet.selection.choice import chosen_soft_labels, load_choice

    choice = load_choice(arguments.choice)
    print(f"{choice.strategy}: {choice.describe()}, {choice.mean} mean")
    made = chosen_soft_labels(choice, arguments.choice)
    if there is not None and there.content_hash != made.content_hash:
        raise another_teacher(arguments.output)
    return made if there is None else there


def of_models(arguments: argparse.Namespace, there: Predictions | None) -> Predictions:
    """Return the mean soft labels of some models; those that are there if these models wrote them."""
    from video_triplet.models.soft_labels import label_training_frames, load_teachers
    from video_triplet.predictions.file import average

    teachers = load_teachers(arguments.model, device=arguments.device)
    if there is not None and there.models != tuple(teacher.record for teacher in teachers):
        raise another_teacher(arguments.output)
    if there is not None and len(teachers) == 1:
        return there
    dataset, source = read_dataset(arguments, teachers[0].settings.image_size)
    made = average(
        [
            label_training_frames(teacher, dataset, source, batch_size=arguments.batch_size, workers=arguments.workers)
            for teacher in teachers
        ]
    )
    if there is not None and there.content_hash != made.content_hash:
        raise another_teacher(arguments.output)
    return made if there is None else there


def another_teacher(path: Path) -> DataError:
    """Return what to say where a file holds something else."""
    return DataError(f"{path} holds soft labels of another teacher; choose another file, or add --overwrite")
