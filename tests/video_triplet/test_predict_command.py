"""`video-triplet predict`: files, streaming, averages, and what is refused."""

import csv
import json

import av
import numpy as np
import pytest
from PIL import Image
from triplet_workplace import CPU, experiment

from video_triplet.cli.main import main
from video_triplet.models.model_file import load_model
from video_triplet.predictions.file import load_predictions
from video_triplet.trainers.run import train


@pytest.fixture(scope="module")
def phase_model(rendered, tmp_path_factory):
    """A model with all heads."""
    folder = tmp_path_factory.mktemp("phase")
    return train(experiment(rendered, "SwinTripletPhaseTeacher", epochs=1), folder, CPU)


def test_a_folder_of_frames_gives_one_row_per_image(phase_model, rendered, tmp_path):
    frames = rendered / "data" / "VID01"
    out = tmp_path / "out"
    assert main(["predict", str(phase_model), "-i", str(frames), "-o", str(out), "--device", "cpu"]) == 0
    predictions = load_predictions(out / "predictions.npz")
    assert predictions.videos == ("VID01",)
    assert len(predictions) == len(list(frames.glob("*.png")))
    vocabulary = predictions.vocabulary
    with (out / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    name = f"triplet:{vocabulary.triplet_names[3]}"
    assert float(rows[5][name]) == pytest.approx(float(predictions.probabilities["triplet"][5, 3]), abs=1e-5)
    listed = json.loads((out / "frames.json").read_text())
    best = int(predictions.probabilities["triplet"][5].argmax())
    assert listed[5]["triplets"][0][0] == vocabulary.triplet_names[best]
    assert listed[5]["phase"][0] == vocabulary.phases[int(predictions.probabilities["phase"][5].argmax())]


def test_predictions_are_the_same_as_those_of_the_data_set(phase_model, rendered, tmp_path):
    test_file = phase_model.parent / "test.npz"
    made = experiment(rendered, "SwinTripletPhaseTeacher", epochs=1)
    from video_triplet.models.inference import predict_videos

    predict_videos(load_model(phase_model), made.dataset.subset(made.split.test), made.source).save(test_file)
    name = made.split.test[0]
    frames = rendered / "data" / name
    assert main(["predict", str(phase_model), "-i", str(frames), "-o", str(tmp_path), "--device", "cpu"]) == 0
    by_frame = load_predictions(tmp_path / "predictions.npz")
    expected = load_predictions(test_file).aligned_to(by_frame.keys)
    np.testing.assert_allclose(by_frame.probabilities["triplet"], expected.probabilities["triplet"], atol=1e-5)


def test_streaming_prints_a_line_per_frame_and_the_speed(phase_model, rendered, capsys):
    assert main(["predict", str(phase_model), "-i", str(rendered / "data" / "VID02"), "--stream", "--top", "2"]) == 0
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert [line["frame"] for line in lines] == list(range(16))
    assert all(len(line["triplets"]) == 2 for line in lines)
    assert "frames per second" in captured.err


def test_an_mp4_is_read_and_an_annotated_one_written(phase_model, rendered, tmp_path):
    video = tmp_path / "made.mp4"
    assert main(["predict", str(phase_model), "-i", str(rendered / "data" / "VID01"), "--video", str(video)]) == 0
    out = tmp_path / "out"
    assert main(["predict", str(phase_model), "-i", str(video), "-o", str(out)]) == 0
    assert len(load_predictions(out / "predictions.npz")) == 16
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 16


def test_several_models_are_averaged(phase_model, teacher_file, rendered, tmp_path):
    frames = str(rendered / "data" / "VID01")
    for name, models in {"a": [phase_model], "b": [teacher_file], "both": [phase_model, teacher_file]}.items():
        assert main(["predict", *map(str, models), "-i", frames, "-o", str(tmp_path / name)]) == 0
    a, b, both = (load_predictions(tmp_path / name / "predictions.npz") for name in ("a", "b", "both"))
    expected = (a.probabilities["triplet"] + b.probabilities["triplet"]) / 2
    np.testing.assert_allclose(both.probabilities["triplet"], expected, atol=1e-6)
    assert both.heads == ("triplet",)
    assert len(both.models) == 2


def test_images_of_different_sizes_are_fine(phase_model, tmp_path):
    rng = np.random.default_rng(0)
    for number, size in enumerate([(40, 60), (64, 64), (33, 90)]):
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    assert main(["predict", str(phase_model), "-i", str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    assert len(load_predictions(tmp_path / "out" / "predictions.npz")) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-i", "nowhere", "-o", "out"], "no file or folder nowhere"),
        (["-i", "."], "nothing to do with the predictions"),
        (["-i", ".", "-o", "out", "--batch-size", "0"], "--batch-size is 0"),
        (["-i", ".", "-o", "out", "--top", "-1", "--rate", "0"], "2 problems in predict"),
        (["-i", ".", "-o", "out", "--device", "foo"], "the device 'foo' cannot be used"),
    ],
)
def test_what_cannot_be_done_is_said(phase_model, arguments, said, capsys):
    assert main(["predict", str(phase_model), *arguments]) == 1
    assert said in capsys.readouterr().err


def test_results_are_written_over_only_on_demand(phase_model, rendered, tmp_path, capsys):
    def predict(name, *more):
        frames = str(rendered / "data" / name)
        return main(["predict", str(phase_model), "-i", frames, "-o", str(tmp_path), "--device", "cpu", *more])

    assert predict("VID01") == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert [predict("VID01"), predict("VID02")] == [1, 1]
    assert "predictions.npz and 2 more of this command's results would be written over" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert predict("VID02", "--overwrite") == 0
    assert load_predictions(tmp_path / "predictions.npz").videos == ("VID02",)


def test_an_annotated_video_replaces_neither_another_one_nor_its_input(phase_model, rendered, tmp_path, capsys):
    frames, video = str(rendered / "data" / "VID01"), tmp_path / "made.mp4"
    command = ["predict", str(phase_model), "--device", "cpu", "--video", str(video), "-i"]
    assert main([*command, frames]) == 0
    before = video.read_bytes()
    assert main([*command, frames]) == 1
    assert f"{video} would be written over; choose another place, or add --overwrite" in capsys.readouterr().err
    assert main([*command, str(video), "--overwrite"]) == 1
    assert f"--video {video} is the input" in capsys.readouterr().err
    assert video.read_bytes() == before
    assert main([*command, frames, "--overwrite"]) == 0


def test_a_folder_is_no_model(phase_model, rendered, capsys):
    assert main(["predict", str(phase_model.parent), "-i", str(rendered), "--stream"]) == 1
    assert "is a folder; give the model.pt in it" in capsys.readouterr().err
