"""Models of triplets deployed by the command, run by their own predict.py where torch and this package are missing."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from triplet_workplace import CPU, experiment, tiny_settings

from nnunet_dsd.common.hashes import file_hash, weights_hash
from nnunet_dsd.graphs.runtime.folders import DeployedModelError
from nnunet_dsd.graphs.writing import write_graph
from video_triplet.cli.main import main
from video_triplet.data.provenance import ModelRecord
from video_triplet.data.reading import open_dataset
from video_triplet.deploy.runtime.predictor import Predictor
from video_triplet.models.model_file import build_network, save_weights
from video_triplet.predictions.file import load_predictions
from video_triplet.trainers.run import train

ALONE = """
import sys, runpy
for name in ("torch", "torchvision", "timm", "nnunet_dsd", "video_triplet", "scipy", "matplotlib", "lightning"):
    sys.modules[name] = None  # importing it fails, as where it is not installed
sys.argv = ["predict.py", *sys.argv[2:]]
runpy.run_path({script!r}, run_name="__main__")
"""
OTHER_BACKBONES = {
    "resnet": ("resnet10t", {}),
    "convolutions of wide reach": ("convnext_atto", {"depths": [1, 1, 1, 1], "dims": [8, 8, 16, 16]}),
    "plain attention": (
        "vit_tiny_patch16_224",
        {"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": 64},
    ),
}


def predict_alone(folder, source, output, *options):
    """Run a folder's predict.py as a program that has none of the training's packages."""
    script = ALONE.format(script=str(folder / "predict.py"))
    words = [sys.executable, "-c", script, "-", "-i", str(source), "-o", str(output), "--threads", "1", *options]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def deploy(model, output, *options):
    assert main(["deploy", str(model), "-o", str(output), *options]) == 0
    return output


def predicted(model, source, folder, *options):
    """What `video-triplet predict` says and draws."""
    video = folder / "annotated.mp4"
    words = ["predict", str(model), "-i", str(source), "-o", str(folder), "--video", str(video), "--device", "cpu"]
    assert main([*words, *options]) == 0
    return folder


def table(path):
    with path.open() as file:
        head, *rows = csv.reader(file)
    return head, [row[:2] for row in rows], np.array([row[2:] for row in rows], dtype=float)


def pictures(path):
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return rate, np.stack([frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)])


def assert_same_results(found, expected, *, within=1e-4):
    (head, keys, values), (expected_head, expected_keys, expected_values) = (
        table(folder / "frames.csv") for folder in (found, expected)
    )
    assert (head, keys) == (expected_head, expected_keys)
    np.testing.assert_allclose(values, expected_values, atol=within + 1e-5)  # five places are written
    ours, theirs = (load_predictions(folder / "predictions.npz") for folder in (found, expected))
    assert (ours.keys, ours.models, ours.heads) == (theirs.keys, theirs.models, theirs.heads)
    for name in ours.heads:
        np.testing.assert_allclose(ours.probabilities[name], theirs.probabilities[name], atol=within, rtol=0)
    (rate, shown), (expected_rate, expected_shown) = (
        pictures(folder / "annotated.mp4") for folder in (found, expected)
    )
    assert rate == expected_rate
    assert shown.shape == expected_shown.shape
    assert np.abs(shown - expected_shown).mean() < 0.5


@pytest.fixture(scope="module")
def phase_model(rendered, tmp_path_factory):
    """A Swin with all heads."""
    return train(experiment(rendered, "SwinTripletPhaseTeacher", epochs=1), tmp_path_factory.mktemp("phase"), CPU)


@pytest.fixture(scope="module")
def deployed_once(phase_model, rendered, tmp_path_factory):
    folder = tmp_path_factory.mktemp("once") / "deployed"
    return deploy(phase_model, folder, "--calibration", str(rendered / "data" / "VID01"))


@pytest.fixture
def deployed(deployed_once, tmp_path):
    """A deployed model that a test may damage."""
    return Path(shutil.copytree(deployed_once, tmp_path / "deployed"))


def untrained(rendered, path, backbone, options):
    """The file of a model by chance, with any backbone."""
    vocabulary = open_dataset(rendered).vocabulary
    settings = tiny_settings(backbone=backbone, backbone_options=json.dumps(options))
    torch.manual_seed(0)
    state = build_network(settings, vocabulary).state_dict()
    record = ModelRecord("SwinTripletTeacher", weights_hash(state), 1, 0, 1, ("VID09",), ())
    save_weights(path, state, vocabulary, settings, record)
    return path


@pytest.fixture
def odd_frames(tmp_path):
    """Frames of several sizes and kinds of files, larger and smaller than the model's, with gaps in their numbers."""
    folder = tmp_path / "odd frames"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate([(90, 160), (33, 47), (64, 64), (301, 70)]):
        name = f"frame_{7 * number:03d}.{'png' if number % 2 else 'jpg'}"
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(folder / name)
    Image.fromarray(rng.integers(0, 256, (50, 60), dtype=np.uint8)).save(folder / "frame_100.png")
    return folder


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_deployed_model_says_what_predict_says_of_frames(phase_model, rendered, odd_frames, tmp_path, runtime):
    folder = deploy(phase_model, tmp_path / "deployed", "--runtime", runtime)
    for number, source in enumerate((rendered / "data" / "VID01", odd_frames)):
        done = predict_alone(folder, source, tmp_path / f"found{number}")
        assert done.returncode == 0, done.stderr
        assert "frames per second" in done.stdout
        assert_same_results(tmp_path / f"found{number}", predicted(phase_model, source, tmp_path / f"expected{number}"))


