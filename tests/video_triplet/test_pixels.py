"""What a draw does to the pixels, against NumPy, albumentations' formulas written out, and torchvision."""

import colorsys

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from nnunet_dsd.common.errors import ShapeError
from video_triplet.data.augmentation import Draw
from video_triplet.data.pixels import apply_draw, shift_hsv


def noise(size=32, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, size, size), dtype=np.uint8))


def smooth(size=64):
    """A picture without fine detail, so that interpolation hardly matters."""
    y, x = np.mgrid[:size, :size] / size
    channels = [np.sin(3 * x + y), np.cos(2 * y - x), np.sin(2 * x * y + 1)]
    return torch.from_numpy(np.round(127 + 100 * np.stack(channels)).astype(np.uint8))


def test_nothing_drawn_gives_the_image_itself():
    image = noise()
    assert apply_draw(image, Draw()) is image


def test_flips_are_exact():
    image = noise()
    array = image.numpy()
    assert np.array_equal(apply_draw(image, Draw(horizontal_flip=True)), array[:, :, ::-1])
    assert np.array_equal(apply_draw(image, Draw(vertical_flip=True)), array[:, ::-1])
    assert np.array_equal(apply_draw(image, Draw(horizontal_flip=True, vertical_flip=True)), array[:, ::-1, ::-1])


@pytest.mark.parametrize("border", ["black", "reflect"])
@pytest.mark.parametrize("size", [32, 33])
@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
def test_a_rotation_by_90_degrees_is_rot90(quarters, size, border):
    turned = apply_draw(noise(size), Draw(rotation=90.0 * quarters, border=border))
    assert np.array_equal(turned, np.rot90(noise(size), quarters, axes=(1, 2)))


@pytest.mark.parametrize("right", [-4, 0, 3])
@pytest.mark.parametrize("down", [-2, 5])
def test_a_shift_by_whole_pixels_moves_them_and_fills_with_black(right, down):
    image = noise(32)
    moved = apply_draw(image, Draw(shift=(right / 32, down / 32)))
    expected = torch.zeros_like(image)
    expected[:, max(down, 0) : 32 + min(down, 0), max(right, 0) : 32 + min(right, 0)] = image[
        :, max(-down, 0) : 32 - max(down, 0), max(-right, 0) : 32 - max(right, 0)
    ]
    assert torch.equal(moved, expected)


def test_a_reflecting_border_mirrors_at_the_outermost_pixels():
    moved = apply_draw(noise(32), Draw(shift=(4 / 32, 0.0), border="reflect"))
    assert np.array_equal(moved, np.pad(noise(32), ((0, 0), (0, 0), (4, 0)), mode="reflect")[:, :, :32])


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.125, -0.0625)])
@pytest.mark.parametrize("scaling", [1.0, 0.9, 1.2])
@pytest.mark.parametrize("rotation", [0.0, 20.0, -45.0, 133.0])
def test_the_affine_map_agrees_with_torchvision(rotation, scaling, shift):
    image = smooth(64)
    ours = apply_draw(image, Draw(rotation=rotation, scaling=scaling, shift=shift))
    pixels = [fraction * 64 for fraction in shift]
    theirs = v2.functional.affine(
        image, -rotation, pixels, scaling, [0.0, 0.0], interpolation=v2.InterpolationMode.BILINEAR
    )
    assert (ours.int() - theirs.int()).abs().max() <= 1


@pytest.mark.parametrize("factor", [0.8, 0.95, 1.2])
def test_brightness_multiplies_and_clips(factor):
    image = noise()
    expected = np.clip(image.numpy() * factor, 0, 255)
    assert np.abs(apply_draw(image, Draw(brightness=factor)).numpy() - expected).max() < 1


@pytest.mark.parametrize("weight", [0.8, 0.95, 1.2])
def test_saturation_blends_with_the_grey_image_and_clips(weight):
    image = noise()
    grey = np.tensordot([0.2989, 0.587, 0.114], image.numpy(), axes=1)  # ITU-R BT.601 luma
    expected = np.clip(weight * image.numpy() + (1 - weight) * grey, 0, 255)
    assert np.abs(apply_draw(image, Draw(saturation=weight)).numpy() - expected).max() < 1.5


def test_saturation_0_leaves_grey():
    grey = apply_draw(noise(), Draw(saturation=0.0))
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])


def hsv_by_hand(image, hue, saturation, value):
    result = np.empty(image.shape)
    for row, column in np.ndindex(*image.shape[1:]):
        h, s, v = colorsys.rgb_to_hsv(*image[:, row, column] / 255)
        h, s, v = (h + hue / 360) % 1, np.clip(s + saturation / 255, 0, 1), np.clip(v + value / 255, 0, 1)
        result[:, row, column] = 255 * np.array(colorsys.hsv_to_rgb(h, s, v))
    return result


@pytest.mark.parametrize("shift", [(0, 0, 20), (0, 20, 0), (30, 0, 0), (-20, -5, -10), (180, 0, 0), (-180, 9, 9)])
def test_the_hsv_shift_agrees_with_pythons_colour_conversion(shift):
    image = noise(16).numpy()
    image[:, 0] = image[0, 0]  # grey
    image[:, 1, ::2] = 0
    image[0, 2] = image[1, 2]  # two highest or lowest channels
    error = np.abs(shift_hsv(torch.from_numpy(image), *shift).numpy() - hsv_by_hand(image, *shift))
    assert error.max() < 0.51
    assert np.abs(hsv_by_hand(image, *shift) - image).mean() > 4  # the shift itself is larger than that


def test_operations_are_applied_in_the_order_of_the_docstring():
    image = smooth(32)
    drawn = Draw(horizontal_flip=True, rotation=90.0, brightness=1.5, saturation=0.5)
    steps = [Draw(horizontal_flip=True), Draw(rotation=90.0), Draw(brightness=1.5), Draw(saturation=0.5)]
    one_by_one = image
    for step in steps:
        one_by_one = apply_draw(one_by_one, step)
    assert torch.equal(apply_draw(image, drawn), one_by_one)


def test_the_image_given_is_not_changed():
    image = noise()
    before = image.clone()
    apply_draw(image, Draw(horizontal_flip=True, rotation=10.0, brightness=1.1, saturation=1.1, hsv_shift=(1, 2, 3)))
    assert torch.equal(image, before)


@pytest.mark.parametrize(
    "image", [torch.zeros(3, 4, 5, dtype=torch.uint8), torch.zeros(3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.uint8)]
)
def test_what_is_not_a_square_uint8_frame_is_refused(image):
    with pytest.raises(ShapeError, match=r"a frame is \(3, S, S\) uint8"):
        apply_draw(image, Draw())
