"""The annotated video shows the likeliest triplets with bars as long as their probabilities, whole or not at all."""

import av
import numpy as np
import pytest
from frame_examples import VOCABULARY, noise

from nnunet_dsd.common.errors import DataError, SettingsError, SetupError
from video_triplet.data.video_files import read_frames
from video_triplet.models import annotated_video
from video_triplet.models.annotated_video import MARGIN, PANEL_WIDTH, annotate, write_annotated_video

FRAME = np.zeros((34, 60, 3), dtype=np.uint8)


def probabilities(rows):
    generator = np.random.default_rng(0)
    return {
        "triplet": generator.random((rows, 3), dtype=np.float32),
        "phase": generator.random((rows, 2), dtype=np.float32),
    }


def bars(picture):
    """The lengths of the coloured bars from the top down, as fractions of the longest possible."""
    panel = picture[:, -PANEL_WIDTH:].astype(int)
    colours = [tuple(bytes.fromhex(name[1:])) for name in (annotated_video.LIKELY, annotated_video.UNLIKELY)]
    lengths = sum((panel == colour).all(axis=-1).sum(axis=1) for colour in colours)
    starts = np.flatnonzero((lengths[1:] > 0) & (lengths[:-1] == 0)) + 1
    return [lengths[start : start + 30].max() / (PANEL_WIDTH - 2 * MARGIN) for start in starts]


def test_bars_are_sorted_and_as_long_as_the_probabilities():
    row = {"triplet": np.array([0.25, 0.9, 0.5], dtype=np.float32)}
    assert bars(annotate(FRAME, row, VOCABULARY)) == pytest.approx([0.9, 0.5, 0.25], abs=0.01)
    assert bars(annotate(FRAME, row, VOCABULARY, top=2)) == pytest.approx([0.9, 0.5], abs=0.01)


def test_the_names_and_the_phase_change_the_picture():
    row = {"triplet": np.array([0.9, 0.1, 0.1], dtype=np.float32), "phase": np.array([0.9, 0.1], dtype=np.float32)}
    shown = annotate(FRAME, row, VOCABULARY)
    other_triplet = annotate(FRAME, {**row, "triplet": row["triplet"][[1, 0, 2]]}, VOCABULARY)
    other_phase = annotate(FRAME, {**row, "phase": row["phase"][::-1]}, VOCABULARY)
    assert not np.array_equal(shown, other_triplet)
    assert not np.array_equal(shown, other_phase)
    assert np.array_equal(shown[:, :-PANEL_WIDTH], other_phase[:, :-PANEL_WIDTH])


def test_the_frame_keeps_its_aspect_ratio_and_its_colours():
    frame = np.full((34, 60, 3), [200, 30, 90], dtype=np.uint8)
    picture = annotate(frame, {"triplet": np.zeros(3, dtype=np.float32)}, VOCABULARY)
    assert picture.shape == (480, round(60 * 480 / 34 / 2) * 2 + PANEL_WIDTH, 3)
    assert (picture[:, :-PANEL_WIDTH] == [200, 30, 90]).all()


