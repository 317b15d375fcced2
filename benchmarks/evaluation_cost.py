"""Seconds that one case of an evaluation takes, measured within each structure's box and in the whole image.

    python benchmarks/evaluation_cost.py                                   # 100 x 512 x 512 voxels, 7 structures
    python benchmarks/evaluation_cost.py --shape 200 512 512 --rounds 5

Structures are ellipsoids of the size of organs; the prediction is the reference, one voxel off along every axis. The
ways are taken in turn: within boxes, in the whole image (the scores must be equal), with MONAI's three metrics called
one after the other on the whole image, and within boxes from two .nii.gz files, with all their checks.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray

from nnunet_dsd.evaluation.cases import evaluate_files
from nnunet_dsd.evaluation.results import Score
from nnunet_dsd.evaluation.scoring import evaluate_arrays, evaluate_masks
from nnunet_dsd.evaluation.structures import LabelSet, Structure

SPACING_MM = (2.5, 0.8, 0.8)
Labels = NDArray[np.uint8]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=[100, 512, 512], metavar="VOXELS")
    parser.add_argument("--structures", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    reference = ellipsoids(tuple(arguments.shape), arguments.structures, np.random.default_rng(arguments.seed))
    prediction = np.roll(reference, (1, 1, 1), axis=(0, 1, 2))
    structures = [Structure(f"structure {value}", (value,)) for value in range(1, arguments.structures + 1)]
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "boxes": in_boxes,
            "whole image": in_whole_image,
            "MONAI's three metrics": by_three_metrics,
            "boxes, from files": in_boxes_from_files(Path(folder), prediction, reference),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            found = {name: timed(way, prediction, reference, structures, times[name]) for name, way in ways.items()}
            if str(found["boxes"]) != str(found["whole image"]):
                raise SystemExit("the two ways give different scores")
    for name, seconds in times.items():
        ratio = statistics.median(taken / boxes for taken, boxes in zip(seconds, times["boxes"], strict=True))
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(f"{name}: {statistics.median(seconds):.2f} s of processor time ({spread}), x {ratio:.1f}")


def ellipsoids(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> Labels:
    """Label image with ellipsoids of 20 to 60 mm radius inside; later ones cover earlier ones."""
    labels = np.zeros(shape, dtype=np.uint8)
    for value in range(1, count + 1):
        radii = [rng.uniform(20, 60) / step for step in SPACING_MM]
        radii = [min(radius, length / 2 - 3) for radius, length in zip(radii, shape, strict=True)]
        centre = [rng.uniform(r + 2, length - r - 2) for r, length in zip(radii, shape, strict=True)]
        axes = [((np.arange(n) - c) / r) ** 2 for n, c, r in zip(shape, centre, radii, strict=True)]
        labels[axes[0][:, None, None] + axes[1][:, None] + axes[2] <= 1] = value
    return labels


def in_boxes(prediction: Labels, reference: Labels, structures: Sequence[Structure]) -> tuple[Score, ...]:
    return evaluate_arrays(prediction, reference, structures, spacing_mm=SPACING_MM, case="a")


def in_whole_image(prediction: Labels, reference: Labels, structures: Sequence[Structure]) -> tuple[Score, ...]:
    return tuple(
        evaluate_masks(
            structure.mask(prediction),
            structure.mask(reference),
            spacing_mm=SPACING_MM,
            case="a",
            structure=structure.name,
        )
        for structure in structures
    )


def by_three_metrics(prediction: Labels, reference: Labels, structures: Sequence[Structure]) -> list[float]:
    values = []
    for structure in structures:
        masks = [torch.from_numpy(structure.mask(labels))[None, None] for labels in (prediction, reference)]
        options = {"include_background": True, "spacing": SPACING_MM}
        values.append(compute_hausdorff_distance(*masks, percentile=95, **options).item())
        values.append(compute_average_surface_distance(*masks, symmetric=True, **options).item())
        values.append(compute_surface_dice(*masks, class_thresholds=[1.0], **options).item())
    return values


def in_boxes_from_files(folder: Path, prediction: Labels, reference: Labels) -> Callable[..., tuple[Score, ...]]:
    paths = folder / "prediction.nii.gz", folder / "reference.nii.gz"
    for path, labels in zip(paths, (prediction, reference), strict=True):
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing(SPACING_MM[::-1])
        sitk.WriteImage(image, str(path))

    def way(_: Labels, __: Labels, structures: Sequence[Structure]) -> tuple[Score, ...]:
        known = frozenset({0}.union(*(structure.labels for structure in structures)))
        return evaluate_files(*paths, LabelSet(tuple(structures), known_values=known), case="a")

    return way


def timed(
    way: Callable[..., Any],
    prediction: Labels,
    reference: Labels,
    structures: Sequence[Structure],
    seconds: list[float],
) -> Any:
    start = time.process_time()
    scores = way(prediction, reference, structures)
    seconds.append(time.process_time() - start)
    return scores


if __name__ == "__main__":
    main()
