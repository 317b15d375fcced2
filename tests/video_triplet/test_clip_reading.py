"""Both layouts of clips are read as distributed, and everything wrong in the lists is found."""

import shutil

import pytest
from made_up_clips import HMDB_CLASSES, UCF_CLASSES, hmdb_file, ucf_name, write_hmdb51, write_ucf101
from made_up_datasets import change_line

from nnunet_dsd.common.errors import DataError
from video_triplet.clips.reading import open_clips
from video_triplet.data import problems as kinds


@pytest.fixture
def ucf(tmp_path):
    return write_ucf101(tmp_path / "ucf", encode=False)


@pytest.fixture
def hmdb(tmp_path):
    return write_hmdb51(tmp_path / "hmdb", encode=False)


def found(dataset):
    return [(problem.kind, problem.video) for problem in dataset.problems]


def test_ucf101_is_read_with_its_classes_and_all_three_splits(ucf):
    dataset = open_clips(ucf)
    assert (dataset.layout, dataset.classes, found(dataset)) == ("ucf101", UCF_CLASSES, [])
    assert len(dataset.videos) == 30
    name = "HandstandPushups/v_HandStandPushups_g03_c01.avi"
    assert dataset.videos[name].label == 2
    assert dataset.videos[name].path == ucf / "UCF-101" / name
    expected = [ucf_name(c, g, n) for c in UCF_CLASSES for g in (3, 4, 5) for n in (1, 2)]
    assert dataset.official[1].training == tuple(expected)
    assert dataset.official[1].test == tuple(ucf_name(c, g, n) for c in UCF_CLASSES for g in (1, 2) for n in (1, 2))
    assert list(dataset.official) == [1, 2, 3]
    assert ucf_name("Archery", 1, 1) in dataset.official[2].training


def test_hmdb51_is_read_with_tags_of_training_test_and_unused(hmdb):
    dataset = open_clips(hmdb)
    assert (dataset.layout, dataset.classes, found(dataset)) == ("hmdb51", HMDB_CLASSES, [])
    assert len(dataset.videos) == 20
    lists = dataset.official[1]
    assert lists.test == tuple(f"{c}/{hmdb_file('Feast', c, n)}" for c in HMDB_CLASSES for n in (0, 1))
    unused = f"wave/{hmdb_file('River', 'wave', 1)}"
    assert unused in dataset.videos
    assert unused not in (*lists.training, *lists.test)
    assert len(lists.training) == 14
    assert dataset.videos[unused].label == 1


def test_file_names_with_spaces_and_signs_are_read(hmdb):
    name = hmdb_file("#20 Film (a) & [b]!", "wave", 0)
    (hmdb / "hmdb51_org" / "wave" / name).write_bytes(b"x")
    with (hmdb / "testTrainMulti_7030_splits" / "wave_test_split1.txt").open("a") as file:
        file.write(f"{name} 1\n")
    dataset = open_clips(hmdb)
    assert f"wave/{name}" in dataset.official[1].training
    assert found(dataset) == []


def test_lists_elsewhere_are_given_and_the_class_folder_itself_is_taken(ucf, tmp_path):
    (ucf / "ucfTrainTestlist").rename(tmp_path / "lists")
    with pytest.raises(DataError, match=r"no official lists in .*--annotations"):
        open_clips(ucf)
    expected = open_clips(ucf, annotations=tmp_path / "lists")
    again = open_clips(ucf / "UCF-101", annotations=tmp_path / "lists")
    assert expected.videos == again.videos
    assert expected.official == again.official


def test_mp4_files_go_by_the_names_of_the_lists(tmp_path):
    root = write_ucf101(tmp_path / "ucf", encode=False, ending=".mp4")
    dataset = open_clips(root)
    name = ucf_name("Archery", 1, 1)
    assert dataset.videos[name].path.suffix == ".mp4"
    assert found(dataset) == []


