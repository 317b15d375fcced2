"""Each kind of damage to a sound data set is counted as exactly that, and nothing else is."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ending_processes import die, end_at_work
from made_up_datasets import (
    IMAGE_SIZE,
    SAMPLE,
    change_annotations,
    change_json,
    change_line,
    json_row,
    make_video,
    make_vocabulary,
    write_images,
    write_json_layout,
    write_phase_file,
    write_text_layout,
)
from PIL import Image

from nnunet_dsd.common.errors import DataError, SetupError
from video_triplet.data import image_checking
from video_triplet.data import problems as kinds
from video_triplet.data.checking import check_dataset, sound
from video_triplet.data.reading import open_dataset
from video_triplet.data.statistics import describe
from video_triplet.data.videos import ImageFile, Video

VOCABULARY = make_vocabulary()
VIDEOS = {"VID02": make_video(VOCABULARY, seed=2), "VID11": make_video(VOCABULARY, seed=11, first=30)}
Damage = Callable[[Path], object]


@pytest.fixture
def json_root(tmp_path: Path) -> Path:
    return write_json_layout(tmp_path / "json", VOCABULARY, VIDEOS)


@pytest.fixture
def text_root(tmp_path: Path) -> Path:
    root = write_text_layout(tmp_path / "text", make_vocabulary(phases=()), VIDEOS)
    (root / "dict" / "phase.txt").write_text("0:preparation\n1:clipping-and-cutting\n")
    for number, seconds in ((2, range(6)), (11, range(40))):
        write_phase_file(root / "phase_annotations", number, dict.fromkeys(seconds, "preparation"))
    return root


def image_of(root: Path, frame: int = 3) -> Path:
    return next(root.glob(f"*/VID02/{frame:06d}.png"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def blacken(path: Path) -> None:
    Image.new("RGB", IMAGE_SIZE).save(path)


def swap_first_lines(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[1], lines[0], *lines[2:]]))


IMAGE_DAMAGE: list[tuple[Damage, dict[str, int]]] = [
    (lambda root: image_of(root).unlink(), {kinds.LABEL_WITHOUT_IMAGE: 1}),
    (lambda root: write_images(image_of(root).parent, [6, 7]), {kinds.IMAGE_WITHOUT_LABEL: 2}),
    (lambda root: write_images(image_of(root).parent, [9]), {kinds.IMAGE_WITHOUT_LABEL: 1, kinds.FRAMES_SKIPPED: 1}),
    (lambda root: write_images(image_of(root).parent.with_name("VID50"), [0]), {kinds.IMAGES_WITHOUT_LABELS: 1}),
    (lambda root: [path.unlink() for path in image_of(root).parent.iterdir()], {kinds.NO_IMAGES: 1}),
    (lambda root: cut(image_of(root)), {kinds.IMAGE_BROKEN: 1}),
    (lambda root: flip(image_of(root)), {kinds.IMAGE_BROKEN: 1}),
    (lambda root: image_of(root).write_bytes(b""), {kinds.IMAGE_BROKEN: 1}),
    (lambda root: image_of(root).write_text("no image"), {kinds.IMAGE_BROKEN: 1}),
    (lambda root: write_images(image_of(root).parent, [3], size=(20, 12)), {kinds.IMAGE_SIZE: 1}),
    (lambda root: blacken(image_of(root)), {kinds.IMAGE_BLACK: 1}),
]
LEFT_OUT = {kinds.IMAGE_WITHOUT_LABEL: 1}  # a frame whose labels are left out still has its image
JSON_DAMAGE: list[tuple[Damage, dict[str, int]]] = [
    (lambda root: change_annotations(root, "VID02", {"3": [[1, 2]]}), {kinds.COLUMN_COUNT: 1, **LEFT_OUT}),
    (lambda root: change_annotations(root, "VID02", {"3": "x"}), {kinds.LINE_UNREADABLE: 1, **LEFT_OUT}),
    (lambda root: change_annotations(root, "VID02", {"3": [[99, *[0] * 14]]}), {kinds.CLASS_UNKNOWN: 1, **LEFT_OUT}),
    (lambda root: change_annotations(root, "VID02", {"3": [[1, 3, *[0] * 13]]}), {kinds.COMPONENTS: 1}),
    (
        lambda root: change_annotations(root, "VID02", {"3": [json_row(VOCABULARY, 0, 0), json_row(VOCABULARY, 0, 1)]}),
        {kinds.TWO_PHASES: 1, **LEFT_OUT},
    ),
    (lambda root: change_annotations(root, "VID02", {"3": [json_row(VOCABULARY, 0, -1)]}), {kinds.PHASE_MISSING: 1}),
    (lambda root: change_json(root, "VID02", num_frames=7), {kinds.FRAME_COUNT: 1}),
    (lambda root: change_json(root, "VID02", categories={"triplet": {}}), {kinds.VOCABULARY: 1}),
    (lambda root: change_json(root, "VID02", annotations=[]), {kinds.FILE_UNREADABLE: 1}),
]
TEXT_DAMAGE: list[tuple[Damage, dict[str, int]]] = [
    (
        lambda root: [change_line(root / head / "VID02.txt", 3, "3,1") for head in ("triplet", "instrument")],
        {kinds.COLUMN_COUNT: 2, kinds.FRAME_NOT_EVERYWHERE: 1, **LEFT_OUT},
    ),
    (
        lambda root: change_line(root / "target" / "VID02.txt", 3, "3,0,0,0,7"),
        {kinds.NOT_BINARY: 1, kinds.FRAME_NOT_EVERYWHERE: 1, **LEFT_OUT},
    ),
    (
        lambda root: change_line(root / "target" / "VID02.txt", 3, "2,0,0,0,0"),
        {kinds.FRAME_TWICE: 1, kinds.FRAME_NOT_EVERYWHERE: 1, **LEFT_OUT},
    ),
    (lambda root: swap_first_lines(root / "verb" / "VID02.txt"), {kinds.FRAMES_UNSORTED: 1}),
    (lambda root: (root / "verb" / "VID02.txt").unlink(), {kinds.FILE_MISSING: 1}),
    (lambda root: change_line(root / "dict" / "maps.txt", 1, "0,1,1,1,0,0"), {kinds.VOCABULARY: 1}),
    (lambda root: (root / "phase_annotations" / "video11-phase.txt").unlink(), {kinds.PHASE_FILE_MISSING: 1}),
    (
        lambda root: change_line(root / "phase_annotations" / "video02-phase.txt", 26, "25\tSuturing"),
        {kinds.PHASE_UNKNOWN: 1, kinds.PHASE_FILLED: 1},
    ),
]


# Made by test_frames_csv_reader.py: the layouts here do not have them.
IN_FRAMES_CSV = {
    kinds.COLUMNS,
    kinds.VIDEO_NAME,
    kinds.CLASS_NAME,
    kinds.IMAGE_PATH,
    kinds.IMAGE_TWICE,
    kinds.PARTLY_TRIPLETS,
}


def test_whole_data_sets_have_no_problem(json_root: Path, text_root: Path) -> None:
    for root in (json_root, text_root):
        report = check_dataset(open_dataset(root))
        assert (report.problems, report.broken, report.images_read) == ((), {}, True)


@pytest.mark.parametrize(("damage", "expected"), JSON_DAMAGE + IMAGE_DAMAGE)
def test_damage_to_the_json_layout_is_counted(json_root: Path, damage: Damage, expected: dict[str, int]) -> None:
    damage(json_root)
    assert check_dataset(open_dataset(json_root)).counts == expected


@pytest.mark.parametrize(("damage", "expected"), TEXT_DAMAGE + IMAGE_DAMAGE)
def test_damage_to_the_text_layout_is_counted(text_root: Path, damage: Damage, expected: dict[str, int]) -> None:
    damage(text_root)
    assert check_dataset(open_dataset(text_root)).counts == expected


def test_every_kind_of_problem_is_made_by_a_test() -> None:
    made = {kind for _, expected in JSON_DAMAGE + TEXT_DAMAGE + IMAGE_DAMAGE for kind in expected}
    assert made == {*kinds.KINDS} - IN_FRAMES_CSV - {*kinds.CLIP_ERRORS, *kinds.CLIP_NOTES}


def test_errors_and_notes_are_told_apart(json_root: Path) -> None:
    image_of(json_root).unlink()
    blacken(image_of(json_root, 4))
    report = check_dataset(open_dataset(json_root))
    assert [problem.kind for problem in report.errors] == [kinds.LABEL_WITHOUT_IMAGE]
    assert [problem.kind for problem in report.notes] == [kinds.IMAGE_BLACK]
    assert list(report.counts) == [kinds.LABEL_WITHOUT_IMAGE, kinds.IMAGE_BLACK]


@pytest.mark.parametrize("head", ["instrument", "verb", "target"])
def test_a_triplet_whose_component_is_not_labelled_is_an_error(text_root: Path, head: str) -> None:
    frame = next(number for number, triplets in VIDEOS["VID02"].triplets.items() if len(triplets) == 1)
    path = text_root / head / "VID02.txt"
    change_line(path, frame, ",".join([str(frame)] + ["0"] * (path.read_text().splitlines()[0].count(","))))
    report = check_dataset(open_dataset(text_root))
    assert report.counts == {kinds.COMPONENTS: 1}
    assert f"frame {frame}: a triplet with {head}" in report.errors[0].detail


def test_components_without_triplet_are_no_problem(text_root: Path) -> None:
    change_line(text_root / "instrument" / "VID02.txt", 0, "0,1,1,1,1,1")
    assert check_dataset(open_dataset(text_root)).problems == ()


def test_without_reading_images_broken_ones_are_not_found(json_root: Path) -> None:
    cut(image_of(json_root))
    report = check_dataset(open_dataset(json_root), read_images=False)
    assert (report.problems, report.images_read) == ((), False)


def test_all_problems_are_reported_at_once(json_root: Path) -> None:
    write_images(image_of(json_root).parent, [6, 7])
    image_of(json_root).unlink()
    cut(image_of(json_root, 4))
    change_annotations(json_root, "VID11", {"31": [[1, 2]]})
    assert check_dataset(open_dataset(json_root)).counts == {
        kinds.COLUMN_COUNT: 1,
        kinds.LABEL_WITHOUT_IMAGE: 1,
        kinds.IMAGE_BROKEN: 1,
        kinds.IMAGE_WITHOUT_LABEL: 3,
    }


def test_several_processes_find_the_same_as_one(tmp_path: Path) -> None:
    root = write_json_layout(tmp_path / "data", VOCABULARY, {"VID02": make_video(VOCABULARY, frames=70)})
    cut(image_of(root, 1))
    cut(image_of(root, 69))
    dataset = open_dataset(root)
    report = check_dataset(dataset, workers=2)
    assert report == check_dataset(dataset, workers=0)
    assert report.broken == {"VID02": frozenset({1, 69})}


def test_a_negative_number_of_workers_is_refused(json_root: Path) -> None:
    with pytest.raises(DataError, match="-1 workers"):
        check_dataset(open_dataset(json_root), workers=-1)


def test_sound_keeps_frames_with_labels_and_a_whole_image(json_root: Path) -> None:
    image_of(json_root, 1).unlink()
    cut(image_of(json_root, 4))
    dataset = open_dataset(json_root)
    kept = sound(dataset, check_dataset(dataset))
    assert kept.videos["VID02"].frames.tolist() == [0, 2, 3, 5]
    labels = dataset.videos["VID02"].labels["triplet"]
    np.testing.assert_array_equal(kept.videos["VID02"].labels["triplet"], labels[[0, 2, 3, 5]])
    assert kept.videos["VID11"].frames.tolist() == dataset.videos["VID11"].frames.tolist()
    assert check_dataset(kept).errors == ()


def test_sound_leaves_out_videos_without_any_image_and_refuses_when_none_is_left(json_root: Path) -> None:
    for path in json_root.glob("videos/VID02/*"):
        path.unlink()
    dataset = open_dataset(json_root)
    assert list(sound(dataset, check_dataset(dataset)).videos) == ["VID11"]
    for path in json_root.glob("videos/VID11/*"):
        path.write_bytes(b"")
    dataset = open_dataset(json_root)
    with pytest.raises(DataError, match="no frame of"):
        sound(dataset, check_dataset(dataset))


def test_the_statistics_are_those_counted_by_hand(tmp_path: Path) -> None:
    video = make_video(VOCABULARY, frames=4)
    video.triplets = {0: [5], 1: [5, 2], 2: [], 3: [5]}
    root = write_json_layout(tmp_path / "data", VOCABULARY, {"VID02": video})
    image_of(root).unlink()
    numbers = describe(open_dataset(root), extremes=1)
    assert (numbers.videos, numbers.frames, numbers.images, numbers.triplet_labels) == (1, 4, 3, 4)
    assert (numbers.triplets_per_frame, numbers.frames_without_triplet) == (1.0, 0.25)
    assert numbers.triplets_never_seen == 5
    assert numbers.most_frequent == (("tool_0,verb_0,organ_1", 0.75),)
    assert numbers.rarest == (("tool_2,verb_0,organ_0", 0.25),)


@pytest.mark.skipif(SAMPLE is None, reason="the sample of CholecT50 is not on this machine")
def test_the_real_sample_lacks_exactly_the_images_that_its_folders_lack() -> None:
    assert SAMPLE is not None
    dataset = open_dataset(SAMPLE)
    report = check_dataset(dataset)
    labelled = {(name, frame) for name, video in dataset.videos.items() for frame in video.frames.tolist()}
    images = {(path.parent.name, int(path.stem)) for path in SAMPLE.glob("videos/*/*.png")}
    assert report.counts[kinds.LABEL_WITHOUT_IMAGE] == len(labelled - images)
    assert report.counts[kinds.IMAGE_WITHOUT_LABEL] == len(images - labelled)
    assert {problem.kind for problem in report.errors} == {kinds.LABEL_WITHOUT_IMAGE}
    assert sum(len(video) for video in sound(dataset, report).videos.values()) == len(labelled & images)


def long_video() -> Video:
    """More frames than a process is given at once; their images are there."""
    frames = np.arange(image_checking.IMAGES_PER_TASK + 1)
    images = {int(frame): ImageFile(Path(__file__), "") for frame in frames}
    return Video("VID01", Path(), frames, {}, images)


def test_a_decoding_process_that_is_killed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_checking, "examine", die)
    with pytest.raises(SetupError, match="a decoding process was killed, perhaps for want of memory"):
        image_checking.check_images([long_video()], workers=2)


CHECK_AND_WAIT = """
import pickle, sys
from ending_processes import tell_and_wait
from video_triplet.data import image_checking
image_checking.examine = tell_and_wait
image_checking.check_images(pickle.loads(bytes.fromhex(sys.argv[1])), workers=2)
"""


def test_the_processes_end_with_a_check_that_is_killed() -> None:
    assert end_at_work(CHECK_AND_WAIT, pickle.dumps([long_video()]).hex())[0] == -signal.SIGKILL
