"""`video-triplet deploy`: a folder that runs a trained model of triplets without PyTorch and this package."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_dsd.graphs.folder import how_to_predict
from nnunet_dsd.graphs.kinds import RUNTIMES
from video_triplet.deploy.request import PRECISIONS, Deployment

SUMMARY = "write a folder that runs a trained model without PyTorch, fast on a CPU"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: which model, where to, how it is computed, which frames it is calibrated with."""
    parser.add_argument("model", type=Path, help="model.pt of a finished training")
    parser.add_argument("-o", "--output", type=Path, required=True, help="new folder")
    parser.add_argument("--runtime", choices=RUNTIMES, default="openvino", help="default: %(default)s")
    parser.add_argument("--precision", choices=PRECISIONS, default="f32", help="of the graph (default: %(default)s)")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FRAMES",
        help="video file or folder of images, for int8 and to see how far probabilities move",
    )


def run(arguments: argparse.Namespace) -> int:
    """Deploy the model and say how to use it."""
    from video_triplet.models.run_files import require_model_file

    asked = Deployment(
        model=arguments.model,
        output=arguments.output,
        runtime=arguments.runtime,
        precision=arguments.precision,
        calibration=arguments.calibration,
    )
    require_model_file(arguments.model)
    from video_triplet.deploy.run import deploy  # with torch, after the checks

    deploy(asked, lambda line: print(line, flush=True))
    print(how_to_predict(arguments.output, "-i VIDEO -o RESULTS"))
    return 0