def test_every_problem_of_ucf_lists_is_reported_at_once(ucf):
    lists, videos = ucf / "ucfTrainTestlist", ucf / "UCF-101"
    missing = ucf_name("Archery", 3, 1)
    (videos / missing).unlink()
    (videos / "Archery" / "v_Archery_g09_c01.avi").write_bytes(b"x")
    shutil.copy(videos / ucf_name("Archery", 1, 1), (videos / ucf_name("Archery", 1, 1)).with_suffix(".mp4"))
    (videos / "Fencing").mkdir()
    (videos / "Fencing" / "v_Fencing_g01_c01.avi").write_bytes(b"x")
    moved = videos / "ApplyMakeup" / "v_Archery_g07_c01.avi"
    moved.write_bytes(b"x")
    training = (lists / "trainlist01.txt").read_text().splitlines()
    wrong_class, repeated = training[0].split()[0], training[1].split()[0]
    change_line(lists / "trainlist01.txt", 0, f"{wrong_class} 2")
    with (lists / "trainlist01.txt").open("a") as file:
        file.write(f"{repeated} 1\nno slash here\nArchery/v_Archery_g04_c01.avi\nFencing/v_Fencing_g01_c01.avi 4\n")
    with (lists / "testlist01.txt").open("a") as file:
        file.write(f"{repeated}\n")
    (lists / "trainlist03.txt").unlink()
    dataset = open_clips(ucf)
    reported = found(dataset)
    assert (kinds.ENTRY_WITHOUT_VIDEO, missing) in reported
    assert (kinds.VIDEO_IN_NO_LIST, "Archery/v_Archery_g09_c01.avi") in reported
    assert (kinds.VIDEO_TWICE, "Archery/v_Archery_g01_c01") in reported
    assert (kinds.CLASS_FOLDER_UNKNOWN, "Fencing/v_Fencing_g01_c01.avi") in reported
    assert (kinds.NAMED_OTHERWISE, "ApplyMakeup/v_Archery_g07_c01.avi") in reported
    assert reported.count((kinds.CLASS_MISMATCH, wrong_class)) == 1
    assert (kinds.CLASS_MISMATCH, "Fencing/v_Fencing_g01_c01.avi") in reported
    assert (kinds.ENTRY_TWICE, repeated) in reported
    assert (kinds.VIDEO_IN_BOTH_PARTS, repeated) in reported
    details = [problem.detail for problem in dataset.problems if problem.kind == kinds.LINE_UNREADABLE]
    assert len(details) == 2
    assert "trainlist01.txt line 20: 'no slash here'" in details[0]
    assert [p.detail for p in dataset.problems if p.kind == kinds.SPLIT_FILE_MISSING] == [
        "trainlist03.txt; split 3 is left out"
    ]
    assert dataset.official[1].training.count(repeated) == 1
    assert wrong_class not in dataset.official[1].training
    assert missing not in dataset.official[1].training
    assert 3 not in dataset.official


def test_every_problem_of_hmdb_lists_is_reported_at_once(hmdb):
    lists = hmdb / "testTrainMulti_7030_splits"
    change_line(lists / "wave_test_split1.txt", 0, hmdb_file("Old_Film_1", "wave", 0))
    change_line(lists / "wave_test_split1.txt", 1, f"{hmdb_file('Old_Film_1', 'wave', 1)} 3")
    with (lists / "wave_test_split1.txt").open("a") as file:
        file.write(f"gone_wave_f_nm_np1_fr_med_0.avi 1\n{hmdb_file('Feast', 'wave', 0)} 1\n")
    (lists / "brush_hair_test_split2.txt").unlink()
    stray = hmdb_file("Other", "wave", 0)
    (hmdb / "hmdb51_org" / "brush_hair" / stray).write_bytes(b"x")
    dataset = open_clips(hmdb)
    reported = found(dataset)
    assert [kind for kind, _ in reported].count(kinds.LINE_UNREADABLE) == 2
    assert (kinds.ENTRY_WITHOUT_VIDEO, "wave/gone_wave_f_nm_np1_fr_med_0.avi") in reported
    assert (kinds.VIDEO_IN_BOTH_PARTS, f"wave/{hmdb_file('Feast', 'wave', 0)}") in reported
    assert (kinds.SPLIT_FILE_MISSING, "") in reported
    assert (kinds.NAMED_OTHERWISE, f"brush_hair/{stray}") in reported
    assert (kinds.VIDEO_IN_NO_LIST, f"brush_hair/{stray}") in reported


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 Archery\n3 Wave\n", "not 1 to 2"), ("Archery\n", "not a number and a class"), ("1 A\n1 B\n", "repeats")],
)
def test_damaged_class_names_are_refused(ucf, text, message):
    (ucf / "ucfTrainTestlist" / "classInd.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        open_clips(ucf)


def test_a_folder_without_videos_and_two_sets_of_lists_are_refused(ucf, hmdb, tmp_path):
    shutil.rmtree(ucf / "UCF-101")
    with pytest.raises(DataError, match=r"no CLASS/\*\.avi"):
        open_clips(ucf)
    shutil.copytree(ucf / "ucfTrainTestlist", hmdb / "more")
    with pytest.raises(DataError, match="several sets of official lists"):
        open_clips(hmdb)
    with pytest.raises(DataError, match="not a folder"):
        open_clips(tmp_path / "nowhere")


def test_a_list_that_is_no_text_is_reported(ucf):
    (ucf / "ucfTrainTestlist" / "testlist02.txt").write_bytes(b"\xff\xfe\x00\x81")
    assert kinds.FILE_UNREADABLE in [kind for kind, _ in found(open_clips(ucf))]
