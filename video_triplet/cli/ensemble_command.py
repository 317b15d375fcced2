"""`video-triplet ensemble`: the mean probabilities of several predictions files."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import refuse_overwriting, require_writable_file
from video_triplet.cli.outputs import add_overwrite_option

SUMMARY = "average the probabilities of several models, aligned by video and frame"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files to average and the file to write."""
    parser.add_argument("predictions", type=Path, nargs="+", help="files of `train` or `predict` for the same frames")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="file to write (.npz)")
    add_overwrite_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the mean; a file that holds it already is left as it is."""
    from video_triplet.predictions.file import average, load_predictions

    require_writable_file(arguments.output)
    mean = average([load_predictions(path) for path in arguments.predictions])
    if arguments.output.is_file() and not arguments.overwrite:
        if _content_hash(arguments.output) == mean.content_hash:
            print(f"already there: {arguments.output}")
            return 0
        refuse_overwriting([arguments.output], overwrite=False)
    mean.save(arguments.output)
    print(
        f"{counted(len(arguments.predictions), 'file')}, {counted(len(mean), 'frame')}, heads {', '.join(mean.heads)}"
    )
    print(f"written: {arguments.output}")
    return 0


def _content_hash(path: Path) -> str | None:
    """Return the hash of a predictions file; None where it is something else."""
    from video_triplet.predictions.file import load_predictions

    try:
        return load_predictions(path).content_hash
    except DataError:
        return None
