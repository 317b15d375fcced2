"""The whole way on real frames of CholecT50, where they are on this machine."""

import json

import pytest
from made_up_datasets import SAMPLE
from triplet_workplace import TINY, options

from video_triplet.cli.main import main
from video_triplet.predictions.file import load_predictions

pytestmark = pytest.mark.skipif(SAMPLE is None, reason="the CholecT50 sample is not on this machine")
SPLIT = ["--split", "k-fold", "--folds", "3", "--validation-videos", "1", "--sound-only"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of the sample's frames."""
    folder = tmp_path_factory.mktemp("real") / "cache"
    assert main(["prepare", str(SAMPLE), "-o", str(folder), "--size", "64", "--workers", "1"]) == 0
    return folder


def test_the_sample_is_refused_without_being_told_to_pass_over_what_is_missing(cache, tmp_path, capsys):
    command = ["train", "-tr", "SwinTripletTeacher", "--data", str(SAMPLE), "--cache", str(cache), *SPLIT[:-1]]
    assert main([*command, "-o", str(tmp_path), "--accelerator", "cpu", *options(TINY)]) == 1
    assert "label without image (142)" in capsys.readouterr().err


def test_the_official_splits_are_refused_for_three_videos(cache, tmp_path, capsys):
    command = ["train", "-tr", "SwinTripletTeacher", "--data", str(SAMPLE), "--cache", str(cache), "--sound-only"]
    assert main([*command, "-o", str(tmp_path), "--accelerator", "cpu", *options(TINY)]) == 1
    assert "k-fold" in capsys.readouterr().err


def test_teacher_student_prediction_and_score(cache, tmp_path, capsys):
    data = ["--data", str(SAMPLE), "--cache", str(cache), "--sound-only"]
    machine = ["--accelerator", "cpu", "--workers", "0", *options({**TINY, "epochs": 1})]
    teacher, student, soft = tmp_path / "teacher", tmp_path / "student", tmp_path / "soft.npz"
    common = [*data, *SPLIT[:-1], *machine]
    assert main(["train", "-tr", "SwinTripletPhaseTeacher", "-o", str(teacher), *common]) == 0
    assert main(["soft-labels", str(teacher / "model.pt"), "-o", str(soft), *data, "--workers", "0"]) == 0
    learn = ["train", "-tr", "SwinTripletPhaseStudent", "-o", str(student), "--soft-labels", str(soft), *common]
    assert main(learn) == 0
    predictions = load_predictions(student / "test.npz")
    assert predictions.vocabulary.size("triplet") == 100
    assert sum(predictions.vocabulary.size(head) for head in predictions.heads) == 138
    out = tmp_path / "results"
    video = SAMPLE / "videos" / predictions.videos[0]
    assert main(["predict", str(student / "model.pt"), "-i", str(video), "-o", str(out), "--device", "cpu"]) == 0
    assert json.loads((out / "frames.json").read_text())[0]["phase"][0] in predictions.vocabulary.phases
