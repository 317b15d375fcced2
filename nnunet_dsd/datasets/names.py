"""How nnU-Net names the files of a case."""

from __future__ import annotations

from pathlib import Path

FILE_ENDING = ".nii.gz"


def image_path(folder: Path, case: str, *, channel: int = 0, ending: str = FILE_ENDING) -> Path:
    """Path of one channel of a case, for example `imagesTr/phantom_000_0000.nii.gz`."""
    return folder / f"{case}_{channel:04d}{ending}"


def label_path(folder: Path, case: str, *, ending: str = FILE_ENDING) -> Path:
    """Path of a case's label image, for example `labelsTr/phantom_000.nii.gz`, or of a prediction of it."""
    return folder / f"{case}{ending}"
