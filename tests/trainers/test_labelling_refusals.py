"""What cannot be labelled, or by whom, is refused in one sentence before anything is predicted."""

import dataclasses
import json
import os
import resource
import shutil
from contextlib import contextmanager

import pytest
import torch
from soft_label_place import SoftLabelPlace
from trainer_workplace import CLASSES, read, write_model

from nnunet_dsd.common import files
from nnunet_dsd.common.errors import CheckpointError, DataError, DivergenceError, SetupError, TeacherError
from nnunet_dsd.labelling.announcement import COMPRESSED, DISAGREEMENT_BYTES, announce, needed_bytes, summary
from nnunet_dsd.labelling.prediction import Panel
from nnunet_dsd.labelling.run import label
from nnunet_dsd.labelling.work import prepare
from nnunet_dsd.soft_labels.folder import SoftLabelSet
from nnunet_dsd.soft_labels.names import MANIFEST, SETS


@pytest.fixture
def place(data_folder, tmp_path, monkeypatch, nnunet):
    return SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch)


@pytest.fixture
def unasked(monkeypatch):
    """Nothing may be predicted."""

    def ask(*arguments):
        raise AssertionError("a teacher was asked")

    monkeypatch.setattr(Panel, "ask", ask)


def said_of(place, error, *teachers, **changes):
    with pytest.raises(error) as told:
        prepare(place.request(*teachers, **changes))
    assert not (place.preprocessed / SETS / "soft").exists()
    return str(told.value)


def rewrite(path, **entries):
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_everything_about_the_teachers_is_told_at_once(place, unasked):
    good = place.teacher(fold=0)
    other = place.teacher(fold=0, plans="other")
    rewrite(other / "dataset.json", labels={"background": 0, "organ": 1}, channel_names={"0": "CT"})
    unfinished = place.trainer("nnUNetTrainerStock", CLASSES, plans=place.plans(name="unfinished"), fold=0)
    unfinished.initialize()
    write_model(unfinished, final=False)
    name = "nnUNetTrainerStock__unfinished__3d_fullres"
    said = said_of(place, TeacherError, good, other, name, "nnUNetTrainerStock__missing__3d_fullres", folds=("0", "3"))
    assert "its labels are {'background': 0, 'organ': 1}" in said
    assert "its image channels are {'0': 'CT'}" in said
    assert "the training of its fold 0 is not finished: there is checkpoint_latest.pth" in said
    assert f"there is no {good / 'fold_3'}" in said
    assert "nnUNetTrainerStock__missing__3d_fullres" in said


def test_a_teacher_of_another_data_set_is_refused(place, unasked):
    teacher = place.teacher(fold=0)
    rewrite(teacher / "plans.json", dataset_name="Dataset999_Other")
    assert "it was trained on Dataset999_Other" in said_of(place, TeacherError, teacher)


def test_a_model_counts_once_however_it_is_spelled(place, unasked):
    teacher = place.teacher(fold=0)
    link = place.folder / "elsewhere" / teacher.name
    link.parent.mkdir()
    link.symlink_to(teacher)
    with pytest.raises(TeacherError, match=f"{teacher} is named twice"):
        prepare(dataclasses.replace(place.request(teacher), teachers=(teacher.name, str(link))))


def test_a_fold_in_another_folds_folder_is_refused(place, unasked):
    """It would label the cases that it was trained on."""
    teacher = place.teacher(fold=0)
    (teacher / "fold_0").rename(teacher / "fold_1")
    said = said_of(place, TeacherError, teacher)
    assert "was trained as fold 0, and its folder says fold 1" in said


def test_a_broken_checkpoint_and_a_trainer_that_is_not_there_are_found_before_the_first_case(place, unasked):
    broken, foreign = place.teacher(fold=0), place.teacher(fold=0, plans="other")
    (broken / "fold_0" / "checkpoint_final.pth").write_bytes(b"no checkpoint")
    path = foreign / "fold_0" / "checkpoint_final.pth"
    torch.save({**read(path), "trainer_name": "nnUNetTrainerOfSomebodyElse"}, path)
    said = said_of(place, TeacherError, broken, foreign)
    assert str(broken / "fold_0") in said
    assert "nnU-Net finds no trainer nnUNetTrainerOfSomebodyElse" in said


def test_weights_of_another_network_are_found_before_the_first_case(place, unasked):
    place.teacher(fold=0)
    teacher = place.teacher(fold=1)
    path = teacher / "fold_1" / "checkpoint_final.pth"
    checkpoint = read(path)
    first = next(iter(checkpoint["network_weights"]))
    checkpoint["network_weights"][first] = checkpoint["network_weights"][first][:2]
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match="do not fit the network"):
        label(prepare(place.request(teacher)), say=lambda line: None)


def test_models_that_saw_every_case_may_label_none(place, unasked):
    said = said_of(place, DataError, place.teacher(fold="all"))
    assert "every one of 1 model was trained on every case, so none may label it" in said


