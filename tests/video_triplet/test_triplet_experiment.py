"""What is refused before a triplet training starts: leaks, missing labels, soft labels that do not fit."""

import dataclasses
import shutil

import numpy as np
import pytest
from triplet_workplace import TINY, experiment, options, tiny_settings

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.files import write_json
from video_triplet.cli.main import main
from video_triplet.data.cache_writing import prepare_cache
from video_triplet.data.checking import readable
from video_triplet.data.frame_cache import FrameCache
from video_triplet.data.frame_sources import FolderFrames
from video_triplet.data.provenance import LeakError, ModelRecord
from video_triplet.data.reading import open_dataset
from video_triplet.data.split import Split
from video_triplet.data.videos import Problem
from video_triplet.predictions.file import Predictions
from video_triplet.trainers.experiment import Experiment, refuse_leaking_soft_labels
from video_triplet.trainers.run import RUN_FILE, refuse_another_training

SPLIT = Split("k-fold", 1, ("VID03",), ("VID04",), ("VID01", "VID02"), "inner")
TEST_FOLD = dataclasses.replace(SPLIT, training=("VID03", "VID04"), validation=SPLIT.test, protocol="test-fold")


def record(trained_on, selected_on=()):
    return ModelRecord("SwinTripletTeacher", "a" * 64, 2, 1, 1, tuple(trained_on), tuple(selected_on))


def soft_labels(dataset, videos, models, *, heads=("triplet",), kind="soft labels"):
    """Soft labels that are 0.25 everywhere."""
    chosen = dataset.subset(videos)
    rows = sum(map(len, chosen))
    return Predictions(
        dataset.vocabulary,
        tuple(videos),
        np.repeat(np.arange(len(chosen)), [len(video) for video in chosen]),
        np.concatenate([video.frames for video in chosen]),
        {head: np.full((rows, dataset.vocabulary.size(head)), 0.25, np.float32) for head in heads},
        tuple(models),
        kind,
    )


@pytest.fixture(scope="module")
def dataset(rendered):
    return open_dataset(rendered)


def student(dataset, labels, split=SPLIT, trainer="SwinTripletStudent", **changes):
    return Experiment(trainer, tiny_settings(trainer, **changes), dataset, split, FolderFrames(dataset, 64), labels)


@pytest.mark.parametrize("seen", ["VID01", "VID04"])
def test_a_teacher_that_was_trained_on_test_or_validation_videos_is_refused(dataset, seen):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03", seen])])
    with pytest.raises(LeakError, match=f"trained on {seen}, which fold 1 of k-fold sets apart"):
        student(dataset, labels)


def test_one_leaking_teacher_among_several_is_enough(dataset):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03"]), record(["VID02", "VID03"])])
    with pytest.raises(LeakError, match="VID02"):
        refuse_leaking_soft_labels(labels, SPLIT)


def test_a_teacher_whose_epoch_was_chosen_on_the_test_videos_is_refused(dataset):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03"], ["VID01"])])
    with pytest.raises(LeakError, match="epoch was chosen on VID01"):
        student(dataset, labels)


def test_the_authors_protocol_chooses_on_the_test_videos_and_says_so_in_the_record(dataset):
    labels = soft_labels(dataset, TEST_FOLD.training, [record(TEST_FOLD.training, TEST_FOLD.test)])
    made = student(dataset, labels, TEST_FOLD).record(checkpoint="b", epoch=1)
    assert made.selected_on == TEST_FOLD.test
    assert made.trained_on == TEST_FOLD.training


def test_a_student_s_record_has_its_teacher_s_videos_too(dataset):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03", "VID77"], ["VID78"])])
    made = student(dataset, labels).record(checkpoint="b", epoch=1)
    assert (made.trained_on, made.selected_on) == (("VID03", "VID77"), ("VID04", "VID78"))
    assert made.soft_labels == labels.content_hash


