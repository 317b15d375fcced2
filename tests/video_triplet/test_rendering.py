"""The made-up videos: readable, repeatable, long-tailed, and as ambiguous as they say."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nnunet_dsd.common.errors import DataError
from video_triplet.data.reading import open_dataset
from video_triplet.predictions.file import load_predictions
from video_triplet.rendered.frame_painting import paint
from video_triplet.rendered.scenes import (
    AMBIGUOUS_PAIRS,
    FIRST_OF_PAIR,
    VOCABULARY,
    Action,
    Scene,
    draw_scenes,
    label_matrix,
    true_probabilities,
)
from video_triplet.rendered.tissue import draw_abdomen
from video_triplet.rendered.triplets import TRUTH_FILE, render_dataset
from video_triplet.vocabulary import HEADS

SIZE = (80, 60)
SMALL = {"videos": 2, "frames": 24, "size": SIZE}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendered") / "made_up"
    render_dataset(folder, videos=3, frames=24, size=SIZE, seed=3)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != TRUTH_FILE
    }


def many_scenes(seed: int = 0, frames: int = 3000, ambiguity: float = 0.3) -> list[Scene]:
    return draw_scenes(np.random.default_rng(seed), frames, ambiguity)


def frame_of(*triplets: tuple[int, ...], hand: int = 0) -> np.ndarray:
    rng = np.random.default_rng(1)
    abdomen = draw_abdomen(np.random.default_rng(5), SIZE)
    actions = tuple(Action(hand, options, (1.0,), options[0], 0.5) for options in triplets)
    return np.asarray(paint(Scene(0, actions, (0.0, 0.0), False), abdomen, SIZE, rng), dtype=float)


def test_the_reader_finds_nothing_wrong_and_every_head(rendered: Path) -> None:
    dataset = open_dataset(rendered)
    assert dataset.problems == ()
    assert dataset.heads == HEADS
    assert dataset.vocabulary == VOCABULARY
    assert {name: len(video) for name, video in dataset.videos.items()} == {"VID01": 24, "VID02": 24, "VID03": 24}
    for video in dataset.videos.values():
        assert (video.missing_images, video.unlabelled_images) == ([], [])
        assert video.labels["phase"].sum(axis=1).tolist() == [1] * 24
        with Image.open(video.image_path(0)) as image:
            assert (image.size, image.mode) == (SIZE, "RGB")


def test_the_truth_covers_the_same_frames_and_contains_the_labels(rendered: Path) -> None:
    dataset, truth = open_dataset(rendered), load_predictions(rendered / TRUTH_FILE)
    assert truth.vocabulary == dataset.vocabulary
    for name, video in dataset.videos.items():
        own = truth.select(truth.video_ids == truth.videos.index(name))
        np.testing.assert_array_equal(own.frames, video.frames)
        for head in HEADS:
            possible = own.probabilities[head]
            assert np.all(possible[video.labels[head] == 1] > 0)
            assert np.all(possible[video.labels[head] == 0] < 1)


def test_the_same_seed_gives_the_same_files_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("one", 4), ("two", 4), ("other", 5)):
        render_dataset(tmp_path / name, seed=seed, **SMALL)  # type: ignore[arg-type]
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    truth = [load_predictions(tmp_path / name / TRUTH_FILE).content_hash for name in ("one", "two", "other")]
    assert truth[0] == truth[1] != truth[2]
    assert hashes(tmp_path / "one")["data/VID01/000000.png"] != hashes(tmp_path / "other")["data/VID01/000000.png"]


def test_a_video_does_not_depend_on_how_many_there_are(rendered: Path, tmp_path: Path) -> None:
    render_dataset(tmp_path / "one", videos=1, frames=24, size=SIZE, seed=3)
    alone, among = hashes(tmp_path / "one"), hashes(rendered)
    assert {name: among[name] for name in alone} == alone


@pytest.mark.parametrize("ambiguity", [0.0, 0.3, 1.0])
def test_the_stated_fraction_of_frames_is_ambiguous(ambiguity: float) -> None:
    scenes = [scene for scene in many_scenes(ambiguity=ambiguity) if not scene.black]
    ambiguous = [any(len(action.triplets) == 2 for action in scene.actions) for scene in scenes]
    assert sum(ambiguous) == round(ambiguity * len(scenes))


def test_ambiguous_labels_come_as_often_as_their_true_probability() -> None:
    actions = [action for scene in many_scenes(ambiguity=1.0) for action in scene.actions if len(action.triplets) == 2]
    for pair in AMBIGUOUS_PAIRS:
        labels = [action.label for action in actions if action.triplets == pair]
        assert len(labels) > 1000
        assert np.mean(np.array(labels) == pair[0]) == pytest.approx(FIRST_OF_PAIR, abs=0.05)


def test_labels_agree_on_average_with_the_true_probabilities_of_every_head() -> None:
    scenes = many_scenes(frames=6000, ambiguity=0.8)
    for head in HEADS:
        difference = label_matrix(scenes, head).mean(axis=0) - true_probabilities(scenes, head).mean(axis=0)
        np.testing.assert_allclose(difference, 0, atol=0.02)


def test_the_truth_of_two_hands_is_that_at_least_one_does_it() -> None:
    left = Action(0, (0, 2), (0.65, 0.35), 0, 0.0)
    right = Action(1, (3, 4), (0.65, 0.35), 3, 0.0)
    truth = {head: true_probabilities([Scene(1, (left, right), (0.0, 0.0), False)], head)[0] for head in HEADS}
    assert truth["triplet"][[0, 2, 3, 4]] == pytest.approx([0.65, 0.35, 0.65, 0.35])
    assert truth["triplet"].sum() == pytest.approx(2)
    assert truth["instrument"] == pytest.approx([1, 1, 0, 0])
    assert truth["verb"] == pytest.approx([0.65, 1, 0, 0, 0])
    assert truth["target"] == pytest.approx([1, 0, 0.35, 0, 0])
    assert truth["phase"] == pytest.approx([0, 1, 0, 0])


def test_the_picture_of_an_ambiguous_action_does_not_give_its_label_away() -> None:
    abdomen = draw_abdomen(np.random.default_rng(0), SIZE)
    for hand, pair in enumerate(AMBIGUOUS_PAIRS):
        action = Action(hand, pair, (0.65, 0.35), pair[0], 0.5)
        pictures = [
            paint(Scene(0, (replace(action, label=label),), (0.0, 0.0), False), abdomen, SIZE, np.random.default_rng(1))
            for label in pair
        ]
        assert pictures[0].tobytes() == pictures[1].tobytes()


def test_every_two_triplets_look_different_and_more_so_than_noise() -> None:
    right = [frame_of((triplet,), hand=1) for triplet in range(len(VOCABULARY.triplets))]
    for one in range(len(right)):
        for other in range(one):
            assert (np.abs(right[one] - right[other]).max(axis=-1) > 40).sum() > 15, (one, other)


def test_black_frames_are_black_and_have_no_action_and_no_others_are(rendered: Path) -> None:
    black = 0
    for video in open_dataset(rendered).videos.values():
        for row, frame in enumerate(video.frames.tolist()):
            with Image.open(video.image_path(frame)) as image:
                if not np.asarray(image).any():
                    black += 1
                    assert not video.labels["triplet"][row].any()
    assert black == 3


def test_the_classes_have_a_long_tail() -> None:
    counts = np.sort(label_matrix(many_scenes(frames=6000, ambiguity=0.0), "triplet").sum(axis=0))
    assert counts[0] > 0
    assert counts[-1] > 20 * counts[0]


def test_phases_follow_one_another_and_change_what_is_likely() -> None:
    scenes = many_scenes()
    phases = np.array([scene.phase for scene in scenes])
    assert np.all(np.diff(phases) >= 0)
    clips = label_matrix(scenes, "triplet")[:, 6] == 1
    assert clips.any()
    assert set(phases[clips]) == {2}


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_very_short_videos_can_be_rendered(tmp_path: Path, frames: int) -> None:
    render_dataset(tmp_path / "short", videos=1, frames=frames, size=(32, 32))
    assert len(open_dataset(tmp_path / "short").videos["VID01"]) == frames


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"videos": 0}, "at least one of each"),
        ({"frames": 0}, "at least one of each"),
        ({"size": (160, 20)}, "at least 32 x 32"),
        ({"seed": -1}, "seed -1"),
        ({"ambiguity": 1.5}, "fractions from 0 to 1"),
    ],
)
def test_impossible_arguments_are_refused_and_nothing_is_written(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        render_dataset(tmp_path / "new", **{**SMALL, **change})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(DataError, match="there already"):
        render_dataset(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_interrupted_rendering_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("video_triplet.rendered.triplets._truth", interrupt)
    with pytest.raises(KeyboardInterrupt):
        render_dataset(tmp_path / "new", videos=1, frames=2, size=SIZE)
    assert list(tmp_path.iterdir()) == []