def test_cascades_are_refused_as_students_and_as_teachers(place, cascade_plans, unasked):
    (place.preprocessed / "cascaded.json").write_text(json.dumps(cascade_plans))
    teacher = place.teacher(fold=0)
    said = said_of(place, DataError, teacher, plans="cascaded", configuration="3d_cascade_fullres")
    assert "is the second stage of a cascade" in said
    second = teacher.parent / "nnUNetTrainerStock__cascaded__3d_cascade_fullres"
    shutil.copytree(teacher, second)
    (second / "plans.json").write_text(json.dumps(cascade_plans))
    assert "one of them is the second stage of a cascade" in said_of(place, TeacherError, second)


def test_plans_configurations_and_data_that_are_not_there(place, unasked):
    teacher = place.teacher(fold=0)
    assert "there is no plans file" in said_of(place, DataError, teacher, plans="missing")
    assert "have no configuration '3d_lowres'; they have: 2d" in said_of(
        place, DataError, teacher, configuration="3d_lowres"
    )
    prepared = place.preprocessed / "nnUNetPlans_3d_fullres"
    (prepared / "ball_2_seg.b2nd").unlink()
    assert "lacks 1 file (ball_2_seg.b2nd); run `nnUNetv2_preprocess" in said_of(place, DataError, teacher)
    shutil.rmtree(prepared)
    prepared.mkdir()
    (prepared / ".DS_Store").write_text("")
    assert "holds no preprocessed cases; run `nnUNetv2_preprocess -d" in said_of(place, DataError, teacher)


def test_a_device_that_is_not_there(place, unasked, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no CUDA device here; give --device cpu" in said_of(place, SetupError, place.teacher(fold=0), device="cuda")


def test_the_raw_data_are_needed_only_where_they_are(place, monkeypatch):
    teacher, other = place.teacher(fold=0), place.teacher(fold=0, configuration="2d")
    monkeypatch.delenv("nnUNet_raw")
    assert place.label(teacher).missing() == []
    with pytest.raises(DataError, match="are not in nnUNet_raw: put them back"):
        prepare(place.request(other, name="other"))


def test_images_that_are_cases_already_are_refused(place, unasked):
    teacher = place.teacher(fold=0)
    for part, called in (("Tr", "ball_0"), ("Ts", "test case ball_0")):
        folder = place.folder / f"again{part}"
        folder.mkdir()
        source = place.folder / "raw" / CLASSES / f"images{part}" / "ball_0_0000.nii.gz"
        shutil.copyfile(source, folder / "renamed_0000.nii.gz")
        assert f"renamed is a copy of {called}" in said_of(place, DataError, teacher, unlabelled=folder)
    named = place.folder / "named"
    named.mkdir()
    shutil.copyfile(next(place.images(1).iterdir()), named / "ball_3_0000.nii.gz")
    shutil.rmtree(place.folder / "raw" / CLASSES / "imagesTr")
    assert "ball_3 is a case of the data set" in said_of(place, DataError, teacher, unlabelled=named)


def test_an_image_that_is_cut_off_is_found_before_the_first_case(place, unasked):
    images = place.images(2)
    path = images / "new_1_0000.nii.gz"
    path.write_bytes(path.read_bytes()[:-400])
    assert str(path) in said_of(place, DataError, place.teacher(fold=0), unlabelled=images)


def test_numbers_that_are_none_are_refused(place):
    teacher = place.teacher(fold=0)
    path = teacher / "fold_0" / "checkpoint_final.pth"
    checkpoint = read(path)
    for value in checkpoint["network_weights"].values():
        value.fill_(float("nan"))
    torch.save(checkpoint, path)
    with pytest.raises(DivergenceError, match="fold 0 predicts numbers that are not finite for ball_"):
        place.label(teacher)


@pytest.fixture
def made(place):
    return place, place.teacher(fold=0), place.images(2)


def test_another_request_under_the_same_name_is_refused_and_what_differs_is_named(made):
    place, teacher, images = made
    soft_labels = place.label(teacher, unlabelled=images)
    before = {path: path.read_bytes() for path in soft_labels.folder.rglob("*") if path.is_file()}
    other = place.teacher(fold=1)
    for changes, said in (
        ({"unlabelled": images, "folds": ("0",), "mirroring": True}, "mirroring was False, now True"),
        ({"unlabelled": images, "folds": ("0", "1")}, f"teachers had no {other.name}, fold 1"),
        ({"folds": ("0",)}, "unlabelled had new_0, new_1"),
        ({"unlabelled": images, "folds": ("0",), "in_sample": True}, "in_sample was False, now True"),
    ):
        with pytest.raises(DataError, match=said):
            prepare(place.request(teacher, **changes))
    assert before == {path: path.read_bytes() for path in soft_labels.folder.rglob("*") if path.is_file()}


def test_an_edited_manifest_that_leaks_is_refused(made):
    place, teacher, _ = made
    soft_labels = place.label(teacher)
    seen = soft_labels.manifest.teachers[0].trained_on[0]
    path = soft_labels.folder / MANIFEST
    rewrite(path, labelled={**{case: list(by) for case, by in soft_labels.manifest.labelled.items()}, seen: [0]})
    with pytest.raises(DataError, match=f"'{seen}' is labelled by .* which was trained on it"):
        prepare(place.request(teacher))
    with pytest.raises(DataError, match="which was trained on it"):
        SoftLabelSet.open(soft_labels.folder)


@pytest.mark.parametrize(
    ("held", "asked", "free"),
    [
        ((1, 1), (1, 1), False),
        ((1, 1), (2, 3), False),
        ((1, 2), (1, 4), False),
        ((1, 2), (2, 4), True),
        ((1, 2), (2, 2), True),
    ],
)
def test_a_case_is_labelled_by_one_process_at_a_time(made, monkeypatch, held, asked, free):
    place, teacher, _ = made
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.0)
    folder = place.preprocessed / SETS / "soft"
    lock = folder / f".part-{held[0]}-of-{held[1]}.lock"
    with files.exclusive(lock, busy="held by the test"):
        work = prepare(place.request(teacher, part=asked))
        if free:
            label(work, say=lambda line: None)
        else:
            with pytest.raises(SetupError, match="another process labels part"):
                label(work, say=lambda line: None)
    label(work, say=lambda line: None)