def test_with_the_last_epoch_no_video_has_chosen_it(dataset):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03"])])
    assert student(dataset, labels, choose_epoch="last").record(checkpoint="b", epoch=2).selected_on == ()


def test_predictions_are_no_soft_labels(dataset):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03"])], kind="predictions")
    with pytest.raises(DataError, match="predictions, not soft labels"):
        student(dataset, labels)


def test_soft_labels_without_a_model_are_refused(dataset):
    with pytest.raises(DataError, match="not soft labels"):
        student(dataset, soft_labels(dataset, ["VID03"], []))


def test_soft_labels_must_cover_every_training_frame(dataset):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03"])])
    with pytest.raises(DataError, match="missing for 1 of 16 frames, first: VID03 frame 15"):
        student(dataset, labels.select(np.arange(15)))


def test_soft_labels_must_have_the_student_s_heads(dataset):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03"])])
    with pytest.raises(DataError, match="no instrument, verb, target, which SwinTripletMultiTaskStudent learns"):
        student(dataset, labels, trainer="SwinTripletMultiTaskStudent")


def test_soft_labels_of_another_vocabulary_are_refused(dataset):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03"])])
    names = dataclasses.replace(labels.vocabulary, phases=tuple(f"x{name}" for name in labels.vocabulary.phases))
    with pytest.raises(DataError, match="another vocabulary"):
        student(dataset, dataclasses.replace(labels, vocabulary=names))


def test_a_student_without_soft_labels_and_a_teacher_with_them_are_refused(dataset):
    with pytest.raises(DataError, match="is a student and learns from soft labels"):
        student(dataset, None)
    with pytest.raises(DataError, match="is a teacher and learns from hard labels"):
        student(dataset, soft_labels(dataset, ["VID03"], [record(["VID03"])]), trainer="SwinTripletTeacher")


def test_targets_follow_video_and_frame_not_the_order_of_the_file(dataset):
    labels = soft_labels(dataset, ["VID03"], [record(["VID03"])])
    distinct = np.linspace(0, 1, 16, dtype=np.float32)[:, None] * np.ones_like(labels.probabilities["triplet"])
    labels = dataclasses.replace(labels, probabilities={"triplet": distinct})
    shuffled = labels.select(np.random.default_rng(0).permutation(16))
    assert np.array_equal(student(dataset, shuffled).targets["triplet"], distinct)


def test_a_phase_head_needs_phases(dataset, rendered):
    without = {
        name: dataclasses.replace(video, labels={h: v for h, v in video.labels.items() if h != "phase"})
        for name, video in dataset.videos.items()
    }
    bare = dataclasses.replace(dataset, videos=without)
    with pytest.raises(DataError, match=r"no labels for the head 'phase'.*--phases"):
        student(bare, None, trainer="SwinTripletPhaseTeacher")


def test_the_best_epoch_needs_a_validation_video_with_triplets(dataset):
    empty = dict(dataset.videos)
    labels = {head: np.zeros_like(values) for head, values in empty["VID04"].labels.items()}
    empty["VID04"] = dataclasses.replace(empty["VID04"], labels=labels)
    with pytest.raises(DataError, match="no validation video has a triplet"):
        student(dataclasses.replace(dataset, videos=empty), None, trainer="SwinTripletTeacher")


def test_frames_of_another_size_are_refused(dataset):
    settings = tiny_settings()
    with pytest.raises(DataError, match="32 pixels wide, this training needs 64"):
        Experiment("SwinTripletTeacher", settings, dataset, SPLIT, FolderFrames(dataset, 32))


def test_a_data_set_with_problems_is_used_only_on_demand(dataset):
    broken = dataclasses.replace(dataset, problems=(Problem("wrong number of columns", "VID01", "line 3"),))
    source = FolderFrames(dataset, 64)
    with pytest.raises(DataError, match=r"wrong number of columns \(1\)"):
        readable(broken, source, sound_only=False)
    assert readable(broken, source, sound_only=True).videos.keys() == dataset.videos.keys()


