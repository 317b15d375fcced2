"""Which values of an image are drawn: grey ones, colours, or the first channel."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.backends.backend_agg import FigureCanvasAgg

from nnunet_dsd.common.drawing import new_figure
from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.datasets.geometry import Geometry
from nnunet_dsd.evaluation.figures import draw_slice
from nnunet_dsd.evaluation.images import Volume, read_picture_on


def written(path, values):
    """An image file of these values."""
    sitk.WriteImage(sitk.GetImageFromArray(values, isVector=path.suffix == ".png" and values.ndim == 3), str(path))
    return path


def reference(*shape):
    """A reference of this shape; its geometry is not looked at."""
    return Volume(np.zeros(shape, np.uint8), Geometry((), (), (), ()), Path("reference"))


@pytest.mark.parametrize("channels", [3, 4])
def test_the_channels_of_a_picture_are_its_colours_and_a_fourth_is_left_out(tmp_path, channels):
    values = np.arange(5 * 4 * channels, dtype=np.uint8).reshape(5, 4, channels)
    assert np.allclose(read_picture_on(reference(5, 4), written(tmp_path / "x.png", values)), values[..., :3] / 255)


def test_a_grey_scan_is_drawn_as_it_is(tmp_path):
    values = np.arange(60, dtype=np.int16).reshape(3, 5, 4)
    assert np.array_equal(read_picture_on(reference(3, 5, 4), written(tmp_path / "x.nii.gz", values)), values)


def test_of_the_channels_of_a_scan_the_first_one_is_drawn(tmp_path):
    series = sitk.JoinSeries([sitk.GetImageFromArray(np.full((2, 5, 4), value, np.int16)) for value in (7, 8, 9)])
    sitk.WriteImage(series, str(tmp_path / "x.nii.gz"))
    assert np.array_equal(read_picture_on(reference(2, 5, 4), tmp_path / "x.nii.gz"), np.full((2, 5, 4), 7))


@pytest.mark.parametrize("shape", [(5, 3), (4, 5), (5, 4, 3, 3)])
def test_an_image_of_other_voxels_is_refused_with_both_shapes(tmp_path, shape):
    path = written(tmp_path / "x.png", np.zeros((5, 4), np.uint8))
    with pytest.raises(ShapeError, match=r"x.png has the shape \(5, 4\) and its reference"):
        read_picture_on(reference(*shape), path)


@pytest.mark.parametrize(
    "image",
    [
        np.full((5, 4), 7.0),
        np.full((5, 4), np.nan),
        np.array([[np.nan, np.inf], [1, 2]]),
        np.zeros((5, 4), bool),
        np.arange(60, dtype=np.uint16).reshape(5, 4, 3) * 1000,
        np.full((5, 4, 3), np.nan),
    ],
)
def test_any_slice_can_be_drawn(image):
    figure = new_figure(2, 2)
    draw_slice(figure.subplots(), image, aspect=1.0)
    FigureCanvasAgg(figure).draw()
    (drawn,) = figure.axes[0].images
    assert drawn.get_array().shape[:2] == image.shape[:2]


def test_colours_are_stretched_from_the_first_to_the_last_percentile():
    image = np.zeros((10, 10, 3), np.uint16)
    image[:5], image[5:, :, 1] = 1000, 4000
    figure = new_figure(2, 2)
    draw_slice(figure.subplots(), image, aspect=1.0)
    drawn = figure.axes[0].images[0].get_array()
    assert drawn[0, 0].tolist() == pytest.approx([0.25, 0.25, 0.25])
    assert drawn[9, 9].tolist() == pytest.approx([0.0, 1.0, 0.0])
