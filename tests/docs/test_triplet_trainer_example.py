"""The example package of the page on triplet trainers: found by its entry point, trained, and used to predict."""

import json
import re
import sys
from pathlib import Path

import pytest

from nnunet_dsd.registry import installed_registry

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-triplet-trainer.md"
TINY_SWIN = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 2}
NETWORKS = {
    "SwinTripletFocalTeacher": ("swin_tiny_patch4_window7_224", json.dumps(TINY_SWIN)),
    "ResNetTripletTeacher": ("resnet10t", "{}"),
}


@pytest.fixture
def installed_example(tmp_path, monkeypatch):
    """The page's package on the path, with the metadata that an installation would write."""
    files = dict(re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL))
    for name, text in files.items():
        path = tmp_path / "installed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    group, point = re.search(r'entry-points\."(.+?)"\]\n(\w+ = ".+?")', files["pyproject.toml"]).groups()
    metadata = tmp_path / "installed" / "my_triplets-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-triplets\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{point.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    installed_registry.cache_clear()
    yield
    installed_registry.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "my_triplets"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A tiny data set in the layout of CholecT45."""
    from video_triplet.rendered.triplets import render_dataset

    folder = tmp_path_factory.mktemp("rendered") / "data"
    render_dataset(folder, videos=4, frames=12, size=(64, 48), seed=3)
    return folder


@pytest.mark.parametrize("trainer", NETWORKS)
def test_the_example_trains_and_its_model_predicts(trainer, rendered, installed_example, tmp_path, capsys):
    from video_triplet.cli.main import main

    backbone, options = NETWORKS[trainer]
    run = tmp_path / "run"
    assert main(["list"]) == 0
    assert trainer in capsys.readouterr().out
    command = ["train", "-tr", trainer, "-o", str(run), "--data", str(rendered), "--split", "k-fold", "--folds", "2"]
    command += ["--validation-videos", "1", "--accelerator", "cpu", "--workers", "0", "--epochs", "1"]
    command += ["--backbone", backbone, "--backbone-options", options, "--weights", "none"]
    assert main([*command, "--image-size", "64", "--batch-size", "8"]) == 0
    frames = str(rendered / "data" / "VID01")
    assert main(["predict", str(run / "model.pt"), "-i", frames, "-o", str(tmp_path / "predicted")]) == 0
    assert (tmp_path / "predicted" / "predictions.npz").is_file()


def test_the_examples_loss_is_below_cross_entropy_and_zero_at_certainty(installed_example):
    import torch
    from my_triplets.trainers import SwinTripletFocalTeacher

    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]], dtype=torch.float32)
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    terms = SwinTripletFocalTeacher.loss_terms(SwinTripletFocalTeacher, {"triplet": logits}, {"triplet": labels})
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    assert 0 < terms["triplet"] < entropy
    certain = {"triplet": torch.tensor([[50.0, -50.0]])}
    terms = SwinTripletFocalTeacher.loss_terms(SwinTripletFocalTeacher, certain, {"triplet": labels[:1]})
    assert terms["triplet"] < 1e-12
