"""Made-up video files whose clocks, edit lists and display matrices are as recorders and programs leave them."""

import io
import struct
from fractions import Fraction

import av
import numpy as np
from PIL import ExifTags, Image

SIZE = (32, 48)


def encode(
    path, times, *, codec="mpeg4", kind=None, size=SIZE, gop=12, options=None, picture=None, rate=25, between=None
):
    """Write a frame per time in seconds; without `picture` frame k is grey of level 20 + 2 k, up to 250.

    `between` is the most B-frames one behind the other; None leaves it to the codec.
    """
    with av.open(str(path), "w", format=kind, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt, stream.gop_size = "yuv420p", gop
        if between is not None:
            stream.codec_context.max_b_frames = between
        for index, time in enumerate(times):
            pixels = np.full((*size, 3), min(20 + 2 * index, 250), dtype=np.uint8) if picture is None else picture
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time * rate), 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def seconds(length, start=0):
    """Times of frames at 25 per second."""
    return [start + index / 25 for index in range(25 * length)]


def shifted(source, target, by, *, kind=None):
    """Copy a file without encoding it again, its timestamps later by so many seconds; MP4 hides what is before 0."""
    with av.open(str(source)) as old, av.open(str(target), "w", format=kind) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        shift = int(by / old.streams.video[0].time_base)
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                new.mux(packet)
    return target


def with_exif(path, orientation, picture):
    """Write two equal frames as JPEG files with an orientation, as photo cameras do, in MOV."""
    exif, content = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(picture).save(content, "jpeg", exif=exif.tobytes())
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuvj420p"
        for index in range(2):
            packet = av.Packet(content.getvalue())
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
            packet.pts = packet.dts = index
            container.mux(packet)
    return path


def joined(target, *parts):
    """Put files one behind the other, byte by byte."""
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def with_display_matrix(path, a, b, c, d):
    """Change how an MP4 file is to be shown; the numbers are multiples of one."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    one = 1 << 16
    values = [round(a * one), round(b * one), 0, round(c * one), round(d * one), 0, 0, 0, 1 << 30]
    content[place : place + 36] = struct.pack(">9i", *values)
    path.write_bytes(bytes(content))
    return path
