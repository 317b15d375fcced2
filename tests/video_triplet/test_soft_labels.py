"""Soft labels of a trained teacher: of its training frames only, not augmented, with provenance."""

import dataclasses

import numpy as np
import pytest
import torch
from triplet_workplace import CPU, experiment

from nnunet_dsd.common.errors import DataError
from video_triplet.data.frame_sources import FolderFrames
from video_triplet.data.provenance import LeakError
from video_triplet.data.reading import open_dataset
from video_triplet.models.model_file import load_model
from video_triplet.models.soft_labels import label_training_frames, load_teachers
from video_triplet.predictions.file import average, load_predictions
from video_triplet.predictions.metrics import evaluate
from video_triplet.trainers.run import train


@pytest.fixture(scope="module")
def labelled(teacher_file, rendered):
    """The teacher, the data set and the teacher's soft labels."""
    dataset = open_dataset(rendered)
    teacher = load_model(teacher_file)
    return teacher, dataset, label_training_frames(teacher, dataset, FolderFrames(dataset, 64))


def test_only_frames_of_training_videos_are_labelled_and_all_of_them(labelled):
    teacher, dataset, soft = labelled
    expected = [(name, int(f)) for name in teacher.record.trained_on for f in dataset.videos[name].frames]
    assert soft.keys == expected
    assert soft.kind == "soft labels"
    assert soft.models == (teacher.record,)


def test_soft_labels_are_the_sigmoid_of_the_logits_of_the_plain_image(labelled):
    teacher, dataset, soft = labelled
    source = FolderFrames(dataset, 64)
    for row in (0, 7, len(soft) - 1):
        image = torch.from_numpy(np.array(source.read(*soft.keys[row]))).permute(2, 0, 1)[None]
        with torch.no_grad():
            logits = teacher.network.eval()(image)["triplet"][0].numpy().astype(np.float64)
        np.testing.assert_allclose(soft.probabilities["triplet"][row], 1 / (1 + np.exp(-logits)), rtol=1e-4, atol=1e-6)


def test_labelling_twice_gives_the_same_file(labelled, tmp_path):
    teacher, dataset, soft = labelled
    again = label_training_frames(teacher, dataset, FolderFrames(dataset, 64), batch_size=5)
    np.testing.assert_allclose(again.probabilities["triplet"], soft.probabilities["triplet"], atol=1e-5)
    soft.save(tmp_path / "soft.npz")
    assert load_predictions(tmp_path / "soft.npz").content_hash == soft.content_hash


def test_a_student_learns_from_them_and_names_them_in_its_record(labelled, rendered, tmp_path):
    teacher, _, soft = labelled
    made = experiment(rendered, "SwinTripletStudent", soft_labels=soft, epochs=1)
    record = load_model(train(made, tmp_path, CPU)).record
    assert record.soft_labels == soft.content_hash
    assert set(teacher.record.trained_on) <= set(record.trained_on)
    assert record.seed == 2


def test_soft_labels_of_another_fold_are_refused(labelled, rendered):
    with pytest.raises(LeakError, match="fold 2 of k-fold sets apart"):
        experiment(rendered, "SwinTripletStudent", fold=2, soft_labels=labelled[2])


def test_scoring_a_model_on_its_training_videos_is_refused(labelled):
    _, dataset, soft = labelled
    with pytest.raises(LeakError, match="used to train this model"):
        evaluate(soft, dataset.subset(soft.videos))


def test_a_data_set_without_the_teacher_s_videos_is_refused(labelled):
    teacher, dataset, _ = labelled
    one = dataclasses.replace(dataset, videos={"VID01": dataset.videos["VID01"]})
    lost = dataclasses.replace(teacher, record=dataclasses.replace(teacher.record, trained_on=("VID01", "VID99")))
    with pytest.raises(DataError, match="no video VID99"):
        label_training_frames(lost, one, FolderFrames(dataset, 64))


def test_frames_of_another_size_than_the_teacher_s_are_refused(labelled):
    teacher, dataset, _ = labelled
    with pytest.raises(DataError, match="32 pixels wide, the model was trained with 64"):
        label_training_frames(teacher, dataset, FolderFrames(dataset, 32))


def test_several_teachers_of_one_fold_are_averaged(labelled, rendered, teacher_file, tmp_path):
    dataset = labelled[1]
    second = train(experiment(rendered, seed=9, epochs=1), tmp_path / "second", CPU)
    teachers = load_teachers([teacher_file, second], device="cpu")
    source = FolderFrames(dataset, 64)
    parts = [label_training_frames(teacher, dataset, source) for teacher in teachers]
    mean = average(parts)
    expected = (parts[0].probabilities["triplet"] + parts[1].probabilities["triplet"]) / 2
    np.testing.assert_allclose(mean.probabilities["triplet"], expected, rtol=1e-5)
    assert len(mean.models) == 2
    assert mean.kind == "soft labels"


def test_teachers_of_different_folds_are_not_averaged(rendered, teacher_file, tmp_path):
    other = train(experiment(rendered, fold=2, epochs=1), tmp_path / "other", CPU)
    with pytest.raises(LeakError, match="not trained on the same videos"):
        load_teachers([teacher_file, other], device="cpu")
