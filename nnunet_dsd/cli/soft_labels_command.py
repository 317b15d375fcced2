"""`nnunet-dsd soft-labels`: let finished models label cases and images without labels, for a student to learn from."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

SUMMARY = "let finished models label cases and images without labels, for a student to learn from"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the student's data and plans, the teachers, the images, how they are asked."""
    parser.add_argument("-d", "--dataset", required=True, help="number, or name such as Dataset004_Hippocampus")
    parser.add_argument("-c", "--configuration", required=True, help="the student's, such as 3d_fullres")
    parser.add_argument(
        "-p", "--plans", default="nnUNetPlans", help="the student's plans, or those they derive from (%(default)s)"
    )
    parser.add_argument(
        "--teacher",
        nargs="+",
        required=True,
        metavar="MODEL",
        help="TRAINER__PLANS__CONFIGURATION among the data set's results, or a model folder's path; any number",
    )
    parser.add_argument("--folds", nargs="+", metavar="FOLD", help="of every teacher (default: all that are finished)")
    parser.add_argument("--checkpoint", default="checkpoint_final.pth", help="of every fold (default: %(default)s)")
    parser.add_argument(
        "--unlabelled", type=Path, metavar="FOLDER", help="images without labels, named as for prediction"
    )
    parser.add_argument("-o", "--name", required=True, help="of the soft labels, for `nnunet-dsd plan --soft-labels`")
    parser.add_argument(
        "--mirroring",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let teachers look at mirrored images too, as nnU-Net predicts; without it they are up to 8 times faster",
    )
    parser.add_argument(
        "--in-sample", action="store_true", help="let models label cases that they were trained on; the file says so"
    )
    parser.add_argument("--part", default="1/1", metavar="N/OF", help="label one part of the cases, such as 2/8")
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), help="default: the best there is")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, say what would be done, write nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check, say what will be done, label, and say what is left."""
    from nnunet_dsd.labelling.request import Request, parse_part

    request = Request(
        dataset=arguments.dataset,
        configuration=arguments.configuration,
        plans=arguments.plans,
        teachers=tuple(arguments.teacher),
        folds=tuple(arguments.folds) if arguments.folds else None,
        checkpoint=arguments.checkpoint,
        unlabelled=arguments.unlabelled,
        name=arguments.name,
        mirroring=arguments.mirroring,
        in_sample=arguments.in_sample,
        part=parse_part(arguments.part),
        device=arguments.device or "cpu",
    )
    if arguments.device is None:
        request = dataclasses.replace(request, device=_best_device())
    from nnunet_dsd.labelling.announcement import announce, summary
    from nnunet_dsd.labelling.run import label
    from nnunet_dsd.labelling.work import prepare

    work = prepare(request)
    for line in announce(work):
        print(line, flush=True)
    if arguments.dry_run:
        return 0
    left = label(work, say=lambda line: print(line, flush=True))
    for line in summary(work, left):
        print(line, flush=True)
    return 0


def _best_device() -> str:
    from nnunet_dsd.common.machine import training_device

    return training_device()
