"""The layout with one CSV file: every label arrives, and every damage is seen with its line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_up_frames_csv import CLASSES, HEADER, draw_rows, write_frames, write_lines, write_table

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds
from video_triplet.data.checking import check_dataset, sound
from video_triplet.data.reading import open_dataset
from video_triplet.data.videos import TripletDataset

TITLE = ",".join(HEADER)
TRIPLETS = ("hook,dissect,gallbladder", "grasper,grasp,gallbladder", "grasper,null_verb,null_target")


def details(dataset: TripletDataset) -> list[tuple[str, str]]:
    return [(problem.kind, problem.detail) for problem in dataset.problems]


@pytest.mark.parametrize(("most", "ending"), [(1, "jpg"), (3, "png"), (2, "JPEG")])
def test_labels_arrive_row_by_row(tmp_path: Path, most: int, ending: str) -> None:
    rows = draw_rows(most=most, ending=ending)
    dataset = open_dataset(write_frames(tmp_path, rows[::-1]))
    assert (dataset.layout, dataset.problems, dataset.heads) == ("csv", (), ("triplet",))
    assert dataset.vocabulary.names("triplet") == CLASSES
    assert list(dataset.videos) == ["OP1", "OP2", "OP3", "OP4"]
    for row in rows:
        video = dataset.videos[row["video"]]
        place = video.frames.tolist().index(int(row["frame"]))
        expected = [int(name in row["labels"].split(";")) for name in CLASSES]
        assert video.labels["triplet"][place].tolist() == expected
        assert video.image_path(int(row["frame"])) == tmp_path / row["image"]
    assert all(np.all(np.diff(video.frames) > 0) and not video.missing_images for video in dataset.videos.values())


def test_without_a_list_the_classes_are_the_names_that_occur_sorted(tmp_path: Path) -> None:
    write_lines(tmp_path, TITLE, "a,1,1.png,zebra; ape ", "a,2,2.png,", "a,3,3.png,;lynx;")
    dataset = open_dataset(tmp_path)
    assert dataset.vocabulary.names("triplet") == ("ape", "lynx", "zebra")
    assert dataset.videos["a"].labels["triplet"].tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]


def test_a_class_that_is_listed_exists_without_frames(tmp_path: Path) -> None:
    write_lines(tmp_path, TITLE, "a,1,1.png,b")
    (tmp_path / "classes.txt").write_bytes("\ufeffc\r\n\r\n b \r\n".encode())
    assert open_dataset(tmp_path).vocabulary.names("triplet") == ("c", "b")


def test_names_that_are_triplets_bring_their_components(tmp_path: Path) -> None:
    write_lines(tmp_path, TITLE, f'a,1,1.png,"{TRIPLETS[0]}; grasper, null_verb, null_target"', "a,2,2.png,")
    (tmp_path / "classes.txt").write_text("\n".join(TRIPLETS))
    dataset = open_dataset(tmp_path)
    assert dataset.vocabulary.names("triplet") == TRIPLETS
    assert dataset.heads == ("triplet", "instrument", "verb", "target")
    assert dataset.vocabulary.instruments == ("hook", "grasper")
    labels = dataset.videos["a"].labels
    assert labels["triplet"].tolist() == [[1, 0, 1], [0, 0, 0]]
    assert labels["instrument"].tolist() == [[1, 1], [0, 0]]
    assert labels["verb"].tolist() == [[1, 0, 1], [0, 0, 0]]
    assert labels["target"].tolist() == [[1, 1], [0, 0]]
    assert dataset.vocabulary.null_triplets == (2,)


def test_only_some_names_that_are_triplets_are_noted(tmp_path: Path) -> None:
    write_lines(tmp_path, TITLE, f'a,1,1.png,"{TRIPLETS[0]}"', 'a,2,2.png,"hook,dissect"')
    dataset = open_dataset(tmp_path)
    assert not dataset.vocabulary.has_components
    assert [problem.kind for problem in dataset.problems] == [kinds.PARTLY_TRIPLETS]
    assert not kinds.is_error(kinds.PARTLY_TRIPLETS)


def test_a_video_without_any_phase_has_no_phase_labels(tmp_path: Path) -> None:
    write_lines(tmp_path, f"{TITLE},phase", "a,1,1.png,x,late", "a,2,2.png,x,", "b,1,3.png,x,", "c,1,4.png,x,early")
    dataset = open_dataset(tmp_path)
    assert dataset.vocabulary.phases == ("early", "late")
    assert dataset.videos["a"].labels["phase"].tolist() == [[0, 1], [0, 0]]
    assert "phase" not in dataset.videos["b"].labels
    assert dataset.heads == ("triplet",)


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        (",2,2.png,x", kinds.VIDEO_NAME, "the name of the video is empty"),
        ("../b,2,2.png,x", kinds.VIDEO_NAME, "'../b' cannot be the name of a file"),
        (".b,2,2.png,x", kinds.VIDEO_NAME, "a dot in front"),
        ("a,2.0,2.png,x", kinds.LINE_UNREADABLE, "'2.0' is not a whole number"),
        ("a,-2,2.png,x", kinds.LINE_UNREADABLE, "'-2' is not"),
        ("a,,2.png,x", kinds.LINE_UNREADABLE, "'' is not"),
        ("a,²,2.png,x", kinds.LINE_UNREADABLE, "'²' is not"),
        ("a,99999999999999999999,2.png,x", kinds.LINE_UNREADABLE, "is not"),
        ("a,2,,x", kinds.IMAGE_PATH, "no image is named"),
        ("a,2,../2.png,x", kinds.IMAGE_PATH, "leads out of the data set's folder"),
        ("a,2,b/../../2.png,x", kinds.IMAGE_PATH, "leads out"),
        ("a,2,/tmp/2.png,x", kinds.IMAGE_PATH, "leads out"),
        ("a,2,C:/2.png,x", kinds.IMAGE_PATH, "leads out"),
        ("a,2,b\\2.png,x", kinds.IMAGE_PATH, "write / between folders"),
        ("a,2,2.bmp,x", kinds.IMAGE_PATH, "ends in none of .png, .jpg, .jpeg"),
        ("a,2,2.png,x;y;z", kinds.CLASS_NAME, "not in classes.txt: 'y', 'z'"),
        ("a,001,2.png,x", kinds.FRAME_TWICE, "frame 1 again; line 2 counts"),
        ("a,2,./1.png,x", kinds.IMAGE_TWICE, "the image of line 2"),
        ("a,2,2.png", kinds.COLUMN_COUNT, "3 cells, the header has 4"),
        ("a,2,2.png,p,q,r", kinds.COLUMN_COUNT, "put a cell with commas in double quotes"),
        ('a,2,2.png,"x', kinds.LINE_UNREADABLE, "no line of a CSV file"),
        ('a,2,2.png,"x"x', kinds.LINE_UNREADABLE, "no line of a CSV file"),
        (b"a,2,2.png,\xe9", kinds.LINE_UNREADABLE, "not UTF-8"),
        (b"a,2,2.png,\x00", kinds.LINE_UNREADABLE, "not UTF-8"),
    ],
)
def test_a_damaged_line_is_left_out_and_named(tmp_path: Path, line: str | bytes, kind: str, said: str) -> None:
    write_lines(tmp_path, TITLE, "a,1,1.png,x", line, "a,3,3.png,x")
    (tmp_path / "classes.txt").write_text("x")
    dataset = open_dataset(tmp_path)
    assert [(problem.kind, kinds.is_error(problem.kind)) for problem in dataset.problems] == [(kind, True)]
    assert dataset.problems[0].detail.startswith("frames.csv line 3: ")
    assert said in dataset.problems[0].detail
    assert {name: video.frames.tolist() for name, video in dataset.videos.items()} == {"a": [1, 3]}


def test_everything_wrong_is_said_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    write_lines(
        tmp_path, TITLE, "a,1,1.png,x", ",two,../2.png,y", 'b,"', "a,1,1.png,x", "", "a,5,gone.png,x", b"\xff", ",,,"
    )
    (tmp_path / "classes.txt").write_text("x")
    report = check_dataset(open_dataset(tmp_path), read_images=False)
    lines = [
        int(problem.detail.split("line ")[1].split(":")[0]) for problem in report.problems if "line" in problem.detail
    ]
    assert lines == [3, 3, 3, 3, 4, 5, 5, 8, 2, 7]
    missing = [problem.detail for problem in report.problems if problem.kind == kinds.LABEL_WITHOUT_IMAGE]
    assert missing[1] == "frames.csv line 7: frame 5: there is no gone.png"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("video,frame,image", "missing: labels"),
        ("video,frame,image,labels,phases", "unknown: phases"),
        ("video,frame,image,labels,video", "twice: video"),
        ("video;frame;image;labels", "missing: video, frame, image, labels; unknown: video;frame;image;labels"),
        ('"video,frame,image,labels', "the header: no line of a CSV file"),
        ("\xe9".encode("latin-1"), "the header: not UTF-8"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path: Path, header: str | bytes, said: str) -> None:
    write_lines(tmp_path, header, "a,1,1.png,x")
    with pytest.raises(DataError, match="cannot be read") as caught:
        open_dataset(tmp_path)
    assert f"{kinds.COLUMNS}: frames.csv line 1: {said}" in str(caught.value)


def test_a_wrong_header_and_wrong_lines_are_said_together(tmp_path: Path) -> None:
    write_lines(tmp_path, "video,frame,labels", ",1,x", "a,one,x")
    (tmp_path / "classes.txt").write_text("x\nx\n")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    for said in ("missing: image", "line 2: the name of the video is empty", "line 3: frame 'one'", "'x' again"):
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x\ny;z\n", "line 2: 'y;z' has a semicolon"),
        (b"x\n\nx\n", "line 3: 'x' again, as in line 1"),
        (b"a,b,c\na, b ,c\n", "line 2: 'a,b,c' again"),
        (b"x\n\xff\n", "line 2: not UTF-8"),
        (b"\n", "names no class"),
        ("x".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_wrong_list_of_classes_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    write_lines(tmp_path, TITLE, "a,1,1.png,x")
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((TITLE, "a,1,1.png,"), "no class"),
        ((TITLE,), "no class"),
        (("",), "is empty; its first line must be video,frame,image,labels"),
        ((TITLE, "a,one,1.png,x"), "no video of"),
        (((TITLE + "\n").encode("utf-16"),), "is in UTF-16; save it as UTF-8"),
    ],
)
def test_a_file_without_a_usable_frame_is_refused(tmp_path: Path, lines: tuple[str | bytes, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        open_dataset(write_lines(tmp_path, *lines))


def test_line_ends_and_the_byte_order_mark_of_other_systems_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "frames.csv").write_bytes(f"\ufeff{TITLE}\r\na, 1 ,1.png,x\r\n".encode())
    dataset = open_dataset(tmp_path)
    assert (dataset.problems, dataset.videos["a"].frames.tolist()) == ((), [1])


def test_phases_of_another_folder_and_a_second_layout_are_refused(tmp_path: Path) -> None:
    write_lines(tmp_path, TITLE, "a,1,1.png,x")
    with pytest.raises(DataError, match=r"has its phases in frames\.csv"):
        open_dataset(tmp_path, phases=tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "VID01.json").write_text("{}")
    with pytest.raises(DataError, match=r"has several layouts \(cholect50, csv\)"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_images_that_are_missing_cut_off_or_of_another_kind_are_found(tmp_path: Path, ending: str) -> None:
    rows = draw_rows(["OP1"], ending=ending)
    assert check_dataset(open_dataset(write_frames(tmp_path, rows))).problems == ()
    cut, gone, odd = (tmp_path / row["image"] for row in rows[:3])
    cut.write_bytes(cut.read_bytes()[:-40])
    gone.unlink()
    odd.write_bytes(b"GIF89a")
    dataset = open_dataset(tmp_path)
    report = check_dataset(dataset)
    assert Counter(p.kind for p in report.problems) == {kinds.IMAGE_BROKEN: 2, kinds.LABEL_WITHOUT_IMAGE: 1}
    kept = sound(dataset, report).videos["OP1"]
    assert kept.frames.tolist() == [int(row["frame"]) for row in rows[3:]]
    assert kept.image_path(int(rows[3]["frame"])) == tmp_path / rows[3]["image"]


def test_a_path_too_long_for_the_disk_is_a_missing_image(tmp_path: Path) -> None:
    write_table(tmp_path, [{**draw_rows()[0], "image": f"{'x' * 5000}.png"}])
    assert open_dataset(tmp_path).videos["OP1"].missing_images == [10]
