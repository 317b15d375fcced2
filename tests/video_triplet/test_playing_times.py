"""A video lasts as long as in a player, whatever its clock does, or it is refused."""

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition
from made_up_videos import encode, joined, seconds, shifted

from nnunet_dsd.common.errors import DataError
from video_triplet.clips.decoding import read_video
from video_triplet.data import joined_files
from video_triplet.data.playing_times import PlayingTimes
from video_triplet.data.video_files import decoded_frames, frames_of_video

LIVE = {"live": "1"}  # Matroska of unknown length
NOISE = np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)


def numbers(path, rate=1.0):
    return [number for number, _ in frames_of_video(path, rate=rate)]


def played(stamps, *, decoding=None, may_jump=True, rate=25):
    """Times in frames of frames with these timestamps in frames."""
    container = SimpleNamespace(format=SimpleNamespace(flags=0x0200 if may_jump else 0))
    times = PlayingTimes(container, SimpleNamespace(guessed_rate=Fraction(rate), average_rate=None))
    other = [None] * len(stamps) if decoding is None else decoding
    base = Fraction(1, rate)
    frames = [SimpleNamespace(pts=p, dts=d, time_base=base, duration=1) for p, d in zip(stamps, other, strict=True)]
    return [float(times.show(frame) * rate) for frame in frames]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([7, 8, 9], [0, 1, 2]),
        ([-3, -2, -1], [0, 1, 2]),
        ([0, 1, 5, 6], [0, 1, 5, 6]),  # a variable rate
        ([10, 11, 12, 0, 1], [0, 1, 2, 3, 4]),  # joined, or set back
        ([0, 1, 250, 251], [0, 1, 250, 251]),  # ten seconds are waited for
        ([0, 1, 252, 253], [0, 1, 2, 3]),
        ([None, None, None], [0, 1, 2]),
        ([0, 1, None, 3, 4], [0, 1, 2, 3, 4]),
        ([None, 5, 6], [0, 1, 2]),
        ([0, 1, 1, 2, 4], [0, 1, 1, 2, 4]),
        ([0, 1, 2, 1, 2, 5, 6], [0, 1, 2, 3, 4, 5, 6]),  # frames that are out of order
        ([0, 1, 2, 1, 2, 5, 6, 5, 6, 9, 12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12]),
        ([0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 4, 5]),
        ([0, 1, 1, 2, 100_000, 100_001, 3, 4], [0, 1, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_each_frame_is_shown_when_a_player_shows_it(stamps, expected):
    assert played(stamps) == pytest.approx(expected)


def test_kinds_of_files_whose_clock_does_not_jump_may_pause_for_an_hour():
    assert played([0, 25 * 3600], may_jump=False) == [0, 25 * 3600]
    assert played([0, 25 * 3600 + 1], may_jump=False) == [0, 1]


def test_a_clock_that_stands_still_lets_the_frames_go_on_at_their_rate():
    assert played([0, 1] + [1] * 40)[-1] == pytest.approx(41)
    assert played([0, 1] + [1] * 40 + [42, 43])[-2:] == pytest.approx([42, 43])


def test_presentation_times_that_are_out_of_order_give_way_to_decoding_times():
    decoding = [2, 3, 4, 5, 6, 7, 8, 9]
    assert played([1, 4, 3, 5, 2, 8, 7, 9], decoding=decoding)[3:] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("mpegts", "libx264"), ("mpeg", "mpeg1video"), ("vob", "mpeg2video"), ("avi", "mpeg4"), ("avi", "libx264"),
     ("mpegts", "mpeg2video"), ("mxf", "mpeg2video"), ("h264", "libx264"), ("matroska", "libx264"), ("webm", "libvpx")],
)  # fmt: skip
def test_recordings_joined_byte_by_byte_are_as_long_as_all_of_them(tmp_path, kind, codec):
    one = encode(tmp_path / "one", seconds(4), codec=codec, kind=kind)
    assert numbers(one) == list(range(4))
    assert numbers(joined(tmp_path / "joined", one, one, one)) == list(range(12))


@pytest.mark.parametrize(("kind", "codec"), [("mp4", "mpeg4"),
                                             ("mov", "mpeg4"), ("flv", "flv1"), ("asf", "wmv2"), ("nut", "mpeg4"),
                                             ("ivf", "libvpx")])  # fmt: skip
def test_joined_files_of_which_a_part_would_be_left_out_are_refused(tmp_path, kind, codec):
    one = encode(tmp_path / "one", seconds(2), codec=codec, kind=kind)
    assert numbers(one) == [0, 1]
    with pytest.raises(DataError, match="several recordings one behind the other"):
        numbers(joined(tmp_path / "joined", one, one))


def test_joined_matroska_files_of_unknown_length_are_read_to_the_end(tmp_path):
    one = encode(tmp_path / "one", seconds(4), kind="matroska", options=LIVE)
    two = encode(tmp_path / "two", seconds(2), kind="matroska")
    for parts, length in (((one, one), 8), ((two, one), 6), ((one, two), 6)):
        assert numbers(joined(tmp_path / "joined", *parts)) == list(range(length))


def test_frames_of_the_second_recording_follow_those_of_the_first(tmp_path):
    one, two = (encode(tmp_path / str(n), seconds(2), kind="matroska", picture=grey(n)) for n in (40, 200))
    shown = [round(float(pixels.mean()), -1) for _, pixels in frames_of_video(joined(tmp_path / "joined", one, two))]
    assert shown == [40, 40, 200, 200]


