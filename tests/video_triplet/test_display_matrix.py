"""A video is turned and mirrored as its file says, in all eight ways, and other ways are refused."""

import gc
import multiprocessing

import numpy as np
import pytest
from made_up_videos import encode, with_display_matrix, with_exif

from nnunet_dsd.common.errors import DataError
from video_triplet.data.display_matrix import as_shown
from video_triplet.data.video_files import ShownPictures, decoded_frames, frames_of_video

# The corner in which the bright top left one is shown, by FFmpeg's (a, b, c, d).
CORNERS = {
    (1, 0, 0, 1): ("top", "left"),
    (-1, 0, 0, 1): ("top", "right"),  # mirrored
    (1, 0, 0, -1): ("bottom", "left"),
    (-1, 0, 0, -1): ("bottom", "right"),
    (0, 1, 1, 0): ("top", "left"),  # along the diagonal
    (0, 1, -1, 0): ("top", "right"),  # clockwise
    (0, -1, 1, 0): ("bottom", "left"),
    (0, -1, -1, 0): ("bottom", "right"),
}


def corner(pixels):
    means = {
        (y, x): pixels[
            slice(0, 8) if y == "top" else slice(-8, None), slice(0, 8) if x == "left" else slice(-8, None)
        ].mean()
        for y in ("top", "bottom")
        for x in ("left", "right")
    }
    return max(means, key=means.get)


@pytest.mark.parametrize(("matrix", "expected"), CORNERS.items())
def test_a_video_is_shown_as_its_display_matrix_says(tmp_path, matrix, expected):
    picture = np.zeros((32, 48, 3), dtype=np.uint8)
    picture[:12, :12] = 255
    path = with_display_matrix(encode(tmp_path / "a.mp4", [0, 1], picture=picture), *matrix)
    (_, pixels), *_ = frames_of_video(path)
    assert pixels.shape == ((48, 32, 3) if matrix[0] == 0 else (32, 48, 3))
    assert corner(pixels) == expected


@pytest.mark.parametrize(
    ("orientation", "matrix"),
    enumerate(
        [(1, 0, 0, 1), (-1, 0, 0, 1), (-1, 0, 0, -1), (1, 0, 0, -1),
         (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0), (0, -1, 1, 0)], start=1,
    ),
)  # fmt: skip
def test_a_video_of_photos_is_shown_as_their_exif_orientation_says(tmp_path, orientation, matrix):
    picture = np.zeros((32, 48, 3), dtype=np.uint8)
    picture[:12, :12] = 255
    (_, pixels), *_ = frames_of_video(with_exif(tmp_path / "a.mov", orientation, picture))
    assert pixels.shape == ((48, 32, 3) if matrix[0] == 0 else (32, 48, 3))
    assert corner(pixels) == CORNERS[matrix]


def test_every_pixel_goes_where_the_matrix_maps_it():
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    for a, b, c, d in CORNERS:
        shown = as_shown(picture, (a, b, c, d))
        places = {(x, y): (a * x + c * y, b * x + d * y) for x in range(3) for y in range(2)}
        left, top = (min(place[axis] for place in places.values()) for axis in (0, 1))
        for (x, y), (column, row) in places.items():
            assert (shown[row - top, column - left] == picture[y, x]).all()


@pytest.mark.parametrize("matrix", [(0.8, 0.6, -0.6, 0.8), (1, 0.5, 0, 1), (1, 0, 0, 0)])
def test_a_turn_by_another_angle_is_refused(tmp_path, matrix):
    path = with_display_matrix(encode(tmp_path / "a.mp4", [0, 1]), *matrix)
    with pytest.raises(DataError, match="turned by no multiple of 90 degrees"):
        list(frames_of_video(path))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
def test_a_process_forked_while_frames_wait_for_the_collector_frees_them(tmp_path):
    path = encode(tmp_path / "a.mp4", range(8))
    gc.collect()
    gc.disable()
    try:
        pictures = ShownPictures()
        assert [pictures.pixels(frame).ndim for _, frame in decoded_frames(path)] == [3] * 8
        child = multiprocessing.get_context("fork").Process(target=gc.collect)
        child.start()
        child.join(timeout=20)
        stuck = child.exitcode is None
        if stuck:
            child.kill()
    finally:
        gc.enable()
    assert not stuck
