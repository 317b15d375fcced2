"""Evaluating within a structure's box gives what evaluating the whole image gives."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from nnunet_dsd.evaluation.cropping import common_box, label_boxes
from nnunet_dsd.evaluation.scoring import evaluate_arrays, evaluate_masks, extended_axes
from nnunet_dsd.evaluation.structures import Structure

STRUCTURES = (Structure("one", (1,)), Structure("both", (1, 3)), Structure("three", (3,)), Structure("absent", (7,)))


def random_labels(shape: tuple[int, ...], seed: int, *, margin: int) -> np.ndarray:
    """Blobs of 1 and 3 that keep off the border, or touch it where the margin is 0."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), 1.2)
    labels = np.where(field > 0.12, 1, np.where(field < -0.12, 3, 0)).astype(np.uint8)
    inner = np.zeros(shape, dtype=bool)
    inner[tuple(slice(margin, length - margin) for length in shape)] = True
    return np.where(inner, labels, 0).astype(np.uint8)


@pytest.mark.parametrize("shape", [(14, 12, 16), (30, 26)])
@pytest.mark.parametrize("margin", [0, 4])
@pytest.mark.parametrize("ignore_label", [None, 3])
@pytest.mark.parametrize("seed", range(3))
def test_scores_in_the_box_are_those_of_the_whole_image(
    shape: tuple[int, ...], margin: int, ignore_label: int | None, seed: int
) -> None:
    reference = random_labels(shape, seed, margin=margin)
    prediction = shift(reference, 1, order=0)
    spacing = (2.5, 0.8, 0.6)[: len(shape)]
    found = evaluate_arrays(prediction, reference, STRUCTURES, spacing_mm=spacing, case="a", ignore_label=ignore_label)
    considered = np.ones(shape, dtype=bool) if ignore_label is None else reference != ignore_label
    for structure, score in zip(STRUCTURES, found, strict=True):
        masks = [np.isin(image, structure.labels) & considered for image in (prediction, reference)]
        assert str(score) == str(evaluate_masks(*masks, spacing_mm=spacing, case="a", structure=structure.name))


def test_the_box_holds_the_structure_in_both_images_and_no_more() -> None:
    first, second = np.zeros((10, 10), dtype=np.int64), np.zeros((10, 10), dtype=np.int64)
    first[2:4, 5], second[3, 7:9], second[9, 0] = 1, 3, 2
    boxes = label_boxes(first), label_boxes(second)
    assert common_box(Structure("both", (1, 3)), boxes, 2) == (slice(2, 4), slice(5, 9))
    assert common_box(Structure("absent", (9,)), boxes, 2) == (slice(0, 0), slice(0, 0))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_boxes_are_found_in_every_type_of_integer(kind: type) -> None:
    labels = np.zeros((4, 4, 4), dtype=kind)
    labels[1:3, 2, 0] = 5
    assert label_boxes(labels) == {5: (slice(1, 3), slice(2, 3), slice(0, 1))}


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("margin", [0, 4])
@pytest.mark.parametrize("ignore_label", [None, 3])
def test_one_slice_stored_in_three_dimensions_is_measured_like_the_flat_image(
    axis: int, margin: int, ignore_label: int | None
) -> None:
    reference = random_labels((64, 64), 5, margin=margin)
    prediction = shift(reference, (1, 2), order=0)
    flat, thick = (0.8, 0.6), tuple(np.insert((0.8, 0.6), axis, 999.0))
    expected = evaluate_arrays(prediction, reference, STRUCTURES, spacing_mm=flat, case="a", ignore_label=ignore_label)
    images = (np.expand_dims(image, axis) for image in (prediction, reference))
    found = evaluate_arrays(*images, STRUCTURES, spacing_mm=thick, case="a", ignore_label=ignore_label)
    for one, other in zip(found, expected, strict=True):
        assert str(replace(one, prediction_ml=math.nan, reference_ml=math.nan)) == str(other)
        assert one.reference_ml == pytest.approx(one.reference_voxels * 0.8 * 0.6 * 999.0 / 1000)
    assert 0 < found[0].hd95_mm < 5
    assert 0 < found[0].surface_dice < 1


def test_a_structure_that_lies_in_one_slice_of_a_volume_keeps_its_three_dimensions() -> None:
    first, second = np.zeros((3, 9, 9), dtype=np.uint8), np.zeros((3, 9, 9), dtype=np.uint8)
    first[1, 2:7, 2:7], second[1, 2:7, 3:8] = 1, 1
    score = evaluate_arrays(first, second, STRUCTURES[:1], spacing_mm=(1, 1, 1), case="a")[0]
    assert score.asd_mm == pytest.approx(5 / 25)  # every voxel has a neighbour outside, in the next slice


def test_a_row_and_a_single_voxel_are_evaluated() -> None:
    assert [extended_axes(shape) for shape in ((1, 5, 1), (1, 1, 1), (2, 1, 3))] == [(1,), (2,), (0, 2)]
    row = np.array([[[0, 1, 1, 1, 0, 0]]])
    score = evaluate_arrays(row, np.roll(row, 1), STRUCTURES[:1], spacing_mm=(9, 9, 2), case="a")[0]
    assert score.hd95_mm == pytest.approx(2.0)
    voxel = np.ones((1, 1, 1), dtype=np.uint8)
    assert evaluate_arrays(voxel, voxel, STRUCTURES[:1], spacing_mm=(1, 1, 1), case="a")[0].hd95_mm == 0.0
