"""Every measure against its definition, MONAI's own functions, closed forms, and the rules for undefined values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from monai.metrics.utils import get_edge_surface_distance
from scipy.ndimage import gaussian_filter
from surface_oracle import oracle_measures

from nnunet_dsd.common.errors import DataError, SettingsError, ShapeError
from nnunet_dsd.evaluation.distances import surface_distances
from nnunet_dsd.evaluation.measures import MEASURES, find_measure
from nnunet_dsd.evaluation.overlap import relative_volume_difference, volume_ml
from nnunet_dsd.evaluation.results import Score
from nnunet_dsd.evaluation.scoring import evaluate_masks
from nnunet_dsd.evaluation.settings import EvaluationSettings

EMPTY, SOME = np.zeros((4, 5, 6), dtype=bool), np.zeros((4, 5, 6), dtype=bool)
SOME[1:3, 1:4, 2:5] = True
ONE = EvaluationSettings(both_empty="one")


def random_pair(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Two blobs that touch the border, and a spacing."""
    rng = np.random.default_rng(seed)
    first, second = (gaussian_filter(rng.standard_normal(shape), 1.5) > 0.1 for _ in range(2))
    return first, second, tuple(rng.uniform(0.4, 3.0, size=len(shape)))


def evaluate(
    first: np.ndarray, second: np.ndarray, spacing: tuple[float, ...] = (1, 1, 1), settings: object = None
) -> Score:
    settings = settings or EvaluationSettings()
    return evaluate_masks(first, second, spacing_mm=spacing, case="a", structure="x", settings=settings)


@pytest.mark.parametrize("shape", [(9, 12, 10), (30, 24)])
@pytest.mark.parametrize("tolerance", [0.0, 0.9, 3.1])
@pytest.mark.parametrize("seed", range(6))
def test_every_measure_equals_its_definition_on_random_shapes(
    shape: tuple[int, ...], tolerance: float, seed: int
) -> None:
    first, second, spacing = random_pair(shape, seed)
    score = evaluate(first, second, spacing, EvaluationSettings(tolerance))
    expected = oracle_measures(first, second, spacing, tolerance)
    assert set(expected) == {measure.name for measure in MEASURES}
    for name, value in expected.items():
        assert getattr(score, name) == pytest.approx(value, rel=1e-5, nan_ok=True), name


@pytest.mark.parametrize("shape", [(12, 16, 14), (30, 24)])
@pytest.mark.parametrize("seed", range(3))
def test_distances_are_those_of_monais_own_metrics(shape: tuple[int, ...], seed: int) -> None:
    first, second, spacing = random_pair(shape, seed)
    score = evaluate(first, second, spacing, EvaluationSettings(1.3))
    masks = [torch.from_numpy(mask)[None, None] for mask in (first, second)]
    options = {"include_background": True, "spacing": spacing}
    hausdorff = compute_hausdorff_distance(*masks, percentile=95, **options).item()
    average = compute_average_surface_distance(*masks, symmetric=True, **options).item()
    surface_dice = compute_surface_dice(*masks, class_thresholds=[1.3], **options).item()
    assert (score.hd95_mm, score.asd_mm, score.surface_dice) == pytest.approx((hausdorff, average, surface_dice))


@pytest.mark.parametrize("shape", [(12, 16, 14), (30, 24), (1, 9, 9)])
@pytest.mark.parametrize("seed", range(3))
def test_surface_distances_are_those_of_monai_bit_by_bit(shape: tuple[int, ...], seed: int) -> None:
    first, second, spacing = random_pair(shape, seed)
    tensors = (torch.from_numpy(np.ascontiguousarray(mask)) for mask in (first, second))
    _, theirs, _ = get_edge_surface_distance(*tensors, spacing=list(spacing), symmetric=True, warn_empty=False)
    ours = surface_distances(first, second, spacing_mm=spacing)
    for own, other in zip((ours.from_prediction, ours.from_reference), theirs, strict=True):
        np.testing.assert_array_equal(own, np.asarray(other, dtype=np.float64))


@pytest.mark.parametrize("seed", range(3))
def test_prediction_and_reference_can_be_exchanged_but_in_the_volumes(seed: int) -> None:
    first, second, spacing = random_pair((9, 12, 10), seed)
    there, back = evaluate(first, second, spacing), evaluate(second, first, spacing)
    for name in ("dice", "hd95_mm", "asd_mm", "surface_dice"):
        assert getattr(there, name) == pytest.approx(getattr(back, name))
    assert (there.prediction_ml, there.prediction_voxels) == (back.reference_ml, back.reference_voxels)
    assert (1 + there.rvd) * (1 + back.rvd) == pytest.approx(1)


def test_equal_masks_are_perfect() -> None:
    score = evaluate(SOME, SOME)
    assert (score.dice, score.surface_dice, score.hd95_mm, score.asd_mm, score.rvd, score.abs_rvd) == (1, 1, 0, 0, 0, 0)


