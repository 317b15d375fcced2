"""The text layout: every label arrives, and every damage is seen as what it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_up_datasets import (
    change_line,
    expected_labels,
    make_video,
    make_vocabulary,
    write_phase_file,
    write_text_layout,
)

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds
from video_triplet.data.cholec80_phases import CHOLEC80_PHASES
from video_triplet.data.reading import open_dataset

VOCABULARY = make_vocabulary(phases=())
VIDEOS = {"VID02": make_video(VOCABULARY, seed=2), "VID11": make_video(VOCABULARY, seed=11, first=30)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_text_layout(tmp_path / "made_up", VOCABULARY, VIDEOS)


def counted(root: Path) -> dict[str, int]:
    return dict(Counter(problem.kind for problem in open_dataset(root).problems))


@pytest.mark.parametrize("separator", [":", ",", " : "])
@pytest.mark.parametrize("triplets", [7, 85, 100])
def test_labels_arrive_whatever_the_number_of_triplets(tmp_path: Path, triplets: int, separator: str) -> None:
    vocabulary = make_vocabulary(triplets, phases=())
    video = make_video(vocabulary, frames=20)
    dataset = open_dataset(write_text_layout(tmp_path / "data", vocabulary, {"VID01": video}, separator=separator))
    assert dataset.vocabulary == vocabulary
    assert dataset.problems == ()
    assert dataset.layout == "cholect45"
    assert dataset.heads == ("triplet", "instrument", "verb", "target")
    for head in dataset.heads:
        np.testing.assert_array_equal(dataset.videos["VID01"].labels[head], expected_labels(video, vocabulary)[head])


def test_spaces_and_blank_lines_do_no_harm(root: Path) -> None:
    path = root / "verb" / "VID02.txt"
    path.write_text("\n" + path.read_text().replace(",", ", "))
    assert open_dataset(root).problems == ()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("3,0,1", kinds.COLUMN_COUNT),
        ("3,0,0,0,0,0,0,0,0", kinds.COLUMN_COUNT),
        ("3,0,0,0,0,2", kinds.NOT_BINARY),
        ("3,0,0,0,0,x", kinds.NOT_BINARY),
        ("3,0,0,0,0,-1", kinds.NOT_BINARY),
        ("three,0,0,0,0,0", kinds.LINE_UNREADABLE),
    ],
)
def test_a_line_that_is_wrong_is_reported_and_its_frame_left_out(root: Path, text: str, kind: str) -> None:
    change_line(root / "verb" / "VID02.txt", 3, text)
    dataset = open_dataset(root)
    assert counted(root) == {kind: 1, kinds.FRAME_NOT_EVERYWHERE: 1}
    assert dataset.problems[0].detail.startswith("verb/VID02.txt line 4: ")
    assert dataset.problems[1].detail == "frame 3: no usable line in verb"
    assert dataset.videos["VID02"].frames.tolist() == [0, 1, 2, 4, 5]


def test_a_frame_that_one_file_lacks_is_reported_and_left_out(root: Path) -> None:
    change_line(root / "target" / "VID11.txt", 0, None)
    assert counted(root) == {kinds.FRAME_NOT_EVERYWHERE: 1}
    assert open_dataset(root).videos["VID11"].frames.tolist() == [31, 32, 33, 34, 35]


def test_a_frame_written_twice_is_reported_and_the_first_counts(root: Path) -> None:
    path = root / "instrument" / "VID02.txt"
    path.write_text(path.read_text() + "5,1,1,1,1,1\n")
    dataset = open_dataset(root)
    assert counted(root) == {kinds.FRAME_TWICE: 1}
    labels = expected_labels(VIDEOS["VID02"], VOCABULARY)["instrument"]
    np.testing.assert_array_equal(dataset.videos["VID02"].labels["instrument"], labels)


def test_unsorted_lines_are_reported_and_sorted(root: Path) -> None:
    path = root / "triplet" / "VID02.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[1], lines[0], *lines[2:]]))
    dataset = open_dataset(root)
    assert counted(root) == {kinds.FRAMES_UNSORTED: 1}
    labels = expected_labels(VIDEOS["VID02"], VOCABULARY)["triplet"]
    np.testing.assert_array_equal(dataset.videos["VID02"].labels["triplet"], labels)


def test_a_missing_file_is_reported_and_its_video_left_out(root: Path) -> None:
    (root / "verb" / "VID02.txt").unlink()
    assert counted(root) == {kinds.FILE_MISSING: 1}
    assert list(open_dataset(root).videos) == ["VID11"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00"])
def test_an_unreadable_file_is_reported_and_its_video_left_out(root: Path, content: bytes) -> None:
    (root / "verb" / "VID02.txt").write_bytes(content)
    assert counted(root) == {kinds.FILE_UNREADABLE: 1}
    assert list(open_dataset(root).videos) == ["VID11"]


def test_videos_without_a_frame_in_common_to_all_files_are_left_out(root: Path) -> None:
    (root / "verb" / "VID02.txt").write_text("99,0,0,0,0,0\n")
    assert counted(root) == {kinds.FRAME_NOT_EVERYWHERE: 7}
    assert list(open_dataset(root).videos) == ["VID11"]


def test_a_data_set_of_which_no_video_can_be_read_is_refused(root: Path) -> None:
    for path in (root / "verb").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"no video of .* could be read(?s:.*)verb/VID02.txt is not there"):
        open_dataset(root)


def test_maps_that_contradict_the_names_are_reported_and_the_names_count(root: Path) -> None:
    change_line(root / "dict" / "maps.txt", 3, "2,4,4,3,0,0")
    dataset = open_dataset(root)
    assert dataset.vocabulary == VOCABULARY
    assert [(problem.kind, problem.video) for problem in dataset.problems] == [(kinds.VOCABULARY, "")]
    assert "triplet 2 is tool_2,verb_0,organ_0" in dataset.problems[0].detail


def test_maps_of_another_length_are_reported(root: Path) -> None:
    change_line(root / "dict" / "maps.txt", 7, None)
    assert "6 triplets, dict/triplet.txt 7" in open_dataset(root).problems[0].detail


@pytest.mark.parametrize("file", ["maps.txt", "triplet.txt"])
def test_either_the_names_or_the_maps_of_triplets_are_enough(root: Path, file: str) -> None:
    (root / "dict" / file).unlink()
    assert open_dataset(root).vocabulary == VOCABULARY


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("verb.txt", None, "cannot be read"),
        ("verb.txt", "grasp\n", "line 'grasp' is no class"),
        ("verb.txt", "0:grasp\n0:cut\n", "is there twice"),
        ("verb.txt", "1:grasp\n", "the ids are not 0 to 0"),
        ("triplet.txt", "0:tool_0,verb_9,organ_0\n", "is not three names"),
        ("maps.txt", "0,0,a,0\n", "in integers"),
        ("maps.txt", "1,0,0,0\n", "the triplet ids are not 0 to 0"),
    ],
)
def test_a_vocabulary_that_cannot_be_read_is_refused(root: Path, file: str, text: str | None, message: str) -> None:
    path = root / "dict" / file
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        open_dataset(root)


def test_phases_of_cholec80_are_joined(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cholec80" / "phase_annotations"
    write_phase_file(folder, 2, {second: "Preparation" if second < 4 else "ClippingCutting" for second in range(6)})
    write_phase_file(folder, 11, dict.fromkeys(range(40), "GallbladderRetraction"))
    for given in (folder, folder.parent):
        dataset = open_dataset(root, phases=given)
        assert dataset.problems == ()
        assert dataset.vocabulary.phases == CHOLEC80_PHASES
        assert dataset.videos["VID02"].labels["phase"].argmax(axis=1).tolist() == [0, 0, 0, 0, 2, 2]
        assert dataset.videos["VID11"].labels["phase"].argmax(axis=1).tolist() == [6] * 6


def test_phases_beside_the_labels_are_found_and_may_have_names_of_their_own(root: Path) -> None:
    (root / "dict" / "phase.txt").write_text("0:early\n1:late\n")
    for number, seconds in ((2, range(6)), (11, range(40))):
        write_phase_file(root / "phase_annotations", number, dict.fromkeys(seconds, "late"))
    dataset = open_dataset(root)
    assert dataset.problems == ()
    assert dataset.vocabulary.phases == ("early", "late")
    assert dataset.videos["VID02"].labels["phase"].tolist() == [[0, 1]] * 6


def test_a_video_without_phase_file_is_noted_and_has_no_phases(root: Path, tmp_path: Path) -> None:
    write_phase_file(tmp_path / "phases", 2, dict.fromkeys(range(6), "Preparation"))
    dataset = open_dataset(root, phases=tmp_path / "phases")
    assert dict(Counter((p.kind, p.video) for p in dataset.problems)) == {(kinds.PHASE_FILE_MISSING, "VID11"): 1}
    assert "phase" in dataset.videos["VID02"].labels
    assert "phase" not in dataset.videos["VID11"].labels
    assert "phase" not in dataset.heads


def test_a_folder_without_phase_files_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no phase files"):
        open_dataset(root, phases=tmp_path / "nothing")
