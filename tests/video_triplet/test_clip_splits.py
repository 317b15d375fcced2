"""Validation videos come from the training list, whole sources together, and no source is on both sides."""

import pytest
from made_up_clips import HMDB_CLASSES, UCF_CLASSES, write_hmdb51, write_ucf101

from nnunet_dsd.common.errors import DataError, SettingsError
from video_triplet.clips.groups import source_notes, source_of
from video_triplet.clips.reading import open_clips
from video_triplet.clips.splits import official_split
from video_triplet.data import problems as kinds
from video_triplet.data.provenance import LeakError


@pytest.fixture(scope="module")
def ucf(tmp_path_factory):
    root = tmp_path_factory.mktemp("ucf") / "data"
    return open_clips(write_ucf101(root, groups=25, clips=4, test_groups=7, encode=False))


@pytest.fixture(scope="module")
def hmdb(tmp_path_factory):
    films = [f"Film{chr(97 + number // 26)}{chr(97 + number % 26)}_{part}" for number in range(30) for part in (1, 2)]
    return open_clips(write_hmdb51(tmp_path_factory.mktemp("hmdb") / "data", films=films, encode=False))


@pytest.mark.parametrize("layout", ["ucf", "hmdb"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_no_video_and_no_source_is_in_training_and_validation(layout, number, seed, request):
    dataset = request.getfixturevalue(layout)
    split = official_split(dataset, number, seed=seed)
    assert (split.name, split.number) == (dataset.layout, number)
    assert sorted(split.training + split.validation) == sorted(dataset.official[number].training)
    assert split.test == dataset.official[number].test
    sources = [{source_of(dataset.layout, name) for name in part} for part in (split.training, split.validation)]
    assert sources[0] & sources[1] == set()


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_each_class_gives_about_its_fraction(ucf, fraction):
    split = official_split(ucf, 1, validation_fraction=fraction)
    for label in range(len(UCF_CLASSES)):
        total = sum(ucf.videos[name].label == label for name in ucf.official[1].training)
        taken = sum(ucf.videos[name].label == label for name in split.validation)
        assert total == 72
        assert abs(taken - fraction * total) <= 4 / 2  # half a group of four


def test_hmdb_classes_are_stratified_although_a_film_is_in_several(hmdb):
    split = official_split(hmdb, 2)
    for label in range(len(HMDB_CLASSES)):
        total = sum(hmdb.videos[name].label == label for name in hmdb.official[2].training)
        taken = sum(hmdb.videos[name].label == label for name in split.validation)
        assert abs(taken - 0.1 * total) <= 4


def test_the_choice_depends_on_the_seed_alone(ucf):
    assert official_split(ucf, 1, seed=3) == official_split(ucf, 1, seed=3)
    assert official_split(ucf, 1, seed=3).validation != official_split(ucf, 1, seed=4).validation


def test_a_fraction_of_zero_leaves_everything_to_train_on(ucf):
    split = official_split(ucf, 1, validation_fraction=0)
    assert split.validation == ()
    assert split.training == ucf.official[1].training


def test_a_small_class_still_gets_a_source_and_keeps_one(tmp_path):
    dataset = open_clips(write_ucf101(tmp_path / "data", groups=3, clips=1, test_groups=1, encode=False))
    split = official_split(dataset, 1)
    assert sorted(dataset.videos[name].label for name in split.validation) == [0, 1, 2]
    assert sorted(dataset.videos[name].label for name in split.training) == [0, 1, 2]


def test_classes_of_one_source_cannot_be_parted(tmp_path):
    dataset = open_clips(write_ucf101(tmp_path / "data", groups=2, clips=3, test_groups=1, encode=False))
    with pytest.raises(DataError, match="--validation-fraction 0"):
        official_split(dataset, 1)


def test_a_video_in_training_and_test_is_a_leak(tmp_path):
    root = write_ucf101(tmp_path / "data", encode=False)
    shared = (root / "ucfTrainTestlist" / "trainlist02.txt").read_text().split()[0]
    with (root / "ucfTrainTestlist" / "testlist02.txt").open("a") as file:
        file.write(shared + "\n")
    dataset = open_clips(root)
    with pytest.raises(LeakError, match=f"1 video in both training and test, first: {shared}"):
        official_split(dataset, 2)
    official_split(dataset, 1)


def test_impossible_wishes_are_refused(ucf):
    with pytest.raises(DataError, match=r"no lists of split 4; there are those of 1, 2, 3"):
        official_split(ucf, 4)
    for fraction in (-0.1, 0.6):
        with pytest.raises(SettingsError, match="allowed are 0 to"):
            official_split(ucf, 1, validation_fraction=fraction)


def test_sources_are_groups_within_a_class_in_ucf_and_films_over_classes_in_hmdb():
    assert source_of("ucf101", "Archery/v_Archery_g07_c02.avi") == "Archery/g7"
    assert source_of("ucf101", "Archery/holiday.avi") is None
    names = ("wave/Old_Film_1_wave_f_nm_np1_fr_med_0.avi", "brush_hair/Old_Film_12_brush_hair_u_cm_np2_le_bad_13.avi")
    assert [source_of("hmdb51", name) for name in names] == ["Old_Film", "Old_Film"]
    assert source_of("hmdb51", "wave/20060723singer_wave_f_cm_np1_ba_med_0.avi") == "20060723singer"
    assert source_of("hmdb51", "wave/12_wave_f_cm_np1_ba_med_0.avi") == "12"
    assert source_of("hmdb51", "wave/clip.avi") is None


def test_sources_that_the_official_split_shares_are_noted(tmp_path):
    films = ("A_1", "A_2", "B", "C", "D")
    dataset = open_clips(write_hmdb51(tmp_path / "data", films=("X", *films), encode=False))
    notes = [problem.detail for problem in source_notes(dataset) if problem.kind == kinds.SOURCE_SHARED]
    assert notes == ["split 1: A"]
    assert not [problem for problem in source_notes(dataset) if kinds.is_error(problem.kind)]


def test_the_made_up_ucf_groups_are_separate_officially(ucf):
    assert source_notes(ucf) == []