def test_a_read_only_folder_is_refused_before_anything_is_predicted(made, unasked):
    place, teacher, _ = made
    sets = place.preprocessed / SETS
    sets.write_text("a file in the folder's place")
    with pytest.raises(SetupError, match=f"{sets} is a file"):
        prepare(place.request(teacher))


@contextmanager
def no_file_beyond(size):
    """A disk that is full, as far as files of this size are concerned."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [300, 3000])
def test_on_a_full_disk_it_stops_with_a_sentence_and_goes_on_when_there_is_room(made, size):
    place, teacher, images = made
    whole = place.label(teacher, name="whole", unlabelled=images)
    work = prepare(place.request(teacher, unlabelled=images))
    work.soft_labels.folder.mkdir(parents=True)
    work.soft_labels.manifest.write(work.soft_labels.folder)
    with no_file_beyond(size), pytest.raises((SetupError, OSError)) as told:
        label(work, say=lambda line: None)
    assert "could not be written" in str(told.value) or isinstance(told.value, OSError)
    assert label(prepare(place.request(teacher, unlabelled=images)), say=lambda line: None) == []
    for case in whole.manifest.cases:
        assert (work.soft_labels.planes(case)[:] == whole.planes(case)[:]).all()


def test_what_will_be_done_and_what_it_takes_is_said_before(made, monkeypatch):
    place, teacher, images = made
    work = prepare(place.request(teacher, unlabelled=images))
    said = list(announce(work))
    assert said[0] == f"teacher 1: {teacher.name}, fold 0"
    assert "1 labelled case and 2 images without labels" in said
    assert any(line.startswith("note: 4 labelled cases have no teacher that was not trained on them") for line in said)
    assert not work.soft_labels.folder.exists()
    monkeypatch.setattr("nnunet_dsd.labelling.announcement.free_bytes", lambda path: 100.0)
    with pytest.raises(SetupError, match="make room"):
        list(announce(work))


def test_the_room_it_takes_counts_voxels_and_the_copies_of_images_without_labels(made):
    place, teacher, images = made
    voxels, planes = 16 * 24 * 24, 3
    prepared = place.preprocessed / "nnUNetPlans_3d_fullres"
    stored = sum(path.stat().st_size for path in prepared.glob("ball_*")) / 5
    per_case = voxels * (COMPRESSED * planes + DISAGREEMENT_BYTES)
    assert needed_bytes(prepare(place.request(teacher))) == pytest.approx(per_case)
    both = prepare(place.request(teacher, unlabelled=images))
    assert needed_bytes(both) == pytest.approx(3 * per_case + 2 * stored)
    label(both, say=lambda line: None)
    assert needed_bytes(both) == 0


def test_a_split_that_is_newer_than_the_model_is_told(made):
    place, teacher, _ = made
    splits = place.preprocessed / "splits_final.json"
    later = (teacher / "fold_0" / "checkpoint_final.pth").stat().st_mtime + 10
    assert not any("splits_final.json" in line for line in announce(prepare(place.request(teacher))))
    os.utime(splits, (later, later))
    assert any(
        line.startswith(f"note: {teacher.name}, fold 0 has no validation results, and")
        for line in announce(prepare(place.request(teacher)))
    )


def test_afterwards_it_is_said_what_comes_next(made):
    place, teacher, images = made
    work = prepare(place.request(teacher, unlabelled=images))
    left = label(work, say=lambda line: None)
    said = list(summary(work, left))
    assert said[0].startswith(f"written: {work.soft_labels.folder}, 3 cases")
    assert "next: nnunet-dsd plan" in said[-1]
    assert "--soft-labels soft" in said[-1]
