"""Images are read whole as RGB, resized with antialias, or refused with their name."""

import io

import numpy as np
import pytest
from frame_examples import noise
from PIL import Image

from nnunet_dsd.errors import DataError
from video_triplet.data.images import read_image, resize


def write(path, image):
    Image.fromarray(image).save(path)
    return path


def test_a_png_is_read_as_it_is(tmp_path):
    image = noise(34, 60, 0)
    assert np.array_equal(read_image(write(tmp_path / "a.png", image)), image)


def test_grey_transparent_and_palette_images_become_rgb(tmp_path):
    grey = noise(8, 9, 1)[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([noise(8, 9, 2), grey])).save(tmp_path / "transparent.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    assert np.array_equal(read_image(tmp_path / "grey.png"), np.stack([grey] * 3, axis=-1))
    assert np.array_equal(read_image(tmp_path / "transparent.png"), noise(8, 9, 2))
    assert np.array_equal(read_image(tmp_path / "palette.png"), np.stack([grey] * 3, axis=-1))


def test_resizing_at_reading_is_the_same_as_afterwards(tmp_path):
    image = noise(34, 60, 3)
    path = write(tmp_path / "a.png", image)
    assert np.array_equal(read_image(path, size=16), resize(image, 16))
    assert read_image(path, size=16).shape == (16, 16, 3)


def test_shrinking_averages_so_that_fine_stripes_become_grey():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    assert np.all(np.abs(resize(stripes, 8).astype(int) - 127) <= 12)  # without antialias: columns of 0 or 255


def test_resizing_agrees_with_torchvisions_antialiased_bilinear():
    import torch
    from torchvision.transforms.v2 import functional

    image = noise(34, 60, 4)
    theirs = functional.resize(torch.from_numpy(image).permute(2, 0, 1), [16, 16], antialias=True)
    assert np.abs(resize(image, 16).astype(int) - theirs.permute(1, 2, 0).numpy()).max() <= 1


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("ending", ["PNG", "JPEG"])
def test_a_truncated_image_is_refused_by_name(tmp_path, kept, ending):
    buffer = io.BytesIO()
    Image.fromarray(noise(64, 64, 5)).save(buffer, ending)
    path = tmp_path / f"000007.{ending.lower()}"
    path.write_bytes(buffer.getvalue()[: int(kept * len(buffer.getvalue()))])
    with pytest.raises(DataError, match=r"000007\.\w+ is damaged"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused_by_name(tmp_path, content):
    (tmp_path / "000007.png").write_bytes(content)
    with pytest.raises(DataError, match=r"000007\.png"):
        read_image(tmp_path / "000007.png")


def test_flipped_bytes_inside_the_pixels_are_refused(tmp_path):
    content = bytearray(write(tmp_path / "000007.png", noise(64, 64, 6)).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "000007.png").write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"000007\.png is damaged"):
        read_image(tmp_path / "000007.png")


def test_a_missing_image_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"there is no image .*000007\.png"):
        read_image(tmp_path / "000007.png")
    with pytest.raises(DataError, match=tmp_path.name):
        read_image(tmp_path)
