"""Figures of an evaluation: the right slice, the right aspect ratio, contours where the labels are."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from made_up_evaluations import score

from nnunet_dsd.common.drawing import save_png
from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.evaluation.figures import OverlayCase, best_slice, overlay_figure, scores_figure, structure_colour
from nnunet_dsd.evaluation.results import Evaluation
from nnunet_dsd.evaluation.structures import Structure

STRUCTURES = (Structure("head", (1,)), Structure("body", (2,)))


def labels() -> np.ndarray:
    array = np.zeros((6, 20, 30), dtype=np.uint8)
    array[1:4, 5:10, 5:15] = 1
    array[3:6, 10:15, 5:15] = 2
    return array


def case(**changes: object) -> OverlayCase:
    rng = np.random.default_rng(0)
    values = {
        "name": "a",
        "image": rng.normal(size=(6, 20, 30)),
        "reference": labels(),
        "prediction": np.roll(labels(), 1, axis=2),
        "spacing_mm": (4.0, 3.0, 1.5),
    }
    return OverlayCase(**{**values, **changes})


def test_the_slice_that_shows_every_structure_is_chosen() -> None:
    assert best_slice(labels(), STRUCTURES) == 3


def test_the_largest_slice_is_chosen_where_one_structure_is_absent() -> None:
    array = np.zeros((5, 8, 8), dtype=np.uint8)
    array[1, :2], array[4, :5] = 1, 1
    assert best_slice(array, STRUCTURES) == 4
    assert best_slice(np.zeros((5, 8, 8), dtype=np.uint8), STRUCTURES) == 2


def test_overlays_have_a_row_per_case_with_the_aspect_ratio_of_the_voxels() -> None:
    figure = overlay_figure([case(), case(name="b")], STRUCTURES)
    assert len(figure.axes) == 6
    assert {axis.get_aspect() for axis in figure.axes} == {2.0}
    assert np.array_equal(figure.axes[0].images[0].get_array(), case().image[3])


def test_contours_enclose_the_labelled_voxels() -> None:
    reference_axis, prediction_axis = overlay_figure([case()], STRUCTURES).axes[1:]
    for axis, shift in ((reference_axis, 0), (prediction_axis, 1)):
        vertices = axis.collections[0].get_paths()[0].vertices
        assert (vertices[:, 0].min(), vertices[:, 0].max()) == (4.5 + shift, 14.5 + shift)
        assert (vertices[:, 1].min(), vertices[:, 1].max()) == (4.5, 9.5)
        assert matplotlib.colors.to_hex(axis.collections[0].get_edgecolor()[0]).upper() == structure_colour(0)


def test_a_structure_at_the_border_has_a_closed_contour() -> None:
    array = np.zeros((6, 20, 30), dtype=np.uint8)
    array[2, :5, :5] = 1
    axis = overlay_figure([case(reference=array, prediction=array)], STRUCTURES).axes[1]
    vertices = axis.collections[0].get_paths()[0].vertices
    assert vertices.min() == -0.5


def test_two_dimensional_cases_are_drawn_whole() -> None:
    flat = case(image=np.ones((20, 30)), reference=labels()[3], prediction=labels()[3], spacing_mm=(1.0, 2.0))
    figure = overlay_figure([flat], STRUCTURES)
    assert figure.axes[0].get_aspect() == 0.5


def test_arrays_of_different_shapes_and_no_case_at_all_are_refused() -> None:
    with pytest.raises(ShapeError, match="must be equal"):
        overlay_figure([case(prediction=labels()[1:])], STRUCTURES)
    with pytest.raises(ShapeError, match="got none"):
        overlay_figure([], STRUCTURES)


def test_scores_show_every_defined_value_and_the_mean() -> None:
    scores = (
        score("a", "head", dice=0.8, hd95_mm=2.0),
        score("b", "head", dice=0.9),
        score("a", "body"),
        score("b", "body"),
    )
    dice_axis, distance_axis = scores_figure(Evaluation(STRUCTURES, scores)).axes
    assert sorted(dice_axis.collections[0].get_offsets()[:, 1]) == [0.8, 0.9]
    assert [text.get_text() for text in dice_axis.texts] == ["0.850"]
    assert [text.get_text() for text in distance_axis.texts] == ["2.0 mm"]


def test_drawing_changes_no_global_setting_of_matplotlib(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    save_png(overlay_figure([case()], STRUCTURES), tmp_path / "overlays.png")
    assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "overlays.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["overlays.png"]
