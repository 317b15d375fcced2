"""`nnunet-dsd deploy`: a folder that runs a trained model without PyTorch, nnU-Net and this package."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_dsd.deploy.request import Deployment
from nnunet_dsd.graphs.folder import how_to_predict
from nnunet_dsd.graphs.kinds import PRECISIONS, RUNTIMES

SUMMARY = "write a folder that runs a trained model without PyTorch and nnU-Net, fast on a CPU"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: which model, where to, how it is computed, what it is held against."""
    parser.add_argument("model", type=Path, help="results folder TRAINER__PLANS__CONFIGURATION, or a zip of one")
    parser.add_argument("-f", "--folds", nargs="+", help="averaged as nnU-Net does (default: all that are finished)")
    parser.add_argument("-chk", "--checkpoint", default="checkpoint_final.pth", help="default: %(default)s")
    parser.add_argument("-o", "--output", type=Path, required=True, help="new folder")
    parser.add_argument("--runtime", choices=RUNTIMES, default="openvino", help="default: %(default)s")
    parser.add_argument("--precision", choices=PRECISIONS, default="f32", help="of the graph (default: %(default)s)")
    parser.add_argument(
        "--calibration", type=Path, metavar="IMAGES", help="images, for int8 and to see how far label maps move"
    )
    parser.add_argument("--labels", type=Path, help="references of those images, to see how far Dice and HD95 move")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.5,
        help="points of Dice (percent) that may be lost; more is refused (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Deploy the model and say how to use it."""
    asked = Deployment(
        model=arguments.model,
        folds=tuple(arguments.folds) if arguments.folds else None,
        checkpoint=arguments.checkpoint,
        output=arguments.output,
        runtime=arguments.runtime,
        precision=arguments.precision,
        calibration=arguments.calibration,
        labels=arguments.labels,
        tolerance=arguments.tolerance,
    )
    from nnunet_dsd.deploy.run import deploy

    deploy(asked, lambda line: print(line, flush=True))
    print(how_to_predict(arguments.output, "-i IMAGES -o LABEL_MAPS"))
    return 0