def test_parallel_plates_have_their_distance_as_average_and_as_limit_of_the_surface_dice() -> None:
    first, second = np.zeros((9, 20, 20), dtype=bool), np.zeros((9, 20, 20), dtype=bool)
    first[2], second[4] = True, True
    distances = surface_distances(first, second, spacing_mm=(2.5, 1, 1))
    assert distances.average_mm() == pytest.approx(5.0)
    assert (distances.surface_dice(4.9), distances.surface_dice(5.0)) == (0.0, 1.0)


@pytest.mark.parametrize("spacing", [0.7, 1.2, 0.9765625, 1.1])
@pytest.mark.parametrize("voxels", [1, 3, 7])
def test_a_shift_of_exactly_the_tolerance_is_within_it_although_files_hold_rounded_spacings(
    spacing: float, voxels: int
) -> None:
    first, second = np.zeros((12, 5), dtype=bool), np.zeros((12, 5), dtype=bool)
    first[2], second[2 + voxels] = True, True
    distances = surface_distances(first, second, spacing_mm=(float(np.float32(spacing)), 1.0))
    assert distances.surface_dice(voxels * spacing) == 1.0
    assert distances.surface_dice(voxels * spacing - 0.01) == 0.0


def test_a_thin_shell_counts_voxels_and_not_area() -> None:
    """The surface Dice of a mask against itself with one far voxel: that voxel counts as one, as stated."""
    with_speck = SOME.copy()
    with_speck[3, 4, 5] = True
    surface = 2 * 3 * 3
    expected = (surface + surface) / (surface + surface + 1)
    assert surface_distances(with_speck, SOME, spacing_mm=(1, 1, 1)).surface_dice(0.5) == pytest.approx(expected)


def test_volumes_are_in_millilitres_and_two_dimensions_have_none() -> None:
    assert volume_ml(2000, (2.0, 0.5, 1.0)) == pytest.approx(2.0)
    assert math.isnan(volume_ml(2000, (1.0, 1.0)))


@pytest.mark.parametrize(("voxels", "expected"), [((12, 10), 0.2), ((5, 10), -0.5), ((0, 10), -1.0), ((10, 10), 0.0)])
def test_the_volume_difference_is_signed_and_relative_to_the_reference(
    voxels: tuple[int, int], expected: float
) -> None:
    assert relative_volume_difference(*voxels) == pytest.approx(expected)


NAN = math.nan


@pytest.mark.parametrize(
    ("prediction", "reference", "settings", "expected"),
    [
        (EMPTY, EMPTY, None, {"dice": NAN, "surface_dice": NAN, "hd95_mm": NAN, "asd_mm": NAN, "rvd": NAN}),
        (EMPTY, EMPTY, ONE, {"dice": 1, "surface_dice": 1, "hd95_mm": NAN, "asd_mm": NAN, "rvd": NAN}),
        (EMPTY, SOME, None, {"dice": 0, "surface_dice": 0, "hd95_mm": NAN, "asd_mm": NAN, "rvd": -1, "abs_rvd": 1}),
        (EMPTY, SOME, ONE, {"dice": 0, "surface_dice": 0, "hd95_mm": NAN, "asd_mm": NAN, "rvd": -1, "abs_rvd": 1}),
        (SOME, EMPTY, None, {"dice": 0, "surface_dice": 0, "hd95_mm": NAN, "asd_mm": NAN, "rvd": NAN, "abs_rvd": NAN}),
    ],
    ids=["both empty", "both empty counted as one", "missed", "missed, both empty one", "invented"],
)
def test_what_an_empty_mask_makes_of_every_measure(
    prediction: np.ndarray, reference: np.ndarray, settings: object, expected: dict[str, float]
) -> None:
    score = evaluate(prediction, reference, settings=settings)
    for name, value in expected.items():
        assert getattr(score, name) == pytest.approx(value, nan_ok=True), name
    assert score.prediction_ml == pytest.approx(prediction.sum() / 1000)


def test_a_box_of_no_voxels_is_an_empty_mask() -> None:
    nothing = np.zeros((0, 0, 0), dtype=bool)
    score = evaluate(nothing, nothing)
    assert (score.prediction_voxels, score.prediction_ml) == (0, 0)
    assert math.isnan(score.hd95_mm)


def test_masks_that_are_views_are_read_as_they_look() -> None:
    flipped = SOME[::-1, :, ::-1]
    assert evaluate(flipped, flipped.copy()).hd95_mm == 0.0
    with pytest.raises(ShapeError, match="spacing of 2 numbers"):
        evaluate(SOME, SOME, (1, 1))


@pytest.mark.parametrize("tolerance", [-1.0, math.nan, math.inf])
def test_an_impossible_tolerance_is_refused(tolerance: float) -> None:
    with pytest.raises(SettingsError, match="surface tolerance: got"):
        EvaluationSettings(tolerance)
    with pytest.raises(SettingsError, match="allowed are nan, one"):
        EvaluationSettings(both_empty="zero")


def test_every_measure_is_a_field_of_a_score_in_this_order() -> None:
    names = [measure.name for measure in MEASURES]
    assert [name for name in Score.__dataclass_fields__ if name in names] == names
    assert all(find_measure(name).name == name for name in names)
    with pytest.raises(DataError, match=r"no measure 'iou'; there are dice, hd95_mm"):
        find_measure("iou")
