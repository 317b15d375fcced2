"""nnU-Net's raw format: volumes and dataset.json as they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_dsd.common.files import whole_file, write_json
from nnunet_dsd.datasets.names import FILE_ENDING
from nnunet_dsd.datasets.volumes import write_image


def write_volume(
    path: Path, volume: NDArray[np.generic], *, spacing_mm: Sequence[float], origin_mm: Sequence[float]
) -> None:
    """Write a volume with axes along the scanner's.

    Args:
        path: the NIfTI file; written whole or not at all.
        volume: shape (Z, Y, X).
        spacing_mm: distance of neighbouring voxel centres along (z, y, x).
        origin_mm: position of the first voxel's centre along (z, y, x).

    Raises:
        SetupError: if it could not be written, as on a full disk.
    """
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing([float(value) for value in reversed(spacing_mm)])
    image.SetOrigin([float(value) for value in reversed(origin_mm)])
    with whole_file(path) as temporary:
        write_image(temporary, image)


def write_dataset_json(
    folder: Path,
    *,
    channel_names: Sequence[str],
    labels: Mapping[str, int | Sequence[int]],
    training_cases: int,
    description: str,
    regions_class_order: Sequence[int] = (),
    reader: str | None = None,
) -> None:
    """Write nnU-Net's dataset.json; `labels` maps names to label values, or to several for region-based training.

    With regions, `regions_class_order` is the value that each region writes, the later over the earlier. `reader` is
    nnU-Net's reader of the images, where it should not choose one itself.
    """
    content: dict[str, Any] = {
        "channel_names": {str(index): name for index, name in enumerate(channel_names)},
        "labels": {name: value if isinstance(value, int) else list(value) for name, value in labels.items()},
        "numTraining": training_cases,
        "file_ending": FILE_ENDING,
        "description": description,
    }
    if reader:
        content["overwrite_image_reader_writer"] = reader
    if regions_class_order:
        content["regions_class_order"] = list(regions_class_order)
    write_json(folder / "dataset.json", content)
