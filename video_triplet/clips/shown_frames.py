"""How many frames of a video file a player shows, by the file's own tables; nothing is decoded."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from video_triplet.data.video_files import video_stream

AVI_ENTRY = np.dtype([("stream", "S2"), ("kind", "S2"), ("flags", "<u4"), ("offset", "<u4"), ("size", "<u4")])


def header_frames(path: Path) -> int:
    """Return how many frames a video's header states, 0 where it does not.

    Raises:
        DataError: if there is no video.
        av.error.FFmpegError: if the file cannot be opened.
    """
    with av.open(str(path)) as container:
        return int(video_stream(container, path).frames)


def shown_frames(path: Path) -> int:
    """Return how many frames a player shows: those of the header, or the packets, without what the file itself hides.

    Hidden are the frames before and after the part that an edit list keeps, as in an MP4 file that was trimmed without
    encoding it again, and the empty chunks by which an AVI file lets a frame stay longer. What is missing because the
    file was cut off is counted, where the header states it.

    Raises:
        DataError: if there is no video.
        av.error.FFmpegError: if the file cannot be read.
    """
    with av.open(str(path)) as container:
        stream = video_stream(container, path)
        shown = hidden = 0
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                shown += 1
            elif packet.dts is not None:  # the packet at the very end, which has no data, has no time either
                hidden += 1
        empty = _empty_chunks(path, stream.index) if container.format.name == "avi" else 0
        return max(shown, int(stream.frames) - hidden - empty)


def _empty_chunks(path: Path, stream: int) -> int:
    """Return how many video chunks of a stream are empty by the index at the end of an AVI file; 0 without one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place = 12
        while place + 8 <= size:
            file.seek(place)
            header = file.read(8)
            length = int.from_bytes(header[4:], "little")
            if header[:4] == b"idx1":
                entries = np.frombuffer(file.read(length // 16 * 16), dtype=AVI_ENTRY)
                own = (entries["stream"] == b"%02d" % stream) & np.isin(entries["kind"], [b"dc", b"db"])
                return int((own & (entries["size"] == 0)).sum())
            place += 8 + length + length % 2
    return 0