def test_frames_that_the_source_does_not_give_are_left_out_on_demand(dataset):
    class WithoutFrameThree(FolderFrames):
        def has(self, video, frame):
            return frame != 3 and super().has(video, frame)

    source = WithoutFrameThree(dataset, 64)
    with pytest.raises(DataError, match=r"image broken \(4\)"):
        readable(dataset, source, sound_only=False)
    kept = readable(dataset, source, sound_only=True)
    assert all(len(video) == 15 and 3 not in video.frames for video in kept.videos.values())


def test_a_folder_with_another_training_is_refused_with_what_differs(rendered, tmp_path):
    refuse_another_training(tmp_path, experiment(rendered))
    write_json(tmp_path / RUN_FILE, experiment(rendered).describe())
    refuse_another_training(tmp_path, experiment(rendered))
    with pytest.raises(SettingsError) as caught:
        refuse_another_training(tmp_path, experiment(rendered, epochs=3, fold=2))
    assert "settings.epochs is 2 there, now 3" in str(caught.value)
    assert "split.fold is 1 there, now 2" in str(caught.value)


@pytest.fixture
def damaged(rendered, tmp_path):
    """The data set with two images that were cut off and one that is missing."""
    shutil.copytree(rendered, tmp_path / "damaged")
    folder = tmp_path / "damaged" / "data" / "VID02"
    for frame in (3, 5):
        path = folder / f"{frame:06d}.png"
        path.write_bytes(path.read_bytes()[:-200])
    (folder / "000007.png").unlink()
    return tmp_path / "damaged"


def test_images_that_were_cut_off_are_counted_and_left_out(damaged):
    dataset = open_dataset(damaged)
    source = FolderFrames(dataset, 64)
    with pytest.raises(DataError, match=r"image broken \(2\), label without image \(1\)"):
        readable(dataset, source, sound_only=False)
    kept = readable(dataset, source, sound_only=True).videos["VID02"]
    assert sorted(set(range(16)) - set(kept.frames.tolist())) == [3, 5, 7]


def test_the_whole_method_runs_twice_on_a_damaged_data_set_without_cache(damaged, tmp_path):
    split = ["--split", "k-fold", "--folds", "2", "--validation-videos", "1", "--only-folds", "1"]
    machine = ["--accelerator", "cpu", "--workers", "0", *options({**TINY, "epochs": 1})]
    command = ["cross-validate", "-o", str(tmp_path / "runs"), "--data", str(damaged), *split, *machine]
    command += ["--configurations", "SwinT+SelfD"]
    assert main(command) == 1
    assert [main([*command, "--sound-only"]) for _ in range(2)] == [0, 0]


def test_triplets_that_contradict_their_components_are_an_error_for_a_training_too(dataset):
    videos = dict(dataset.videos)
    labels = {**videos["VID01"].labels, "instrument": np.zeros_like(videos["VID01"].labels["instrument"])}
    videos["VID01"] = dataclasses.replace(videos["VID01"], labels=labels)
    wrong = dataclasses.replace(dataset, videos=videos)
    with pytest.raises(DataError, match="triplet contradicts components"):
        readable(wrong, FolderFrames(dataset, 64), sound_only=False)


def test_another_file_of_pre_trained_weights_is_another_training(rendered, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"one")
    before = experiment(rendered, weights=str(path)).describe()
    path.write_bytes(b"two")
    assert experiment(rendered, weights=str(path)).describe() != before


def test_a_training_with_a_cache_is_the_same_as_without(rendered, tmp_path):
    dataset = open_dataset(rendered)
    prepare_cache(dataset, tmp_path / "cache", size=64)
    cached = dataclasses.replace(experiment(rendered), source=FrameCache.open(tmp_path / "cache"))
    assert cached.describe() == experiment(rendered).describe()


def test_a_model_without_a_description_is_refused(rendered, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"no run\.json beside its model\.pt"):
        refuse_another_training(tmp_path, experiment(rendered))