def test_a_deployed_model_says_what_predict_says_of_a_video(phase_model, deployed, rendered, tmp_path):
    video = predicted(phase_model, rendered / "data" / "VID02", tmp_path / "made") / "annotated.mp4"
    options = ["--rate", "2.5", "--top", "3", "--name", "case 7"]
    done = predict_alone(deployed, video, tmp_path / "found", *options)
    assert done.returncode == 0, done.stderr
    assert_same_results(tmp_path / "found", predicted(phase_model, video, tmp_path / "expected", *options))
    both = [json.loads((tmp_path / name / "frames.json").read_text()) for name in ("found", "expected")]
    assert [row["triplets"][0][0] for row in both[0]] == [row["triplets"][0][0] for row in both[1]]


@pytest.mark.parametrize(
    ("kind", "runtime"),
    [
        ("resnet", "openvino"),
        ("resnet", "onnx"),
        ("convolutions of wide reach", "openvino"),
        ("plain attention", "onnx"),
    ],
)
def test_other_backbones_are_deployed_too(rendered, tmp_path, kind, runtime):
    model = untrained(rendered, tmp_path / "model.pt", *OTHER_BACKBONES[kind])
    folder = deploy(model, tmp_path / "deployed", "--runtime", runtime)
    frames = rendered / "data" / "VID01"
    predicted(model, frames, tmp_path / "expected")
    expected = load_predictions(tmp_path / "expected" / "predictions.npz").probabilities["triplet"]
    predictor = Predictor(folder, threads=1)
    found = [predictor(np.asarray(Image.open(path)))["triplet"] for path in sorted(frames.glob("*.png"))]
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


def test_the_folder_holds_what_it_says(deployed, phase_model):
    said = json.loads((deployed / "model.json").read_text())
    names = ["README.md", "model.bin", "model.json", "model.xml", "predict.py", "requirements.txt"]
    assert sorted(path.name for path in deployed.iterdir()) == names
    assert said["files"] == {name: file_hash(deployed / name) for name in ("model.bin", "model.xml")}
    assert (said["kind"], said["version"], said["image_size"], said["crop"]) == ("triplets", 1, 64, None)
    assert said["mean"] == pytest.approx([255 * value for value in (0.485, 0.456, 0.406)])
    assert list(said["heads"]) == ["triplet", "instrument", "verb", "target", "phase"]
    assert said["heads"]["phase"] == said["vocabulary"]["phases"]
    lines = (deployed / "requirements.txt").read_text().splitlines()
    assert [line.split(">")[0] for line in lines] == ["numpy", "pillow", "av", "openvino"]


def change_json(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "model.bin").write_bytes(b"x"), "model.bin was changed or damaged"),
        (lambda folder: (folder / "model.xml").unlink(), "model.xml is missing"),
        (lambda folder: (folder / "model.json").unlink(), "there is no .*model.json.*video-triplet deploy"),
        (lambda folder: (folder / "model.json").write_text("{"), "cannot be read"),
        (lambda folder: change_json(folder, version=99), "is of version 99, this predict.py reads version 1"),
        (lambda folder: change_json(folder, kind=None), "is not of the kind triplets but of None"),
        (lambda folder: change_json(folder, mean=[1, 2]), "lacks something, or holds what cannot be"),
        (lambda folder: change_json(folder, resize="nearest"), "resize is nearest, this predict.py does bilinear"),
        (lambda folder: change_json(folder, heads={"triplet": ["a"]}), "are not those of the vocabulary"),
        (lambda folder: change_json(folder, runtime_version="9999.1"), "older than 9999.1"),
        (lambda folder: change_json(folder, runtime="other"), "other is no runtime that this predict.py knows"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_sentence(deployed, damage, said):
    damage(deployed)
    with pytest.raises(DeployedModelError, match=said):
        Predictor(deployed)


def test_a_damaged_folder_is_one_error_of_predict_too(deployed, rendered, tmp_path):
    (deployed / "model.bin").write_bytes(b"x")
    done = predict_alone(deployed, rendered / "data" / "VID01", tmp_path / "found")
    assert done.returncode == 1
    said = "was changed or damaged since the model was deployed; copy it again"
    assert done.stderr == f"error: {deployed / 'model.bin'} {said}\n"
    assert not (tmp_path / "found").exists()


def test_a_graph_that_is_not_the_network_is_not_written(phase_model, tmp_path, capsys, monkeypatch):
    from video_triplet.deploy import run

    class Doubled(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, frames):
            return 2 * self.network(frames) + 1

    monkeypatch.setattr(run, "write_graph", lambda network, *rest: write_graph(Doubled(network), *rest))
    assert main(["deploy", str(phase_model), "-o", str(tmp_path / "deployed")]) == 1
    assert "the graph for openvino is not the network: probabilities of a frame differ by" in capsys.readouterr().err
    assert not (tmp_path / "deployed").exists()


def test_a_network_that_a_runtime_does_not_know_is_one_error(phase_model, tmp_path, capsys, monkeypatch):
    def refuse(*arguments, **options):
        raise RuntimeError("no such operation\nand much more")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    assert main(["deploy", str(phase_model), "-o", str(tmp_path / "deployed"), "--runtime", "onnx"]) == 1
    assert "this network cannot be written for onnx (no such operation); try the other" in capsys.readouterr().err
    assert not (tmp_path / "deployed").exists()


def bad_sources(folder):
    folder.mkdir()
    (folder / "empty").mkdir()
    (folder / "text.mp4").write_text("no video")
    (folder / "cut").mkdir()
    (folder / "cut" / "000001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("empty", [], "there is no image in"),
        ("nowhere", [], "there is no file or folder"),
        ("text.mp4", [], "cannot be read"),
        ("cut", [], "copy it again"),
        ("empty", ["--rate", "0", "--top", "0"], "2 problems in predict.py"),
    ],
)
def test_bad_input_is_one_error_and_nothing_is_written(deployed, tmp_path, source, options, said):
    sources = bad_sources(tmp_path / "bad")
    done = predict_alone(deployed, sources / source, tmp_path / "found", *options)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "found").exists()


