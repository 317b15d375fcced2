"""What `model.json` says of a deployed model, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.graphs.runtime.folders import GraphDescription, graph_parts, read_described

VERSION = 1


@dataclass(frozen=True)
class Normalisation:
    """How one image channel is normalised, by nnU-Net's name of the scheme.

    Attributes:
        scheme: `ZScoreNormalization`, `CTNormalization`, `NoNormalization`, `RescaleTo01Normalization`, or
            `RGBTo01Normalization`.
        in_mask: Only what is not zero in the image counts and changes.
        mean: Of the data set's foreground, for CT.
        std: The same.
        lowest: Its 0.5 percentile, below which CT is cut off.
        highest: Its 99.5 percentile.
    """

    scheme: str
    in_mask: bool = False
    mean: float = 0.0
    std: float = 1.0
    lowest: float = 0.0
    highest: float = 0.0


@dataclass(frozen=True)
class Resampling:
    """Orders of the splines by which images or logits are resampled.

    Attributes:
        order: Within the planes of an anisotropic image, and everywhere in others.
        order_z: Across those planes.
        separate_z: Whether planes are resampled by themselves; None: where a voxel is three times as long as wide.
    """

    order: int
    order_z: int
    separate_z: bool | None


@dataclass(frozen=True)
class Description(GraphDescription):
    """All that a deployed model needs to know of itself, beside its graph.

    Attributes:
        reader: `itk` for volumes, `picture` for flat images as PNG.
        file_ending: Of images and label maps.
        channels: Names of the image channels.
        labels: By name, the label, or the labels of a region.
        patch_size: Voxels per axis of what the graph takes, two or three axes.
        spacing: Of the voxels it takes, in mm, in the order of its axes.
        transpose: Which axis of the image's array each of the model's axes is.
        normalisation: Of each channel.
        image_resampling: Before the graph.
        logits_resampling: After it.
        outputs: Channels of the graph's output.
        region_labels: For regions, the label that each output writes, in this order; None: outputs are classes.
        wide_labels: Labels need 16 bits.
        mirror_axes: Along which axes training images were mirrored.
    """

    reader: str
    file_ending: str
    channels: tuple[str, ...]
    labels: dict[str, Any]
    patch_size: tuple[int, ...]
    spacing: tuple[float, ...]
    transpose: tuple[int, ...]
    normalisation: tuple[Normalisation, ...]
    image_resampling: Resampling
    logits_resampling: Resampling
    outputs: int
    region_labels: tuple[int, ...] | None
    wide_labels: bool
    mirror_axes: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what `model.json` holds of it."""
        content = {**vars(self), "normalisation": [vars(one) for one in self.normalisation]}
        for name in ("image_resampling", "logits_resampling"):
            content[name] = vars(content[name])
        return {"version": VERSION, **content}


def read_description(folder: Path) -> Description:
    """Return what a folder's `model.json` says, with the graph's files checked against it.

    Raises:
        DeployedModelError: if it is missing, broken, of another version, or a file is missing or changed.
    """
    return read_described(folder, VERSION, "nnunet-dsd deploy", _described)


def _require_consistent(description: Description) -> None:
    """Refuse parts that do not go together.

    Raises:
        ValueError: naming them.
    """
    axes = len(description.patch_size)
    wrong = {
        "files": description.graph not in description.files,
        "transpose": sorted(description.transpose) != [0, 1, 2],
        "patch_size": axes not in (2, 3) or min(description.patch_size) < 1,
        "spacing": len(description.spacing) != axes or not all(edge > 0 for edge in description.spacing),
        "normalisation": len(description.normalisation) != len(description.channels),
        "mirror_axes": not set(description.mirror_axes) <= set(range(axes)),
        "region_labels": len(description.region_labels or range(description.outputs)) != description.outputs,
    }
    if names := [name for name, is_wrong in wrong.items() if is_wrong]:
        raise ValueError(", ".join(names))


def _described(content: dict[str, Any]) -> Description:
    regions = content["region_labels"]
    description = Description(
        **graph_parts(content),
        reader=str(content["reader"]),
        file_ending=str(content["file_ending"]),
        labels=dict(content["labels"]),
        channels=tuple(content["channels"]),
        patch_size=tuple(int(size) for size in content["patch_size"]),
        spacing=tuple(float(value) for value in content["spacing"]),
        transpose=tuple(int(axis) for axis in content["transpose"]),
        normalisation=tuple(Normalisation(**one) for one in content["normalisation"]),
        image_resampling=Resampling(**content["image_resampling"]),
        logits_resampling=Resampling(**content["logits_resampling"]),
        outputs=int(content["outputs"]),
        region_labels=None if regions is None else tuple(int(label) for label in regions),
        wide_labels=bool(content["wide_labels"]),
        mirror_axes=tuple(int(axis) for axis in content["mirror_axes"]),
    )
    _require_consistent(description)
    return description