@pytest.mark.parametrize("top", [1, 5, 20])
def test_any_number_of_triplets_stays_inside_the_panel(top):
    many = type(VOCABULARY).from_names(
        [f"an_instrument_with_a_long_name_{index}" for index in range(30)],
        ["a_verb_with_a_long_name"],
        ["a_target_with_a_long_name"],
        [],
        [f"an_instrument_with_a_long_name_{i},a_verb_with_a_long_name,a_target_with_a_long_name" for i in range(30)],
    )
    picture = annotate(FRAME, {"triplet": np.linspace(0.1, 1, 30, dtype=np.float32)}, many, top=top)
    assert len(bars(picture)) == top
    background = tuple(bytes.fromhex(annotated_video.BACKGROUND[1:]))
    panel = picture[:, -PANEL_WIDTH:]
    for edge in (panel[:, : MARGIN - 1], panel[:, -MARGIN + 1 :], panel[: MARGIN - 1], panel[-MARGIN // 2 :]):
        assert (edge == background).all()


@pytest.mark.parametrize("encoders", [("libx264", "mpeg4"), ("mpeg4",)])
def test_a_written_video_has_every_frame_at_its_time(tmp_path, monkeypatch, encoders):
    monkeypatch.setattr(annotated_video, "ENCODERS", encoders)
    frames = [np.full((34, 60, 3), level, dtype=np.uint8) for level in (10, 60, 110, 160, 210)]
    write_annotated_video(tmp_path / "a.mp4", frames, probabilities(5), VOCABULARY, frames_per_second=2)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name in ("h264", "mpeg4")
    shown = dict(read_frames(tmp_path / "a.mp4", rate=2))
    assert sorted(shown) == [0, 1, 2, 3, 4]
    means = [shown[number][:, :400].mean() for number in sorted(shown)]
    assert means == pytest.approx([10, 60, 110, 160, 210], abs=4)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4"]


def test_the_pixels_of_the_bars_survive_the_encoding(tmp_path):
    values = probabilities(1)
    write_annotated_video(tmp_path / "a.mp4", [noise(34, 60, 0)], values, VOCABULARY)
    [(_, shown)] = read_frames(tmp_path / "a.mp4")
    row = {head: array[0] for head, array in values.items()}
    drawn = annotate(noise(34, 60, 0), row, VOCABULARY)
    assert np.abs(shown[:, -PANEL_WIDTH:].astype(int) - drawn[:, -PANEL_WIDTH:]).mean() < 6


@pytest.mark.parametrize(("frames", "there"), [(2, "fewer"), (4, "more"), (0, "fewer")])
def test_frames_that_do_not_go_with_the_probabilities_leave_no_file(tmp_path, frames, there):
    with pytest.raises(DataError, match=f"there are {there} frames than the 3 rows"):
        write_annotated_video(tmp_path / "a.mp4", [FRAME] * frames, probabilities(3), VOCABULARY)
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_fitted_into_the_picture_of_the_first(tmp_path):
    bright = np.full((60, 34, 3), 250, dtype=np.uint8)
    write_annotated_video(tmp_path / "a.mp4", [FRAME, bright], probabilities(2), VOCABULARY)
    first, second = (image for _, image in read_frames(tmp_path / "a.mp4"))
    assert first.shape == second.shape
    width = first.shape[1] - PANEL_WIDTH
    assert second[:, width // 2 - 50 : width // 2 + 50].mean() > 230
    assert second[:, :100].mean() < 20  # the sides stay black, since the picture is not stretched


def test_no_frame_at_all_is_refused(tmp_path):
    with pytest.raises(DataError, match="no frame to write"):
        write_annotated_video(tmp_path / "a.mp4", [], probabilities(0), VOCABULARY)
    assert list(tmp_path.iterdir()) == []


def test_probabilities_of_another_vocabulary_are_refused(tmp_path):
    wrong = {"triplet": np.zeros((1, 100), dtype=np.float32)}
    with pytest.raises(DataError, match=r"probabilities of triplet are \(1, 100\), not \(1, 3\)"):
        write_annotated_video(tmp_path / "a.mp4", [FRAME], wrong, VOCABULARY)
    with pytest.raises(DataError, match="no probabilities of triplets"):
        write_annotated_video(tmp_path / "a.mp4", [FRAME], {}, VOCABULARY)


def test_impossible_settings_are_reported_together(tmp_path):
    with pytest.raises(SettingsError, match=r"(?s)top is 0.*frames_per_second is -1"):
        write_annotated_video(tmp_path / "a.mp4", [FRAME], probabilities(1), VOCABULARY, top=0, frames_per_second=-1)


def test_a_build_without_an_encoder_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(annotated_video, "ENCODERS", ("no_such_encoder",))
    with pytest.raises(SetupError, match="none of the encoders no_such_encoder"):
        write_annotated_video(tmp_path / "a.mp4", [FRAME], probabilities(1), VOCABULARY)
