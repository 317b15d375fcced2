"""Folders of label images made up for tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

LABELS = {"background": 0, "head": 1, "body": 2}


def write(path: Path, array: np.ndarray, *, spacing=(1.0, 1.0, 2.5), origin=(0.0, 0.0, 0.0), direction=None) -> Path:
    """Write an array of shape (Z, Y, X) as an image; spacing and origin in the order x, y, z."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(direction)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def two_boxes(shift: int = 0) -> np.ndarray:
    """Head (1) and body (2), both of 4 x 6 x 6 voxels, moved along x."""
    labels = np.zeros((8, 12, 20), dtype=np.uint8)
    labels[2:6, 3:9, 2 + shift : 8 + shift] = 1
    labels[2:6, 3:9, 8 + shift : 14 + shift] = 2
    return labels


def write_dataset_json(folder: Path, labels: dict = LABELS, ending: str = ".nii.gz") -> Path:
    """Write the part of nnU-Net's dataset.json that names the labels."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dataset.json"
    path.write_text(json.dumps({"labels": labels, "file_ending": ending}))
    return path


def write_data_set(root: Path, shifts: dict[str, int]) -> tuple[Path, Path]:
    """Write a reference and a shifted prediction per case, and a dataset.json; return the two folders."""
    predictions, references = root / "predictions", root / "labelsTs"
    for case, shift in shifts.items():
        write(references / f"{case}.nii.gz", two_boxes())
        write(predictions / f"{case}.nii.gz", two_boxes(shift))
    write_dataset_json(root)
    return predictions, references