def grey(level):
    return np.full((32, 48, 3), level, dtype=np.uint8)


def test_a_clock_that_is_set_back_or_forward_by_an_hour_adds_nothing(tmp_path):
    early = encode(tmp_path / "early", seconds(4), kind="mpegts", codec="libx264")
    late = shifted(early, tmp_path / "late", 3600, kind="mpegts")
    assert numbers(joined(tmp_path / "back", late, early)) == list(range(8))
    assert numbers(joined(tmp_path / "forward", early, late)) == list(range(8))
    assert numbers(joined(tmp_path / "both", early, late, early)) == list(range(12))


def test_a_pause_that_a_player_waits_for_is_kept(tmp_path):
    early = encode(tmp_path / "early", seconds(2), kind="mpegts", codec="libx264")
    late = shifted(early, tmp_path / "late", 6, kind="mpegts")
    assert numbers(joined(tmp_path / "joined", early, late)) == list(range(8))


def test_the_clock_of_a_transport_stream_may_run_over(tmp_path):
    early = encode(tmp_path / "early", seconds(4), kind="mpegts", codec="libx264")
    late = shifted(early, tmp_path / "late.ts", 2**33 / 90_000 - 3, kind="mpegts")
    assert numbers(late) == list(range(4))
    assert numbers(joined(tmp_path / "joined", late, late)) == list(range(8))


def test_times_of_variable_rates_and_of_frames_decoded_in_another_order_are_true(tmp_path):
    times = [0, 0.04, 0.08, 1, 1.04, 3, 3.2, 3.24, 7]
    for kind, codec in (("matroska", "libx264"), ("mp4", "libx264"), ("mpegts", "libx264"), ("avi", "mpeg4")):
        path = encode(tmp_path / kind, times, kind=kind, codec=codec)
        assert [float(second) for second, _ in decoded_frames(path)] == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize("picture", [None, NOISE], ids=["frames of few bytes", "frames of many bytes"])
@pytest.mark.parametrize(
    ("kind", "codec"),
    [("mpeg", "mpeg1video"), ("mpeg", "mpeg2video"), ("vob", "mpeg2video"), ("avi", "libx264"), ("mp4", "libx264"),
     ("mpegts", "mpeg2video"), ("matroska", "libx264")],
)  # fmt: skip
def test_the_clock_of_frames_out_of_order_does_not_drift(tmp_path, kind, codec, picture):
    times = [index * 1001 / 30_000 for index in range(400)]
    rate = Fraction(30_000, 1001)
    path = encode(tmp_path / kind, times, kind=kind, codec=codec, picture=picture, rate=rate, between=2)
    shown = [float(second) for second, _ in decoded_frames(path)]
    assert shown == pytest.approx(times, abs=0.034)  # AVI has decoding times alone: a few frames are one frame late
    assert shown[-1] == pytest.approx(times[-1], abs=1e-3)


def test_frames_out_of_order_whose_rate_varies_end_where_their_timestamps_do(tmp_path):
    times = [index * 1001 / 30_000 for index in range(200) if index % 7 not in (2, 3)]
    path = encode(tmp_path / "a.mkv", times, codec="libx264", rate=Fraction(30_000, 1001), between=2)
    assert [float(second) for second, _ in decoded_frames(path)] == pytest.approx(times, abs=2e-3)


@pytest.mark.parametrize(("kind", "codec"), [("flv", "flv1"), ("asf", "wmv2"), ("nut", "mpeg4"), ("ivf", "libvpx"),
                                             ("mov", "mpeg4"), ("matroska", "mpeg4")])  # fmt: skip
def test_a_file_is_searched_for_a_second_recording_once(tmp_path, monkeypatch, kind, codec):
    path = encode(tmp_path / "one", seconds(2), codec=codec, kind=kind, options=LIVE if kind == "matroska" else None)
    assert numbers(path) == [0, 1]
    with monkeypatch.context() as patch:
        patch.setattr(joined_files, "_find", None)
        patch.setattr(joined_files, "TESTS", None)
        assert numbers(path) == [0, 1]
    joined(path, path, path)  # a file that has changed is searched again
    if kind == "matroska":
        assert numbers(path) == [0, 1, 2, 3]
    else:
        with pytest.raises(DataError, match="several recordings"):
            numbers(path)


def test_clips_have_every_frame_of_a_joined_video(tmp_path):
    one = encode(tmp_path / "one.avi", seconds(1))
    assert len(list(read_video(joined(tmp_path / "joined.avi", one, one)))) == 50
    film = encode(tmp_path / "film.mp4", seconds(1))
    with pytest.raises(DataError, match="several recordings"):
        list(read_video(joined(tmp_path / "joined.mp4", film, film)))


def test_a_cover_is_no_video_to_read(tmp_path):
    path = tmp_path / "covered.mkv"
    film = encode(tmp_path / "film.mp4", seconds(2))
    with av.open(str(film)) as old, av.open(str(path), "w") as new:
        cover = new.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        stream = new.add_stream_from_template(old.streams.video[0])
        new.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        new.mux(cover.encode(None))
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"
    assert numbers(path) == [0, 1]
