"""Which values of an image are drawn: grey ones, colours, or the first channel."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from nnunet_dsd.common.drawing import new_figure
from nnunet_dsd.datasets.volumes import Geometry
from nnunet_dsd.errors import ShapeError
from nnunet_dsd.evaluation.figures import draw_slice
from nnunet_dsd.evaluation.images import Volume
from nnunet_dsd.evaluation.pictures import picture_of


def volume(array, name="x.png"):
    """A volume of this array; its geometry is not looked at."""
    return Volume(array, Geometry((), (), (), ()), Path(name))


@pytest.mark.parametrize("shape", [(5, 4), (3, 5, 4), (3, 4, 3)])
def test_a_grey_image_is_drawn_as_it_is(shape):
    values = np.arange(np.prod(shape)).reshape(shape)
    assert np.array_equal(picture_of(volume(values), volume(np.zeros(shape))), values)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", ["x_0000.png", "x_0000.TIF", "x.jpeg"])
def test_three_channels_of_a_picture_are_its_colours_and_a_fourth_is_left_out(channels, name):
    values = np.arange(5 * 4 * channels).reshape(5, 4, channels)
    reference = volume(np.zeros((5, 4)))
    assert np.array_equal(picture_of(volume(values, name), reference), values[..., :3])
    for first in (np.moveaxis(values, -1, 0), np.moveaxis(values, -1, 0)[:, None]):
        assert np.array_equal(picture_of(volume(first, name), reference), values[..., :3])


def test_grey_with_opacity_is_grey():
    values = np.arange(40).reshape(5, 4, 2)
    assert np.array_equal(picture_of(volume(values), volume(np.zeros((5, 4)))), values[..., 0])


def test_of_the_channels_of_a_scan_the_first_one_is_drawn():
    values = np.arange(3 * 2 * 5 * 4).reshape(3, 2, 5, 4)
    reference = volume(np.zeros((2, 5, 4)))
    assert np.array_equal(picture_of(volume(values, "x.nii.gz"), reference), values[0])
    assert np.array_equal(picture_of(volume(np.moveaxis(values, 0, -1), "x.nrrd"), reference), values[0])


@pytest.mark.parametrize("shape", [(5, 3), (4, 5), (2, 5, 4, 3), (5, 4, 3, 3), (5,)])
def test_an_image_of_other_voxels_is_refused_with_both_shapes(shape):
    with pytest.raises(ShapeError, match=r"x.png has the shape .* and its reference \(5, 4\)"):
        picture_of(volume(np.zeros(shape)), volume(np.zeros((5, 4))))


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
