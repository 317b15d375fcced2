"""The phantom data set of the demo: two touching structures in MRI-like volumes, in nnU-Net's raw format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as label_pieces

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.files import whole_folder
from nnunet_dsd.datasets.names import image_path, label_path
from nnunet_dsd.datasets.phantom_anatomy import Anatomy, build_anatomy
from nnunet_dsd.datasets.phantom_imaging import acquire, average_slices, fraction_inside, tissue_intensities
from nnunet_dsd.datasets.raw_format import write_dataset_json, write_volume

LABELS = {"background": 0, "bulb": 1, "tail": 2}
SPACING_MM = (2.5, 1.0, 1.0)
SLICES_PER_VOXEL = 3
SMALLEST_SHAPE, LARGEST_SHAPE = (20, 52, 44), (24, 56, 52)
TEST_CASE_OFFSET = 100_000


@dataclass(frozen=True)
class PhantomCase:
    """One phantom volume.

    Attributes:
        image: intensities in scanner units, shape (Z, Y, X).
        label: 0 background, 1 bulb, 2 tail, shape (Z, Y, X).
        spacing_mm: voxel size along (z, y, x).
        origin_mm: position of the first voxel's centre along (z, y, x).
    """

    image: NDArray[np.int16]
    label: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]


def make_phantom_case(*, seed: int, index: int) -> PhantomCase:
    """Draw one case; the same seed and index give the same arrays, whatever else is drawn.

    Args:
        seed: seed of the whole data set, 0 or more.
        index: number of the case within it, 0 or more.
    """
    rng = np.random.default_rng([seed, index])
    depth, height, width = (int(size) for size in rng.integers(SMALLEST_SHAPE, LARGEST_SHAPE, endpoint=True))
    fine_shape = (depth * SLICES_PER_VOXEL, height, width)
    fine_spacing = (SPACING_MM[0] / SLICES_PER_VOXEL, SPACING_MM[1], SPACING_MM[2])
    anatomy = build_anatomy(rng, fine_shape, fine_spacing)
    image = acquire(rng, tissue_intensities(rng, anatomy), spacing_mm=SPACING_MM, slices_per_voxel=SLICES_PER_VOXEL)
    origin = tuple(float(value) for value in np.round(rng.uniform(-60, 60, size=3), 1))
    return PhantomCase(image, draw_labels(anatomy), SPACING_MM, (origin[0], origin[1], origin[2]))


def draw_labels(anatomy: Anatomy) -> NDArray[np.uint8]:
    """Label each thick voxel that the structure fills to at least a half, by the part that fills more of it."""
    inside = average_slices(fraction_inside(anatomy.structure), SLICES_PER_VOXEL)
    in_bulb = average_slices(fraction_inside(anatomy.structure) * fraction_inside(anatomy.division), SLICES_PER_VOXEL)
    bulb, tail = 2 * in_bulb >= inside, 2 * in_bulb < inside
    bulb = largest_piece(bulb & (inside >= 0.5))
    tail = largest_piece(tail & (inside >= 0.5))
    return (LABELS["bulb"] * bulb + LABELS["tail"] * tail).astype(np.uint8)


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest connected piece (neighbours share a face) of a mask of shape (Z, Y, X)."""
    pieces, count = label_pieces(mask)
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    return np.asarray(pieces == 1 + np.argmax(sizes[1:]))


def write_phantom_dataset(folder: Path, *, training_cases: int, test_cases: int, seed: int) -> None:
    """Write a phantom data set as `folder`, for example `nnUNet_raw/Dataset990_Phantom`, whole or not at all.

    Holds `dataset.json`, `imagesTr`, `labelsTr`, and the test cases in `imagesTs` with references in `labelsTs`.
    Training case i is the same for every number of cases.

    Args:
        folder: must not exist yet, or be empty.
        training_cases: at least 5, because nnU-Net splits them into five folds.
        test_cases: at least 1.
        seed: 0 or more.

    Raises:
        SettingsError: if a number is impossible.
    """
    _check(training_cases, test_cases, seed)
    with whole_folder(folder) as partial:
        for index in range(training_cases):
            _write_case(partial, "Tr", f"phantom_{index:03d}", make_phantom_case(seed=seed, index=index))
        for index in range(test_cases):
            case = make_phantom_case(seed=seed, index=TEST_CASE_OFFSET + index)
            _write_case(partial, "Ts", f"phantom_test_{index:03d}", case)
        write_dataset_json(
            partial,
            channel_names=["T1"],
            labels=LABELS,
            training_cases=training_cases,
            description=f"Phantom of two touching structures, made by nnunet-dsd with seed {seed}; not real patients.",
        )


def _write_case(folder: Path, part: str, name: str, case: PhantomCase) -> None:
    geometry = {"spacing_mm": case.spacing_mm, "origin_mm": case.origin_mm}
    write_volume(image_path(folder / f"images{part}", name), case.image, **geometry)
    write_volume(label_path(folder / f"labels{part}", name), case.label, **geometry)


def _check(training_cases: int, test_cases: int, seed: int) -> None:
    problems = []
    if training_cases < 5:
        problems.append(f"training_cases is {training_cases}; nnU-Net's five folds need at least 5")
    if test_cases < 1:
        problems.append(f"test_cases is {test_cases}; at least 1 is needed to measure anything")
    if seed < 0:
        problems.append(f"seed is {seed}; it must be 0 or more")
    if problems:
        raise SettingsError(problems, source="the phantom's settings")
