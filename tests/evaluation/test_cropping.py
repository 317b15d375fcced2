"""Evaluating within a structure's box gives what evaluating the whole image gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from nnunet_dsd.evaluation.cropping import common_box, label_boxes
from nnunet_dsd.evaluation.scoring import evaluate_arrays, evaluate_masks
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
