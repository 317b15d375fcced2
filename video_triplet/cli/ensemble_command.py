"""`video-triplet ensemble`: the mean probabilities of several predictions files."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_dsd.common.counting import counted

SUMMARY = "average the probabilities of several models, aligned by video and frame"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files to average and the file to write."""
    parser.add_argument("predictions", type=Path, nargs="+", help="files of `train` or `predict` for the same frames")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="file to write (.npz)")


def run(arguments: argparse.Namespace) -> int:
    """Write the mean."""
    from video_triplet.predictions import average, load_predictions

    mean = average([load_predictions(path) for path in arguments.predictions])
    mean.save(arguments.output)
    print(
        f"{counted(len(arguments.predictions), 'file')}, {counted(len(mean), 'frame')}, heads {', '.join(mean.heads)}"
    )
    print(f"written: {arguments.output}")
    return 0
