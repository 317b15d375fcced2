"""Turns and mirrors a decoded picture as the file says it is to be shown."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from av import VideoFrame
from av.filter import Graph
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError

ALIGNED = 0.01  # how far a matrix may be from one that maps rows and columns to rows and columns, relative
KINDS_OF_SIDE_DATA = 64  # more than FFmpeg knows


def display_matrix(frame: VideoFrame) -> tuple[int, int, int, int] | None:
    """Return a frame's (a, b, c, d) of FFmpeg's display matrix, or None if it is to be shown as it is.

    The pixel in column x and row y is shown in column a x + c y and row b x + d y, up to a shift and a scale.
    """
    for data in _with_known_side_data(frame).side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = np.frombuffer(data, dtype=np.int32).tolist()
            return a, b, c, d
    return None


def _with_known_side_data(frame: VideoFrame) -> VideoFrame:
    """Return a frame without side data of kinds unknown to PyAV, such as EXIF; because of one it refuses all."""
    try:
        len(frame.side_data)
    except ValueError:
        return _without_unknown_side_data(frame)
    return frame


def _without_unknown_side_data(frame: VideoFrame) -> VideoFrame:
    known: set[object] = {kind.value for kind in Type}
    unknown = [kind for kind in range(KINDS_OF_SIDE_DATA) if kind not in known]
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
    )
    filters = [graph.add("sidedata", f"mode=delete:type={kind}") for kind in unknown]
    graph.link_nodes(source, *filters, graph.add("buffersink")).configure()
    graph.push(frame)
    return graph.vpull()


def as_shown(pixels: NDArray[np.uint8], matrix: tuple[int, int, int, int] | None) -> NDArray[np.uint8]:
    """Return a picture `(H, W, 3)` in one of the eight ways of turning by quarters and mirroring.

    A matrix that also scales is taken for its turn alone: pictures are brought to the network's size in any case.

    Raises:
        DataError: if the matrix turns by another angle, skews, or is singular.
    """
    if matrix is None:
        return pixels
    a, b, c, d = matrix
    straight, across = min(abs(a), abs(d)), min(abs(b), abs(c))
    if max(abs(b), abs(c)) <= ALIGNED * straight and straight:
        horizontal, vertical = a, d
    elif max(abs(a), abs(d)) <= ALIGNED * across and across:
        pixels, horizontal, vertical = pixels.transpose(1, 0, 2), c, b
    else:
        raise DataError(
            f"the video is to be shown turned by no multiple of 90 degrees (display matrix {list(matrix)} / 65536); "
            "encode it again as it is shown, for example with `ffmpeg -i VIDEO -c:v libx264 TURNED.mp4`"
        )
    pixels = pixels[:, ::-1] if horizontal < 0 else pixels
    return np.ascontiguousarray(pixels[::-1] if vertical < 0 else pixels)
