"""Splits: the official ones agree with the published tables, ours do not leak, and those that do are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_datasets import make_video, make_vocabulary, write_text_layout

from nnunet_dsd.common.errors import DataError
from video_triplet.cli.main import main
from video_triplet.data.inner_validation import inner_validation, usual_count
from video_triplet.data.provenance import LeakError
from video_triplet.data.reading import open_dataset
from video_triplet.data.split import Split, check_split
from video_triplet.data.split_files import read_split_file, split_file_content
from video_triplet.data.split_tables import OFFICIAL_NAMES, official_videos
from video_triplet.data.splits import available_splits, make_splits
from video_triplet.data.videos import TripletDataset, Video, video_name

VOCABULARY = make_vocabulary(6)
SOUND = Split("mine", 1, ("VID01", "VID02"), ("VID03",), ("VID04",), "own")


def video_with(name: str, counts: Sequence[int]) -> Video:
    """A video whose frames have one triplet each, as often as the counts say."""
    ids = np.repeat(np.arange(len(counts)), counts)
    labels = np.eye(len(counts), dtype=np.uint8)[ids]
    return Video(name, Path(name), np.arange(len(ids), dtype=np.int64), {"triplet": labels})


def dataset_of(names: Sequence[str]) -> TripletDataset:
    rng = np.random.default_rng(0)
    videos = {name: video_with(name, rng.integers(0, 9, size=6).tolist()) for name in names}
    return TripletDataset(Path("made-up"), "cholect45", VOCABULARY, videos)


def official_dataset(name: str) -> TripletDataset:
    return dataset_of([video_name(number) for number in official_videos(name)])


def numbers(videos: Sequence[str]) -> list[int]:
    return [int(video.removeprefix("VID")) for video in videos]


CROSSVAL = pytest.mark.parametrize(
    ("name", "videos", "fold"), [("cholect45-crossval", 45, 9), ("cholect50-crossval", 50, 10)]
)


@CROSSVAL
@pytest.mark.parametrize("protocol", ["inner", "official-loader", "official-figure", "test-fold"])
def test_every_fold_of_a_cross_validation_uses_every_video_and_tests_it_once(
    name: str, videos: int, fold: int, protocol: Any
) -> None:
    splits = make_splits(official_dataset(name), name, protocol=protocol)
    assert [split.fold for split in splits] == [1, 2, 3, 4, 5]
    assert [len(split.test) for split in splits] == [fold] * 5
    assert len({video for split in splits for video in split.test}) == videos
    for split in splits:
        assert {*split.training, *split.validation, *split.test} == set(dataset_names(name))
        disjoint = len(split.training) + len(split.validation) + len(split.test)
        assert disjoint == videos + (fold if protocol == "test-fold" else 0)


def dataset_names(name: str) -> list[str]:
    return [video_name(number) for number in official_videos(name)]


def test_the_data_sets_have_their_published_videos() -> None:
    cholect45, cholect50 = official_videos("cholect45-crossval"), official_videos("cholect50-crossval")
    assert cholect45 == [
        *(1, 2, 4, 5, 6, 8, 10, 12, 13, 14, 15, 18, 22, 23, 25, 26, 27, 29, 31, 32, 35, 36, 40, 42, 43, 47, 48, 49, 50),
        *(51, 52, 56, 57, 60, 62, 65, 66, 68, 70, 73, 74, 75, 78, 79, 80),
    ]
    assert cholect50 == [*cholect45, 92, 96, 103, 110, 111]
    assert official_videos("cholect50") == official_videos("cholect50-challenge") == cholect50


@pytest.mark.parametrize(
    ("name", "sizes", "test"),
    [
        ("cholect50", (35, 5, 10), [6, 51, 10, 73, 14, 74, 32, 80, 42, 111]),
        ("cholect50-challenge", (40, 5, 5), [92, 96, 103, 110, 111]),
    ],
)
def test_fixed_splits_have_their_published_parts(name: str, sizes: tuple[int, ...], test: list[int]) -> None:
    (split,) = make_splits(official_dataset(name), name)
    assert (len(split.training), len(split.validation), len(split.test)) == sizes
    assert numbers(split.test) == test
    assert split.protocol == "official"


@pytest.mark.parametrize(
    ("name", "protocol", "expected"),
    [
        ("cholect45-crossval", "official-loader", {1: [74, 1, 56, 4, 13], 5: [65, 75, 22, 49, 12]}),
        ("cholect50-crossval", "official-loader", {4: [1, 56, 4, 13, 92], 5: [75, 22, 49, 12, 110]}),
        ("cholect50-crossval", "official-figure", {1: [80, 32, 5, 15, 40], 5: [79, 2, 51, 6, 25]}),
    ],
)
def test_official_validation_videos_are_those_of_their_source(
    name: str, protocol: Any, expected: dict[int, list[int]]
) -> None:
    splits = {split.fold: split for split in make_splits(official_dataset(name), name, protocol=protocol)}
    assert {fold: numbers(splits[fold].validation) for fold in expected} == expected


def test_the_test_fold_protocol_validates_on_the_test_videos() -> None:
    for split in make_splits(official_dataset("cholect45-crossval"), "cholect45-crossval", protocol="test-fold"):
        assert split.validation == split.test
        assert not set(split.training) & set(split.test)


def test_the_default_protocol_is_the_inner_one() -> None:
    dataset = official_dataset("cholect45-crossval")
    assert {split.protocol for split in make_splits(dataset, "cholect45-crossval")} == {"inner"}
    assert {len(split.validation) for split in make_splits(dataset, "cholect45-crossval")} == {5}
    chosen = make_splits(dataset, "cholect45-crossval", validation_videos=3)
    assert {len(split.validation) for split in chosen} == {3}


def test_inner_validation_is_the_same_for_the_same_seed_and_differs_between_seeds() -> None:
    videos = list(dataset_of([f"VID{number:02d}" for number in range(20)]).videos.values())
    assert inner_validation(videos, count=4, seed=1) == inner_validation(videos[::-1], count=4, seed=1)
    assert len({inner_validation(videos, count=4, seed=seed)[0] for seed in range(20)}) > 5


def test_inner_validation_completes_the_classes() -> None:
    halves = [video_with(name, [3, 3, 0, 0]) for name in "ABC"] + [video_with(name, [0, 0, 3, 3]) for name in "DEF"]
    for seed in range(10):
        chosen = inner_validation(halves, count=2, seed=seed)
        assert len(set(chosen) & set("ABC")) == 1


def test_inner_validation_does_not_take_a_class_away_from_training() -> None:
    videos = [video_with("only", [1, 1, 5, 9]), *(video_with(name, [5, 5, 5, 0]) for name in "ABCD")]
    for seed in range(20):
        first, second = inner_validation(videos, count=2, seed=seed)
        assert first == "only" or second != "only"


def test_inner_validation_prefers_shares_like_the_whole() -> None:
    videos = [video_with(name, [10, 10]) for name in "ABCD"] + [video_with("odd", [19, 1])]
    for seed in range(20):
        first, second = inner_validation(videos, count=2, seed=seed)
        assert first == "odd" or second != "odd"


@pytest.mark.parametrize("count", [0, 3, 4])
def test_inner_validation_leaves_videos_on_both_sides(count: int) -> None:
    with pytest.raises(DataError, match="allowed are 1 to 2"):
        inner_validation([video_with(name, [1, 1]) for name in "ABC"], count=count, seed=0)


@pytest.mark.parametrize(("videos", "count"), [(2, 1), (6, 1), (14, 2), (36, 5), (40, 5)])
def test_one_video_in_seven_is_for_validation(videos: int, count: int) -> None:
    assert usual_count(videos) == count


@pytest.mark.parametrize(("videos", "folds"), [(6, 3), (7, 3), (20, 5)])
def test_k_fold_tests_every_video_once(videos: int, folds: int) -> None:
    dataset = dataset_of([f"VID{number:02d}" for number in range(videos)])
    splits = make_splits(dataset, "k-fold", folds=folds)
    assert sorted(video for split in splits for video in split.test) == sorted(dataset.videos)
    assert max(len(split.test) for split in splits) - min(len(split.test) for split in splits) <= 1
    assert splits == make_splits(dataset, "k-fold", folds=folds)
    assert splits != make_splits(dataset, "k-fold", folds=folds, seed=1)


@pytest.mark.parametrize("folds", [1, 4, 0])
def test_k_fold_with_an_impossible_number_of_folds_is_refused(folds: int) -> None:
    with pytest.raises(DataError, match=rf"{folds} folds? of 3"):
        make_splits(dataset_of(["A", "B", "C"]), "k-fold", folds=folds)


def test_k_fold_of_two_videos_has_no_room_for_inner_validation_but_for_the_test_fold() -> None:
    with pytest.raises(DataError, match="take fewer folds"):
        make_splits(dataset_of(["A", "B"]), "k-fold")
    assert len(make_splits(dataset_of(["A", "B"]), "k-fold", protocol="test-fold")) == 2


@pytest.mark.parametrize("name", OFFICIAL_NAMES)
def test_an_official_split_of_a_part_of_the_videos_suggests_k_fold(name: str) -> None:
    with pytest.raises(DataError, match=r"lacks 4[2-7]: VID01(?s:.*)--split k-fold"):
        make_splits(dataset_of(["VID70", "VID73", "VID75"]), name)
    assert available_splits(dataset_of(["VID70", "VID73", "VID75"])) == ["k-fold"]


def test_the_available_splits_are_those_with_all_videos() -> None:
    assert available_splits(official_dataset("cholect45-crossval")) == ["cholect45-crossval", "k-fold"]
    assert available_splits(official_dataset("cholect50")) == [*OFFICIAL_NAMES, "k-fold"]


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("cholect50", "inner"), ("k-fold", "official-loader"), ("k-fold", "official"), ("cholect45-crossval", "own")],
)
def test_a_protocol_that_a_split_does_not_have_is_refused(name: str, protocol: Any) -> None:
    with pytest.raises(DataError, match="allowed are"):
        make_splits(official_dataset("cholect50"), name, protocol=protocol)


def test_an_unknown_split_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"allowed are cholect45-crossval, .*k-fold, or a file"):
        make_splits(dataset_of(["A", "B"]), "cholect46")


def test_a_sound_split_passes() -> None:
    check_split(SOUND, dataset_of(["VID01", "VID02", "VID03", "VID04"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test": ("VID04", "VID01")}, "VID01 in both training and test"),
        ({"validation": ("VID02",)}, "VID02 in both training and validation"),
        ({"validation": ("VID04",)}, "VID04 in both validation and test"),
        ({"validation": ("VID04",), "protocol": "test-fold"}, "ask for 'test-fold' by name"),
        ({"test": ("VID01",), "protocol": "test-fold"}, "VID01 in both training and test"),
    ],
)
def test_a_leaking_split_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(LeakError, match=message):
        check_split(replace(SOUND, **change))


def test_validation_on_the_test_fold_needs_the_protocol_and_the_permission() -> None:
    leaking = replace(SOUND, validation=("VID04",))
    check_split(replace(leaking, protocol="test-fold"), allow_test_fold=True)
    with pytest.raises(LeakError):
        check_split(leaking, allow_test_fold=True)
    with pytest.raises(LeakError, match="same videos in both"):
        check_split(replace(leaking, validation=("VID04", "VID05"), protocol="test-fold"), allow_test_fold=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": ()}, "validation has no video"),
        ({"training": ("VID01", "VID01")}, "VID01 is twice in training"),
        ({"test": ("VID09",)}, "test has VID09, which the data set lacks"),
    ],
)
def test_a_split_that_the_data_set_cannot_provide_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        check_split(replace(SOUND, **change), dataset_of(["VID01", "VID02", "VID03", "VID04"]))
    assert not isinstance(caught.value, LeakError)


def written(folder: Path, content: object) -> Path:
    path = folder / "split.json"
    path.write_text(json.dumps(content))
    return path


def test_a_split_file_returns_what_was_written(tmp_path: Path) -> None:
    splits = [SOUND, replace(SOUND, fold=7, test=("VID05",), protocol="inner")]
    assert read_split_file(written(tmp_path, split_file_content(splits))) == splits


def test_a_split_file_needs_no_more_than_the_videos(tmp_path: Path) -> None:
    path = written(tmp_path, {"name": "mine", "folds": [{"training": ["A"], "validation": ["B"], "test": ["C"]}]})
    assert make_splits(dataset_of("ABC"), str(path)) == [Split("mine", 1, ("A",), ("B",), ("C",), "own")]


def test_a_split_file_is_told_all_its_problems_at_once(tmp_path: Path) -> None:
    folds = [{"training": "A", "test": ["B"], "fold": 0, "protocol": "mine", "extra": 1}, 3]
    with pytest.raises(DataError) as caught:
        read_split_file(written(tmp_path, {"folds": folds, "more": 1}))
    for text in (
        "unknown entry 'more'",
        "'name' is no text",
        "entry 1 of 'folds': unknown entry 'extra'",
        "entry 1 of 'folds': 'training' is no list of video names",
        "entry 1 of 'folds': 'validation' is no list of video names",
        "entry 1 of 'folds': 'fold' is 0",
        "entry 1 of 'folds': 'protocol' is 'mine'",
        "entry 2 of 'folds': it is no object",
    ):
        assert text in str(caught.value)


def test_a_split_file_is_told_all_its_leaks_at_once(tmp_path: Path) -> None:
    leaking = [replace(SOUND, test=("VID01",)), replace(SOUND, fold=2, validation=("VID02",), test=("VID99",))]
    with pytest.raises(LeakError) as caught:
        make_splits(dataset_of(["VID01", "VID02", "VID03"]), str(written(tmp_path, split_file_content(leaking))))
    for text in ("fold 1: VID01 in both", "fold 2: VID02 in both", "fold 2: test has VID99"):
        assert text in str(caught.value)


def test_a_split_file_with_the_test_fold_protocol_needs_it_asked_for(tmp_path: Path) -> None:
    content = split_file_content([replace(SOUND, validation=SOUND.test, protocol="test-fold")])
    path, dataset = written(tmp_path, content), dataset_of(["VID01", "VID02", "VID04"])
    with pytest.raises(LeakError, match="by name"):
        make_splits(dataset, str(path))
    assert len(make_splits(dataset, str(path), protocol="test-fold")) == 1


@pytest.mark.parametrize("content", [[], {"name": "x", "folds": []}, {"name": "", "folds": [{}]}])
def test_a_file_that_is_no_split_file_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(DataError, match="cannot be used"):
        read_split_file(written(tmp_path, content))


def test_two_folds_of_one_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="same number"):
        read_split_file(written(tmp_path, split_file_content([SOUND, SOUND])))


def test_a_split_file_that_is_missing_or_broken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no split file"):
        read_split_file(tmp_path / "nothing.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_split_file(tmp_path / "broken.json")


def test_the_command_prints_a_split_file_that_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocabulary = make_vocabulary(phases=())
    root = write_text_layout(tmp_path / "data", vocabulary, {name: make_video(vocabulary) for name in ("A", "B", "C")})
    assert main(["splits", str(root), "--json", "--folds", "3", "--split-seed", "5"]) == 0
    path = tmp_path / "printed.json"
    path.write_text(capsys.readouterr().out)
    dataset = open_dataset(root)
    assert make_splits(dataset, str(path)) == make_splits(dataset, "k-fold", folds=3, seed=5)


def test_the_command_shows_every_fold_and_what_is_available(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocabulary = make_vocabulary(phases=())
    root = write_text_layout(tmp_path / "data", vocabulary, {name: make_video(vocabulary) for name in ("A", "B", "C")})
    assert main(["splits", str(root), "--protocol", "test-fold"]) == 0
    shown = capsys.readouterr().out
    assert "k-fold (test-fold)" in shown
    assert "all videos for: k-fold" in shown
    assert shown.count("2: ") == 3


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"name": "k-fold", "protocol": "test-fold", "validation_videos": 3}, "3 validation videos were asked for"),
        ({"name": "cholect45-crossval", "folds": 3}, "3 folds were asked for"),
        ({"name": "cholect50", "validation_videos": 2}, "2 validation videos were asked for"),
        ({"name": "mine.json", "folds": 2}, "2 folds were asked for"),
    ],
)
def test_wishes_that_a_split_does_not_use_are_refused(wishes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        make_splits(dataset_of(["VID01", "VID02", "VID03", "VID04"]), **wishes)
