"""Images are read whole as RGB, resized with antialias, or refused with their name."""

import io
import struct
import zlib

import numpy as np
import pytest
from frame_examples import noise
from PIL import Image

from nnunet_dsd.common.errors import DataError
from video_triplet.data.image_checking import examine
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


def half_and_half(mode, dark, bright):
    image = Image.new(mode, (16, 8), dark)
    image.paste(bright, (8, 0, 16, 8))
    return image


GREY_16 = np.array([[0, 255, 256, 128 * 257, 65_535]] * 3, dtype=np.uint16)


def test_of_16_bit_grey_the_upper_8_are_taken(tmp_path):
    path = write(tmp_path / "a.png", GREY_16)
    assert read_image(path).tolist() == [[[level] * 3 for level in (0, 0, 1, 128, 255)]] * 3
    eight = noise(8, 9, 1)[..., 0]
    same = read_image(write(tmp_path / "b.png", eight.astype(np.uint16) * 257))
    assert np.array_equal(same, read_image(write(tmp_path / "c.png", eight)))


def test_of_16_bit_colours_and_of_16_bit_grey_with_transparency_the_upper_8_are_taken(tmp_path):
    """Pillow cannot write these, so the chunks are written here."""
    pixels = np.array([[0x1234, 0x5678, 0x9ABC], [0xFFFF, 0x8000, 0x00FF]], dtype=">u2")
    assert read_image(png_16(tmp_path / "rgb.png", 2, pixels)).tolist() == [
        [[0x12, 0x56, 0x9A]],
        [[0xFF, 0x80, 0x00]],
    ]
    grey = np.array([[0x1234, 0xFFFF], [0xFEDC, 0xFFFF]], dtype=">u2")
    assert read_image(png_16(tmp_path / "grey.png", 4, grey)).tolist() == [[[0x12] * 3], [[0xFE] * 3]]


def png_16(path, colour, rows):
    """A PNG file, one pixel wide, with 16 bits; colour 2 is RGB, 4 grey with transparency."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, len(rows), 16, colour, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


@pytest.mark.parametrize(
    ("mode", "dark", "bright", "expected", "ending"),
    [
        ("1", 0, 1, (255, 255, 255), "png"),
        ("LA", (0, 255), (200, 255), (200, 200, 200), "png"),
        ("L", 0, 200, (200, 200, 200), "jpg"),
        ("CMYK", (0, 0, 0, 255), (0, 255, 255, 0), (255, 0, 0), "jpg"),
        ("RGB", (0, 0, 0), (200, 200, 200), (200, 200, 200), "jpg"),
    ],
)
def test_every_mode_becomes_its_colours(tmp_path, mode, dark, bright, expected, ending):
    half_and_half(mode, dark, bright).save(tmp_path / f"a.{ending}")
    image = read_image(tmp_path / f"a.{ending}")
    assert np.abs(image[:, :6].astype(int)).max() <= 5
    assert np.abs(image[:, 10:].astype(int) - expected).max() <= 5


# What each orientation does to a picture when it is shown; EXIF 2.32, Sect. 4.6.4 A.
SHOWN = {
    1: lambda picture: picture,
    2: lambda picture: picture[:, ::-1],
    3: lambda picture: picture[::-1, ::-1],
    4: lambda picture: picture[::-1],
    5: lambda picture: picture.transpose(1, 0, 2),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: picture.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda picture: np.rot90(picture),
}


@pytest.mark.parametrize("orientation", SHOWN)
def test_the_orientation_in_the_file_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = noise(8, 12, 9)
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), SHOWN[orientation](picture))
    deep = picture[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "deep.png"), SHOWN[orientation](np.stack([picture[..., 0]] * 3, -1)))
    assert examine(tmp_path / "a.png").size == (read_image(tmp_path / "a.png").shape[1::-1])


@pytest.mark.parametrize("mode", ["I;16", "I", "F", "RGB"])
def test_a_tiff_under_another_name_is_refused_by_all_readers(tmp_path, mode):
    half_and_half(mode if mode != "I;16" else "I", 0, (9, 9, 9) if mode == "RGB" else 9).save(
        tmp_path / "000001.png", "TIFF"
    )
    with pytest.raises(DataError, match=r"000001\.png: TIFF, which is neither PNG nor JPEG"):
        read_image(tmp_path / "000001.png")
    assert "TIFF" in examine(tmp_path / "000001.png").error


def test_an_animated_png_is_refused_and_the_first_picture_of_a_stereo_jpeg_is_read(tmp_path):
    pictures = [Image.fromarray(noise(8, 8, seed)) for seed in (1, 2)]
    pictures[0].save(tmp_path / "a.png", save_all=True, append_images=pictures[1:])
    with pytest.raises(DataError, match="is animated"):
        read_image(tmp_path / "a.png")
    assert "is animated" in examine(tmp_path / "a.png").error
    pictures[0].save(tmp_path / "stereo.jpg", "MPO", save_all=True, append_images=pictures[1:], quality=100)
    pictures[0].save(tmp_path / "one.jpg", quality=100)
    assert np.array_equal(read_image(tmp_path / "stereo.jpg"), read_image(tmp_path / "one.jpg"))
