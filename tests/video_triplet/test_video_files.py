"""Frames of videos are taken by their timestamps, those of folders by their numbers, and broken files are refused."""

from fractions import Fraction

import av
import numpy as np
import pytest
from frame_examples import noise
from PIL import Image

from nnunet_dsd.common.errors import DataError, SettingsError
from video_triplet.data.video_files import read_frames


def write_video(path, times, *, grey=None, size=(32, 48), audio_only=False):
    """Write one frame of constant grey per time in seconds: 5 times its index, or the given levels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, time in enumerate(times):
            level = 5 * index + 20 if grey is None else grey[index]
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), level, dtype=np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def levels(path, **options):
    return {number: round(float(image.mean())) for number, image in read_frames(path, **options)}


def near(found, expected):
    return found.keys() == expected.keys() and all(abs(found[key] - expected[key]) <= 2 for key in expected)


def test_one_frame_per_second_from_second_0_on(tmp_path):
    path = write_video(tmp_path / "a.mp4", [index / 10 for index in range(35)])
    assert near(levels(path), {0: 20, 1: 70, 2: 120, 3: 170})


def test_another_rate_numbers_the_frames_taken(tmp_path):
    path = write_video(tmp_path / "a.mp4", [index / 10 for index in range(21)])
    assert near(levels(path, rate=2), {0: 20, 1: 45, 2: 70, 3: 95, 4: 120})
    assert near(levels(path, rate=0.5), {0: 20, 1: 120})


def test_pixels_are_rgb_of_the_videos_size(tmp_path):
    path = write_video(tmp_path / "a.mp4", [0, 1], size=(32, 48))
    with av.open(str(tmp_path / "red.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        red = np.zeros((32, 48, 3), dtype=np.uint8)
        red[..., 0] = 200
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        container.mux(stream.encode(None))
    assert [image.shape for _, image in read_frames(path)] == [(32, 48, 3)] * 2
    [(number, image)] = read_frames(tmp_path / "red.mp4")
    assert number == 0
    assert image.dtype == np.uint8
    assert np.abs(image.mean(axis=(0, 1)) - [200, 0, 0]).max() < 8


def test_a_variable_frame_rate_gives_what_is_on_screen(tmp_path):
    path = write_video(tmp_path / "a.mp4", [0, 0.4, 0.9, 3.2, 3.3, 4.0], grey=[20, 50, 80, 110, 140, 170])
    assert near(levels(path), {0: 20, 1: 80, 2: 80, 3: 80, 4: 170})


def test_a_slow_video_is_not_taken_for_a_cut_off_one(tmp_path):
    slow = write_video(tmp_path / "slow.mp4", [0, 8, 16], grey=[20, 50, 80])
    with av.open(str(slow)) as source, av.open(str(tmp_path / "a.mp4"), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream, packet.duration = stream, round(8 / packet.time_base)
                copy.mux(packet)
    with av.open(str(tmp_path / "a.mp4")) as container:
        video = container.streams.video[0]
        assert video.duration * video.time_base >= 20  # the last frame counts too
    expected = {second: 20 if second < 8 else 50 for second in range(16)} | {16: 80}
    assert near(levels(tmp_path / "a.mp4"), expected)


def test_seconds_count_from_the_first_frame(tmp_path):
    path = write_video(tmp_path / "a.mkv", [7, 7.5, 8, 8.5, 9], grey=[20, 50, 80, 110, 140])
    assert near(levels(path), {0: 20, 1: 80, 2: 140})


def test_the_rotation_in_the_file_is_applied(tmp_path):
    picture = np.zeros((32, 48, 3), dtype=np.uint8)
    picture[:, :24] = 200  # bright on the left
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=1)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    clockwise = [0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30]  # of the MP4 header: turn by 90 degrees for display
    content[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in clockwise)
    (tmp_path / "a.mp4").write_bytes(bytes(content))
    [(_, image)] = read_frames(tmp_path / "a.mp4")
    assert image.shape == (48, 32, 3)
    assert image[:20].mean() > 150  # bright at the top
    assert image[-20:].mean() < 50


@pytest.mark.parametrize("deep", ["gray16le", "gray10le", "yuv420p10le"])
def test_videos_of_more_than_8_bits_keep_their_brightness(tmp_path, deep):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=1)
        stream.height, stream.width, stream.pix_fmt = 32, 48, deep
        for level in (0, 128, 255):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), level, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=deep)))
        container.mux(stream.encode(None))
    assert near(levels(tmp_path / "a.mkv"), {0: 0, 1: 128, 2: 255})


def test_a_file_without_video_and_one_that_is_no_video_are_refused(tmp_path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(DataError, match=r"sound\.wav holds no video that can be read"):
        list(read_frames(tmp_path / "sound.wav"))
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(DataError, match=r"text\.mp4 cannot be read"):
        list(read_frames(tmp_path / "text.mp4"))
    with pytest.raises(DataError, match="no file or folder"):
        list(read_frames(tmp_path / "missing.mp4"))


def test_a_cut_off_mp4_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", range(20))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])  # without the index at its end
    with pytest.raises(DataError, match=r"a\.mp4 holds no video that can be read"):
        list(read_frames(path))


def test_a_cut_off_mp4_whose_index_comes_first_is_refused_with_the_second(tmp_path):
    whole = write_video(tmp_path / "a.mp4", range(20))
    with (
        av.open(str(whole)) as source,
        av.open(str(tmp_path / "b.mp4"), "w", options={"movflags": "faststart"}) as copy,
    ):
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    content = (tmp_path / "b.mp4").read_bytes()
    assert len(list(read_frames(tmp_path / "b.mp4"))) == 20
    start = content.index(b"mdat")
    (tmp_path / "b.mp4").write_bytes(content[: start + (len(content) - start) // 2])
    with pytest.raises(DataError, match=r"b\.mp4 (ends at|cannot be read beyond) second (9|1\d)\.0"):
        list(read_frames(tmp_path / "b.mp4"))


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_is_not_positive_is_refused(tmp_path, rate):
    with pytest.raises(SettingsError, match="rate is"):
        list(read_frames(write_video(tmp_path / "a.mp4", [0]), rate=rate))


def test_a_folder_is_sorted_by_number_and_other_files_are_left_out(tmp_path):
    for number, name in [(10, "frame_10.png"), (9, "frame_9.png"), (100, "000100.jpg")]:
        Image.fromarray(noise(8, 9, number)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    frames = list(read_frames(tmp_path))
    assert [number for number, _ in frames] == [9, 10, 100]
    assert np.array_equal(frames[0][1], noise(8, 9, 9))


def test_an_empty_folder_a_repeated_number_and_a_broken_image_are_refused(tmp_path):
    with pytest.raises(DataError, match="there is no image in"):
        list(read_frames(tmp_path))
    (tmp_path / "000001.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"000001\.png"):
        list(read_frames(tmp_path))
    (tmp_path / "1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"000001\.png and 1\.jpg have the same number"):
        list(read_frames(tmp_path))
