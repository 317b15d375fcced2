"""`nnunet-dsd export`: a copy of a model that needs nothing but stock nnU-Net."""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_dsd.common.files import require_new_folder

SUMMARY = "write a stock-only copy of a trained model and check that it predicts the same"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: which model, which folds, where to."""
    parser.add_argument("model", type=Path, help="results folder TRAINER__PLANS__CONFIGURATION")
    parser.add_argument("-o", "--output", type=Path, required=True, help="new folder for the copy")
    parser.add_argument("-f", "--folds", nargs="+", help="folds to copy (default: all that have the checkpoint)")
    parser.add_argument("-chk", "--checkpoint", default="checkpoint_final.pth", help="default: %(default)s")
    parser.add_argument(
        "--with-validation",
        action="store_true",
        help="also copy what is of single cases: predictions and scores of the validation cases, the fingerprint",
    )


def run(arguments: argparse.Namespace) -> int:
    """Export the model and name what was written."""
    from nnunet_dsd.trainers.model_folder import fold_checkpoints, read_model_folder, unread_settings

    plans, _ = read_model_folder(arguments.model)
    fold_checkpoints(arguments.model, arguments.folds, arguments.checkpoint)
    require_new_folder(arguments.output)
    from nnunet_dsd.trainers.export import export_model  # with torch and nnU-Net, after the checks

    written = export_model(
        arguments.model,
        arguments.output,
        folds=arguments.folds,
        checkpoint=arguments.checkpoint,
        with_validation=arguments.with_validation,
    )
    for path in written:
        print(f"written, outputs equal: {path}")
    if note := unread_settings(plans):
        print(f"note: {arguments.model}: {note}")
    if arguments.with_validation:
        print("it holds predictions, scores and sizes of single cases: look whether they may be published")
    folds = " ".join(path.parent.name.removeprefix("fold_") for path in written)
    command = f"nnUNetv2_predict_from_modelfolder -i IMAGES -o PREDICTIONS -m {arguments.output} -f {folds}"
    default = arguments.checkpoint == "checkpoint_final.pth"
    print(f"predict with: {command}{'' if default else f' -chk {arguments.checkpoint}'}")
    return 0