def test_results_are_written_over_only_on_demand(deployed, rendered, tmp_path):
    frames, output = rendered / "data" / "VID01", tmp_path / "found"
    assert predict_alone(deployed, frames, output, "--no-video").returncode == 0
    assert not (output / "annotated.mp4").exists()
    again = predict_alone(deployed, frames, output)
    assert again.returncode == 1
    assert "would be written over; choose another place, or add --overwrite" in again.stderr
    assert predict_alone(deployed, rendered / "data" / "VID03", output, "--overwrite").returncode == 0
    assert load_predictions(output / "predictions.npz").videos == ("VID03",)
    assert sorted(path.name for path in output.iterdir()) == [
        "annotated.mp4",
        "frames.csv",
        "frames.json",
        "predictions.npz",
    ]


def test_an_array_that_is_no_frame_is_refused(deployed):
    predictor = Predictor(deployed, threads=1)
    for frame in (np.zeros((3, 8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(DeployedModelError, match=r"a frame is \(H, W, 3\) uint8"):
            predictor(frame)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_in_int8_the_largest_change_of_probabilities_is_told(
    phase_model, deployed, rendered, tmp_path, capsys, runtime
):
    frames = rendered / "data" / "VID01"
    options = ["--runtime", runtime, "--precision", "int8", "--calibration", str(frames)]
    folder = deploy(phase_model, tmp_path / "int8", *options)
    found = json.loads((folder / "model.json").read_text())["measured"]
    told = (
        f"int8 against the trained network on 16 frames: probabilities change by {found['largest_change']:.2g} at most"
    )
    assert told in capsys.readouterr().out
    assert told in (folder / "README.md").read_text()
    done = predict_alone(folder, frames, tmp_path / "found")
    assert done.returncode == 0, done.stderr
    predicted(phase_model, frames, tmp_path / "expected")
    ours, theirs = (load_predictions(tmp_path / name / "predictions.npz") for name in ("found", "expected"))
    change = max(np.abs(ours.probabilities[head] - theirs.probabilities[head]).max() for head in ours.heads)
    assert change == pytest.approx(found["largest_change"], abs=2e-3)
    assert 0 < change < 0.2
    graph = (folder / "model.xml" if runtime == "openvino" else folder / "model.onnx").read_bytes()
    assert (b"FakeQuantize" if runtime == "openvino" else b"QuantizeLinear") in graph


def test_with_frames_f32_is_held_against_the_trained_network_too(deployed):
    found = json.loads((deployed / "model.json").read_text())["measured"]
    assert found["frames"] == 16
    assert found["largest_change"] < 1e-4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--precision", "int8"], "give frames to see how much"),
        (["--calibration", "nowhere"], "there is no file or folder nowhere"),
        (["--precision", "int8", "--calibration", "{empty}"], "--calibration: there is no image in"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(phase_model, tmp_path, capsys, options, said):
    (tmp_path / "empty").mkdir()
    options = [word.format(empty=tmp_path / "empty") for word in options]
    assert main(["deploy", str(phase_model), "-o", str(tmp_path / "deployed"), *options]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "deployed").exists()


def test_neither_a_folder_of_something_nor_another_file_is_deployed(phase_model, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    assert main(["deploy", str(phase_model), "-o", str(tmp_path / "full")]) == 1
    assert "is not empty; choose a new folder" in capsys.readouterr().err
    (tmp_path / "model.pt").write_bytes(b"nothing")
    assert main(["deploy", str(tmp_path / "model.pt"), "-o", str(tmp_path / "new")]) == 1
    assert "is not a whole model file" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
