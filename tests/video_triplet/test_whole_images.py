"""Files that were cut off anywhere are seen without decoding, in agreement with Pillow."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from video_triplet.data.whole_images import is_complete

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8))
SAVED = {
    "baseline": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "restart markers": ("JPEG", {"restart_marker_blocks": 2}),
    "comment": ("JPEG", {"comment": b"\xff\xd9 is not the end here"}),
    "png": ("PNG", {}),
}


@pytest.fixture(params=SAVED)
def content(request: pytest.FixtureRequest) -> bytes:
    buffer = io.BytesIO()
    kind, options = SAVED[request.param]
    PICTURE.save(buffer, kind, **options)
    return buffer.getvalue()


def complete(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    return is_complete(path)


def test_a_file_is_complete_only_if_nothing_of_its_end_is_missing(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    assert complete(path, content)
    assert not any(complete(path, content[:length]) for length in range(0, len(content), 7))
    assert not any(complete(path, content[:-missing]) for missing in range(1, 12))


def test_something_after_the_image_does_no_harm_as_pillow_sees_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    assert complete(path, content + b"appended \xff")
    with Image.open(path) as image:
        image.load()
    half = content[: len(content) // 2]
    assert not complete(path, half + bytes(100))
    with Image.open(path) as image, pytest.raises(OSError, match=r"."):
        image.load()


def test_another_format_and_no_file_are_not_complete(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "image.bmp")
    assert not is_complete(tmp_path / "image.bmp")
    assert not is_complete(tmp_path / "none.png")
