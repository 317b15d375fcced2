"""Every command on frames with classes that are no triplets: multi-label JPEG frames with phases, tiny trainings."""

import csv
import json

import numpy as np
import pytest
from made_up_frames_csv import CLASSES, draw_rows, write_frames
from metric_oracle import average_precision, mean
from triplet_workplace import TINY, options

from video_triplet.cli.main import main
from video_triplet.data.frame_cache import FrameCache
from video_triplet.data.images import read_image
from video_triplet.data.reading import open_dataset
from video_triplet.models.model_file import load_model
from video_triplet.predictions.file import load_predictions

SPLIT = ["--split", "k-fold", "--folds", "2", "--validation-videos", "1"]
SMALL = ["--accelerator", "cpu", "--workers", "0", *options({**TINY, "epochs": 1})]


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Four videos of eight frames with none to two labels each."""
    rows = draw_rows(most=2, phases=("before", "after"), seed=4)
    return write_frames(tmp_path_factory.mktemp("multi") / "data", rows)


@pytest.fixture(scope="module")
def runs(frames, tmp_path_factory):
    """A cache, a teacher on it, its soft labels, and a student: the folder of all."""
    folder = tmp_path_factory.mktemp("runs")
    cache, teacher, student = folder / "cache", folder / "teacher", folder / "student"
    data = ["--data", str(frames), "--cache", str(cache)]
    soft = str(folder / "soft.npz")
    assert main(["prepare", str(frames), "-o", str(cache), "--size", "64", "--workers", "1", "--verify"]) == 0
    assert main(["train", "-tr", "SwinTripletTeacher", "-o", str(teacher), *data, *SPLIT, *SMALL]) == 0
    assert main(["soft-labels", str(teacher / "model.pt"), "-o", soft, "--workers", "0", "--device", "cpu", *data]) == 0
    chosen = ["train", "-tr", "SwinTripletStudent", "-o", str(student), "--soft-labels", soft]
    assert main([*chosen, *data, *SPLIT, *SMALL]) == 0
    return folder


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def test_check_and_splits_speak_of_classes(frames, capsys):
    assert main(["check", str(frames), "--workers", "0"]) == 0
    shown = capsys.readouterr().out
    assert "4 classes, 2 phases" in shown
    assert "classes never seen" in shown
    assert "triplet" not in shown
    assert "0 errors, 0 notes." in shown
    assert main(["splits", str(frames)]) == 0
    assert "k-fold" in capsys.readouterr().out


def test_the_cache_holds_the_jpeg_frames(frames, runs):
    cache, dataset = FrameCache.open(runs / "cache"), open_dataset(frames)
    for video in dataset.videos.values():
        for frame in video.frames.tolist():
            image = read_image(video.image_path(frame), size=64)
            np.testing.assert_array_equal(cache.read(video.name, frame), image)


def test_the_models_know_the_names_of_the_classes(frames, runs):
    for role in ("teacher", "student"):
        model = load_model(runs / role / "model.pt")
        assert model.vocabulary == open_dataset(frames).vocabulary
        assert model.vocabulary.names("triplet") == CLASSES
    assert load_predictions(runs / "soft.npz").heads == ("triplet",)


def test_training_without_a_cache_reads_the_same_pixels(frames, runs, tmp_path):
    data = ["--data", str(frames)]
    assert main(["train", "-tr", "SwinTripletTeacher", "-o", str(tmp_path), *data, *SPLIT, *SMALL]) == 0
    records = [load_model(folder / "model.pt").record for folder in (tmp_path, runs / "teacher")]
    assert records[0] == records[1]


def test_evaluate_gives_the_average_precision_of_the_oracle(frames, runs, tmp_path, capsys):
    file = runs / "student" / "test.npz"
    assert main(["evaluate", str(file), "--data", str(frames), "-o", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "classes without components" in shown
    assert [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")] == ["classes"]
    predictions = load_predictions(file)
    with (frames / "frames.csv").open(newline="") as table:
        labels = {(row["video"], int(row["frame"])): row["labels"].split(";") for row in csv.DictReader(table)}
    expected = []
    for column, name in enumerate(CLASSES):
        per_video = []
        for video in range(len(predictions.videos)):
            found = predictions.select(predictions.video_ids == video)
            targets = [int(name in labels[key]) for key in found.keys]
            per_video.append(average_precision(targets, found.probabilities["triplet"][:, column].tolist()))
        expected.append(mean(per_video))
    with (tmp_path / "per_class.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [(row["score"], row["class"]) for row in rows] == [("ivt", name) for name in CLASSES]
    np.testing.assert_allclose([float(row["ap"] or "nan") for row in rows], expected, rtol=1e-6)
    written = json.loads((tmp_path / "evaluation.json").read_text())["folds"][0]["scores"]
    assert list(written) == ["ivt"]
    assert written["ivt"]["mean_ap"] == pytest.approx(mean(expected))


def test_null_triplets_cannot_be_ignored_where_there_are_no_triplets(frames, runs, capsys):
    assert main(["evaluate", str(runs / "student" / "test.npz"), "--data", str(frames), "--ignore-null"]) == 1
    assert "no null triplets to ignore; leave out --ignore-null" in capsys.readouterr().err


def test_analyse_leaves_out_what_needs_components(frames, runs, tmp_path, capsys):
    files = ["--soft-labels", str(runs / "soft.npz"), "--predictions", f"student={runs / 'student' / 'test.npz'}"]
    assert main(["analyse", "--data", str(frames), *files, "--examples", "1", "-o", str(tmp_path)]) == 0
    assert "similarity is left out" in capsys.readouterr().out
    content = json.loads((tmp_path / "analysis.json").read_text())
    assert content["similarity"] is None
    assert set(content["label_distribution"]) == set(CLASSES)
    assert content["examples"][0]["matches"] is None
    assert sorted(content["examples"][0]["names"]) == sorted(CLASSES)
    assert (tmp_path / content["examples"][0]["file"]).is_file()


def test_a_multi_task_trainer_says_that_it_needs_components(frames, tmp_path, capsys):
    command = ["train", "-tr", "SwinTripletMultiTaskTeacher", "-o", str(tmp_path), "--data", str(frames)]
    assert main([*command, *SPLIT, *SMALL]) == 1
    assert "no labels for the head 'instrument'" in capsys.readouterr().err


def test_ensemble_averages_and_cross_validate_prints_one_column_of_map(frames, runs, tmp_path, capsys):
    files = [str(runs / role / "test.npz") for role in ("teacher", "student")]
    assert main(["ensemble", *files, "-o", str(tmp_path / "both.npz")]) == 0
    assert main(["evaluate", str(tmp_path / "both.npz"), "--data", str(frames)]) == 0
    study = ["cross-validate", "-o", str(tmp_path), "--configurations", "SwinT+SelfD", "--only-folds", "1"]
    assert main([*study, "--data", str(frames), *SPLIT, *SMALL]) == 0
    table = (tmp_path / "table.md").read_text()
    assert table.splitlines()[0].strip("| ").split(" | ")[2:] == ["mAP classes", "top-5"]
    assert "null" not in table
    assert list(json.loads((tmp_path / "table.json").read_text())[0]["mean_ap"]) == ["ivt"]


def test_single_label_png_frames_with_triplet_names_train_all_heads(tmp_path, capsys):
    names = ("hook,dissect,gallbladder", "grasper,grasp,gallbladder", "grasper,null_verb,null_target")
    rows = draw_rows(classes=names, ending="png", phases=("before", "after"))
    root = write_frames(tmp_path / "data", rows, classes=names)
    command = ["train", "-tr", "SwinTripletPhaseTeacher", "-o", str(tmp_path / "run"), "--data", str(root)]
    assert main([*command, *SPLIT, *SMALL]) == 0
    predictions = load_predictions(tmp_path / "run" / "test.npz")
    assert predictions.heads == ("triplet", "instrument", "verb", "target", "phase")
    assert predictions.vocabulary.names("triplet") == names
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run" / "test.npz"), "--data", str(root), "--ignore-null"]) == 0
    shown = [line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert shown[:7] == ["ivt", "i", "v", "t", "iv", "it", "vt"]
