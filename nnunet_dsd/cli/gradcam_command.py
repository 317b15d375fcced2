"""`nnunet-dsd gradcam`: where finished models look."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "show where finished models look: Grad-CAM of one or several models on the same cases"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: models, images, what to look for, where to look."""
    parser.add_argument(
        "-m",
        "--models",
        nargs="+",
        required=True,
        metavar="[NAME=]FOLDER",
        help="model folders TRAINER__PLANS__CONFIGURATION of one data set, with the names they get in the figures",
    )
    parser.add_argument("-i", "--images", type=Path, required=True, help="folder with images, named as for prediction")
    parser.add_argument("-o", "--output", type=Path, required=True, help="new folder for figures, maps and numbers")
    parser.add_argument("--cases", nargs="+", required=True, metavar="NAME", help="cases to look at")
    parser.add_argument("--label", required=True, metavar="NAME_OR_NUMBER", help="structure to look for")
    parser.add_argument("--labels", type=Path, metavar="FOLDER", help="reference label images of the cases")
    parser.add_argument(
        "--level",
        nargs="+",
        default=["bottleneck", "last"],
        metavar="LEVEL",
        help="bottleneck, last (the level that feeds the output), or paths of modules (default: bottleneck last)",
    )
    parser.add_argument("-f", "--fold", default="0", help="of every model (default: %(default)s)")
    parser.add_argument("-chk", "--checkpoint", default="checkpoint_final.pth", help="default: %(default)s")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """Look, write, and name what was written."""
    from nnunet_dsd.attribution.request import Request, parse_models
    from nnunet_dsd.attribution.run import TABLE, run_gradcam

    request = Request(
        models=parse_models(arguments.models),
        images=arguments.images,
        output=arguments.output,
        cases=tuple(arguments.cases),
        label=arguments.label,
        levels=tuple(arguments.level),
        fold=arguments.fold,
        checkpoint=arguments.checkpoint,
        labels=arguments.labels,
        device=arguments.device,
    )
    rows = run_gradcam(
        request,
        done=lambda case: print(f"looked at {case}", flush=True),
        note=lambda text: print(f"note: {text}", flush=True),
    )
    for row in rows:
        if row.note:
            print(f"note: {row.case}, {row.model}, {row.level}: {row.note}")
    print(f"written: {arguments.output / TABLE}, a figure per case, and the maps")
    return 0
