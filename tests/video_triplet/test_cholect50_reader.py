"""The JSON layout: every label arrives, and every damage is seen as what it is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_datasets import (
    SAMPLE,
    change_annotations,
    change_json,
    expected_labels,
    json_row,
    make_video,
    make_vocabulary,
    write_json_layout,
)

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds
from video_triplet.data.reading import open_dataset

VOCABULARY = make_vocabulary()
VIDEOS = {"VID02": make_video(VOCABULARY, seed=2), "VID11": make_video(VOCABULARY, seed=11, first=30)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_json_layout(tmp_path / "made_up", VOCABULARY, VIDEOS)


def counted(root: Path) -> dict[str, int]:
    return dict(Counter(problem.kind for problem in open_dataset(root).problems))


@pytest.mark.parametrize("triplets", [7, 85, 100])
def test_labels_arrive_whatever_the_number_of_triplets(tmp_path: Path, triplets: int) -> None:
    vocabulary = make_vocabulary(triplets, phases=("one", "two", "three"))
    video = make_video(vocabulary, frames=20)
    dataset = open_dataset(write_json_layout(tmp_path / "data", vocabulary, {"VID01": video}))
    assert dataset.vocabulary == vocabulary
    assert dataset.problems == ()
    assert dataset.layout == "cholect50"
    assert dataset.videos["VID01"].frames.tolist() == list(range(20))
    for head, labels in expected_labels(video, vocabulary).items():
        np.testing.assert_array_equal(dataset.videos["VID01"].labels[head], labels)  # type: ignore[index]


def test_videos_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    video = make_video(VOCABULARY)
    root = write_json_layout(tmp_path / "data", VOCABULARY, {"VID103": video, "VID12": video, "VID2": video})
    assert list(open_dataset(root).videos) == ["VID2", "VID12", "VID103"]


def test_a_row_without_triplet_still_labels_its_components_and_phase(root: Path) -> None:
    row = json_row(VOCABULARY, -1, 1)
    row[1], row[8] = 3, 2
    change_annotations(root, "VID02", {"0": [row]})
    labels = open_dataset(root).videos["VID02"].labels
    assert {head: np.flatnonzero(values[0]).tolist() for head, values in labels.items()} == {
        "triplet": [],
        "instrument": [3],
        "verb": [],
        "target": [2],
        "phase": [1],
    }


def test_components_that_a_row_leaves_out_come_from_its_triplet(root: Path) -> None:
    row = json_row(VOCABULARY, 6, 0)
    row[1] = row[7] = row[8] = -1
    change_annotations(root, "VID02", {"0": [row]})
    dataset = open_dataset(root)
    found = tuple(int(dataset.videos["VID02"].labels[head][0].argmax()) for head in ("instrument", "verb", "target"))
    assert found == VOCABULARY.triplets[6]
    assert dataset.problems == ()


def test_the_triplet_counts_where_the_row_contradicts_it(root: Path) -> None:
    row = json_row(VOCABULARY, 0, 0)
    row[1] = 4
    change_annotations(root, "VID02", {"0": [row]})
    dataset = open_dataset(root)
    assert np.flatnonzero(dataset.videos["VID02"].labels["instrument"][0]).tolist() == [0]
    assert [(problem.kind, problem.video) for problem in dataset.problems] == [(kinds.COMPONENTS, "VID02")]
    assert "triplet 0 has instrument 0, the row says 4" in dataset.problems[0].detail


def test_a_frame_without_rows_has_empty_labels(root: Path) -> None:
    change_annotations(root, "VID02", {"0": []})
    dataset = open_dataset(root)
    assert not any(values[0].any() for values in dataset.videos["VID02"].labels.values())
    assert dataset.problems == ()


def test_a_video_without_phases_has_no_phase_labels(tmp_path: Path) -> None:
    vocabulary = make_vocabulary(phases=())
    video = make_video(vocabulary)
    video.phases = {}
    dataset = open_dataset(write_json_layout(tmp_path / "data", vocabulary, {"VID01": video}))
    assert dataset.heads == ("triplet", "instrument", "verb", "target")


def row_with(position: int, value: Any) -> list[Any]:
    row: list[Any] = json_row(VOCABULARY, 0, 0)
    row[position] = value
    return row


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([[0, 1, 2]], kinds.COLUMN_COUNT),
        (["text"], kinds.COLUMN_COUNT),
        ("text", kinds.LINE_UNREADABLE),
        ([row_with(7, "x")], kinds.LINE_UNREADABLE),
        ([row_with(7, 0.5)], kinds.LINE_UNREADABLE),
        ([row_with(0, 7)], kinds.CLASS_UNKNOWN),
        ([row_with(1, -2)], kinds.CLASS_UNKNOWN),
        ([row_with(14, 2)], kinds.CLASS_UNKNOWN),
        ([json_row(VOCABULARY, 0, 0), json_row(VOCABULARY, 1, 1)], kinds.TWO_PHASES),
    ],
)
def test_an_impossible_frame_is_reported_and_left_out(root: Path, rows: Any, kind: str) -> None:
    change_annotations(root, "VID02", {"3": rows})
    dataset = open_dataset(root)
    assert counted(root) == {kind: 1}
    assert dataset.problems[0].detail.startswith("frame 3: ")
    assert dataset.videos["VID02"].frames.tolist() == [0, 1, 2, 4, 5]


def test_a_frame_name_that_is_no_number_is_reported(root: Path) -> None:
    change_annotations(root, "VID02", {"first": []})
    assert counted(root)[kinds.LINE_UNREADABLE] == 1
    assert len(open_dataset(root).videos["VID02"]) == 6


def test_a_frame_written_twice_is_reported_and_the_first_counts(root: Path) -> None:
    path = root / "labels" / "VID02.json"
    first, second = (json.dumps([json_row(VOCABULARY, triplet, 0)]) for triplet in (5, 6))
    content = json.loads(path.read_text())
    del content["annotations"]
    text = json.dumps(content)[:-1] + f', "annotations": {{"0": {first}, "0": {second}, "00": {second}}}}}'
    path.write_text(text)
    dataset = open_dataset(root)
    assert counted(root) == {kinds.FRAME_TWICE: 2, kinds.FRAME_COUNT: 1}
    assert np.flatnonzero(dataset.videos["VID02"].labels["triplet"][0]).tolist() == [5]


def test_unsorted_frames_are_reported_and_sorted(root: Path) -> None:
    content = json.loads((root / "labels" / "VID02.json").read_text())["annotations"]
    change_json(root, "VID02", annotations={key: content[key] for key in ("0", "2", "1", "3", "5", "4")})
    dataset = open_dataset(root)
    assert counted(root) == {kinds.FRAMES_UNSORTED: 2}
    assert dataset.videos["VID02"].frames.tolist() == [0, 1, 2, 3, 4, 5]
    labels = expected_labels(VIDEOS["VID02"], VOCABULARY)["triplet"]
    np.testing.assert_array_equal(dataset.videos["VID02"].labels["triplet"], labels)


def test_a_frame_count_that_differs_is_noted(root: Path) -> None:
    change_json(root, "VID02", num_frames=99)
    assert counted(root) == {kinds.FRAME_COUNT: 1}


def cut(path: Path) -> None:
    path.write_text(path.read_text()[:-100])


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        lambda path: path.write_text("[1, 2]"),
        lambda path: path.write_text('{"categories": {}}'),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
    ],
)
def test_an_unreadable_file_is_reported_and_its_video_left_out(root: Path, damage: Callable[[Path], object]) -> None:
    damage(root / "labels" / "VID02.json")
    dataset = open_dataset(root)
    assert list(dataset.videos) == ["VID11"]
    assert [(problem.kind, problem.video) for problem in dataset.problems] == [(kinds.FILE_UNREADABLE, "VID02")]


def test_a_file_without_frames_is_reported(root: Path) -> None:
    change_json(root, "VID02", annotations={}, num_frames=0)
    assert counted(root) == {kinds.FILE_UNREADABLE: 1}


def test_the_vocabulary_of_most_files_counts_and_others_are_reported(tmp_path: Path) -> None:
    video = make_video(VOCABULARY)
    root = write_json_layout(tmp_path / "data", VOCABULARY, {"VID01": video, "VID02": video, "VID03": video})
    categories = json.loads((root / "labels" / "VID01.json").read_text())["categories"]
    change_json(root, "VID01", categories={**categories, "phase": {"0": "other", "1": "names"}})
    dataset = open_dataset(root)
    assert list(dataset.videos) == ["VID02", "VID03"]
    assert dataset.vocabulary == VOCABULARY
    assert [(problem.kind, problem.video) for problem in dataset.problems] == [(kinds.VOCABULARY, "VID01")]
    assert "names of phase" in dataset.problems[0].detail


@pytest.mark.parametrize(
    "change",
    [{"triplet": {"0": "tool_9,verb_0,organ_0"}}, {"verb": None}, {"target": {"1": "organ_0", "2": "organ_1"}}],
)
def test_a_vocabulary_that_contradicts_itself_is_reported(root: Path, change: dict[str, Any]) -> None:
    categories = json.loads((root / "labels" / "VID02.json").read_text())["categories"]
    change_json(root, "VID02", categories={**categories, **change})
    assert counted(root) == {kinds.VOCABULARY: 1}
    assert list(open_dataset(root).videos) == ["VID11"]


def test_a_data_set_without_any_usable_file_is_refused(root: Path) -> None:
    for path in (root / "labels").glob("*.json"):
        path.write_text("{}")
    with pytest.raises(DataError, match="has usable labels"):
        open_dataset(root)


def test_phases_beside_a_layout_that_has_its_own_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leave out the phases"):
        open_dataset(root, phases=tmp_path)


def test_a_folder_in_neither_layout_is_told_what_each_needs(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"it has notes\.txt(?s:.*)labels/\*\.json(?s:.*)triplet/\*\.txt"):
        open_dataset(tmp_path)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        open_dataset(tmp_path / "nothing")


def test_a_folder_in_both_layouts_is_refused(root: Path) -> None:
    (root / "dict").mkdir()
    (root / "triplet").mkdir()
    with pytest.raises(DataError, match="several layouts"):
        open_dataset(root)


@pytest.mark.skipif(SAMPLE is None, reason="the sample of CholecT50 is not on this machine")
def test_the_real_sample_agrees_with_an_independent_count() -> None:
    assert SAMPLE is not None
    dataset = open_dataset(SAMPLE)
    assert dataset.problems == ()
    assert [dataset.vocabulary.size(head) for head in dataset.heads] == [100, 6, 10, 15, 7]
    assert dataset.vocabulary.null_triplets == (94, 95, 96, 97, 98, 99)
    for path in (SAMPLE / "labels").glob("*.json"):
        annotations = json.loads(path.read_text())["annotations"]
        video = dataset.videos[path.stem]
        assert len(video) == len(annotations)
        for head, position in {"triplet": 0, "instrument": 1, "verb": 7, "target": 8, "phase": 14}.items():
            pairs = {(key, row[position]) for key, rows in annotations.items() for row in rows if row[position] >= 0}
            counts = Counter(int(value) for _, value in pairs)
            assert {k: int(n) for k, n in enumerate(video.labels[head].sum(axis=0)) if n} == counts  # type: ignore[index]
