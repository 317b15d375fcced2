"""`video-triplet soft-labels`: what a trained teacher says about its own training frames."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_dsd.errors import DataError
from video_triplet.cli.data_options import add_data_options, read_dataset

SUMMARY = "write a teacher's probabilities for its training frames, for a student to learn from"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the teacher, the file to write and where the frames are."""
    parser.add_argument("model", type=Path, nargs="+", help="model.pt of a teacher; several are averaged")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="soft labels to write (.npz)")
    parser.add_argument("--batch-size", type=int, default=64, help="frames at once (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read frames (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...; default: cuda where there is one")
    add_data_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the soft labels; frames of videos that a teacher was not trained on are never labelled.

    A file that these teachers have written before is left as it is.
    """
    from video_triplet.predictions import average, load_predictions
    from video_triplet.soft_labels import label_training_frames, load_teachers

    teachers = load_teachers(arguments.model, device=arguments.device)
    if arguments.output.is_file():
        if load_predictions(arguments.output).models == tuple(teacher.record for teacher in teachers):
            print(f"already there: {arguments.output}")
            return 0
        raise DataError(f"{arguments.output} holds soft labels of another teacher; choose another file, or delete it")
    dataset, source = read_dataset(arguments, teachers[0].settings.image_size)
    labelled = [
        label_training_frames(teacher, dataset, source, batch_size=arguments.batch_size, workers=arguments.workers)
        for teacher in teachers
    ]
    soft_labels = average(labelled)
    soft_labels.save(arguments.output)
    print(f"{len(soft_labels)} frames of {len(soft_labels.videos)} videos, heads {', '.join(soft_labels.heads)}")
    print(f"written: {arguments.output}")
    return 0
