"""How long finished models take for real images: a student against its teacher, through nnU-Net's own predictor.

    python benchmarks/prediction_time.py TEACHER STUDENT --images IMAGES --cases 10 --csv prediction_time.csv

TEACHER and STUDENT are model folders. Each case is read and preprocessed once for each model, then predicted by sliding
window without mirroring; models take turns case by case in one process. The ratio is the median over cases of the
ratio to the first model, which other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import torch
from nnunetv2.utilities.utils import create_lists_from_splitted_dataset_folder
from rich.progress import track
from step_cost import show_and_write, timed

from nnunet_dsd.trainers.finished import FinishedModel


def measure(folders: list[Path], cases: list[list[Path]], fold: str, device: torch.device) -> list[dict[str, Any]]:
    """Return a row per model."""
    models = [FinishedModel(folder, fold=fold, checkpoint="checkpoint_final.pth", device=device) for folder in folders]
    for model in models:
        model.predict(model.preprocess(cases[0]))
    preparing: list[list[float]] = [[] for _ in models]
    predicting: list[list[float]] = [[] for _ in models]
    for paths in track(cases, description="cases", transient=True):
        for model, before, during in zip(models, preparing, predicting, strict=True):
            prepared, seconds = timed(lambda model=model, paths=paths: model.preprocess(paths), device)
            before.append(seconds)
            _, seconds = timed(lambda model=model, prepared=prepared: model.predict(prepared), device)
            during.append(seconds)
    wholes = [[sum(parts) for parts in zip(*both, strict=True)] for both in zip(preparing, predicting, strict=True)]
    rows = []
    for folder, model, before, during, whole in zip(folders, models, preparing, predicting, wholes, strict=True):
        rows.append(
            {
                "model": folder.resolve().name,
                "parameters": sum(values.numel() for values in model.network.parameters()),
                "cases": len(cases),
                "reading_s": round(statistics.median(before), 3),
                "prediction_s": round(statistics.median(during), 3),
                "prediction_ratio": round(ratio(during, predicting[0]), 3),
                "whole_ratio": round(ratio(whole, wholes[0]), 3),
                "device": device.type,
                "torch": torch.__version__,
            }
        )
    return rows


def ratio(ours: list[float], first: list[float]) -> float:
    """Return the median over cases."""
    return statistics.median(a / b for a, b in zip(ours, first, strict=True))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="model folders; the others are compared with the first")
    parser.add_argument("--images", type=Path, required=True, help="folder of images in nnU-Net's raw format")
    parser.add_argument("--ending", default=".nii.gz", help="(default: %(default)s)")
    parser.add_argument("--cases", type=int, default=10, help="the first so many (default: %(default)s)")
    parser.add_argument("--fold", default="0", help="(default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="(default: %(default)s)")
    parser.add_argument("--csv", type=Path, help="write the rows here")
    return parser.parse_args()


def main() -> None:
    """Measure, print and write."""
    arguments = parse_arguments()
    named = create_lists_from_splitted_dataset_folder(str(arguments.images), arguments.ending)
    cases = [[Path(file) for file in files] for files in named[: arguments.cases]]
    if not cases:
        raise SystemExit(f"no image like CASE_0000{arguments.ending} is in {arguments.images}")
    rows = measure(arguments.models, cases, arguments.fold, torch.device(arguments.device))
    show_and_write(rows, arguments.csv)


if __name__ == "__main__":
    main()
