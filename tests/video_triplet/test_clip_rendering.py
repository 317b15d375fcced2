"""Rendered clips: real video files in UCF101's layout, in which the class is what it says and nothing else."""

import numpy as np
import pytest
from made_up_clips import frames_of
from scipy import ndimage

from nnunet_dsd.common.errors import SettingsError
from video_triplet.clips.reading import open_clips
from video_triplet.clips.splits import official_split
from video_triplet.rendered.clip_painting import SHAPES, Look, Pose, paint_frame
from video_triplet.rendered.clips import MOTIONS, ClipSize, clip_name, render_clips

SMALL = ClipSize(groups=4, clips=1, frames=10)


@pytest.fixture(scope="module", params=["motions", "shapes"])
def task(request):
    return request.param


@pytest.fixture(scope="module")
def rendered_clips(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips") / task
    render_clips(folder, task, size=SMALL, seed=1)
    return folder


def test_the_reader_finds_every_class_and_no_problem(rendered_clips, task):
    dataset = open_clips(rendered_clips)
    assert dataset.layout == "ucf101"
    assert set(dataset.classes) == set(MOTIONS if task == "motions" else SHAPES)
    assert dataset.problems == ()
    assert len(dataset.videos) == 4 * len(dataset.classes)
    assert {video.path.suffix for video in dataset.videos.values()} == {".avi", ".mp4"}


def test_each_split_tests_on_other_groups_and_every_class_is_everywhere(rendered_clips):
    dataset, tested = open_clips(rendered_clips), []
    for number in (1, 2, 3):
        split = official_split(dataset, number, validation_fraction=0.3, seed=0)
        assert not {*split.training, *split.validation} & set(split.test)
        for part in (split.training, split.test):
            assert {dataset.videos[name].label for name in part} == set(range(len(dataset.classes)))
        tested.append(frozenset(split.test))
    assert len(set(tested)) == 3


def test_the_same_seed_gives_the_same_pixels_and_another_one_others(rendered_clips, task, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    render_clips(again, task, size=SMALL, seed=1)
    render_clips(other, task, size=SMALL, seed=2)
    path = next((rendered_clips / "UCF-101").rglob("*.avi")).relative_to(rendered_clips)
    np.testing.assert_array_equal(frames_of(rendered_clips / path), frames_of(again / path))
    assert not np.array_equal(frames_of(rendered_clips / path), frames_of(other / path))


def centre_and_area(frames):
    """Centre and size of what differs from the median over time, per frame; for clips in which the shape moves."""
    still = np.median(frames.astype(float), axis=0)
    masks = [np.abs(frame - still).sum(axis=2) > 120 for frame in frames]
    return [ndimage.center_of_mass(mask) if mask.any() else (np.nan, np.nan) for mask in masks]


@pytest.mark.parametrize(("name", "axis", "sign"), [("MoveUp", 0, -1), ("MoveDown", 0, 1)])
def test_a_shape_moves_as_its_class_says(tmp_path, name, axis, sign):
    render_clips(tmp_path / "data", "motions", size=ClipSize(groups=4, clips=1, frames=12), seed=4)
    for group in (1, 3):
        frames = frames_of(tmp_path / "data" / "UCF-101" / clip_name(name, group, 1))
        centres = np.array(centre_and_area(frames))
        assert sign * (centres[-1, axis] - centres[0, axis]) > 8


def bright(shape, radius, turn=0.3):
    look = Look(shape, (255, 255, 255), np.zeros((96, 128, 3), dtype=np.uint8))
    frame = paint_frame(look, Pose(0.5, 0.5, radius, turn), np.random.default_rng(0))
    return float((frame.mean(axis=2) > 127).sum())


@pytest.mark.parametrize(
    ("shape", "area"),
    [("Circle", np.pi), ("Square", 2.0), ("Triangle", 3 * np.sqrt(3) / 4), ("Cross", 20 / 9)],
)
def test_shapes_have_the_area_of_their_geometry(shape, area):
    radius = 0.3
    assert bright(shape, radius) == pytest.approx(area * (radius * 96) ** 2, rel=0.04)


def test_a_shape_that_grows_covers_more():
    poses = [MOTIONS["Grow"](time, Pose(0.5, 0.5, 0.2)) for time in (0.0, 0.5, 1.0)]
    assert [pose.radius for pose in poses] == pytest.approx([0.1, 0.2, 0.3])
    assert bright("Square", poses[2].radius) > 4 * bright("Square", poses[0].radius)


def test_moving_across_goes_both_ways():
    for turn, sign in ((1.0, 1), (5.0, -1)):
        first = Pose(0.5, 0.5, 0.2, turn)
        assert sign * (MOTIONS["MoveAcross"](1.0, first).x - MOTIONS["MoveAcross"](0.0, first).x) == pytest.approx(0.45)


def test_impossible_sizes_and_tasks_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"groups is 1[\s\S]*size is \(47, 64\)"):
        ClipSize(groups=1, size=(47, 64))
    with pytest.raises(SettingsError, match="there is no task 'songs'"):
        render_clips(tmp_path / "x", "songs")
