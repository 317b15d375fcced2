"""Without a network a training says so in seconds; what is at hand is used; a backbone needs no classifier."""

import threading
import time
import urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import timm
import torch

from nnunet_dsd.common.errors import SetupError
from video_triplet.clips.torchvision_encoders import hub_weights
from video_triplet.models import networks as models
from video_triplet.models import pretrained_files
from video_triplet.models.networks import create_backbone
from video_triplet.models.pretrained_files import require_reachable

SWIN = {"embed_dim": 24, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8], "window_size": 4}


@pytest.fixture
def offline(monkeypatch):
    """No way to any server; how often one was tried."""
    tried = []

    def refuse(request, **options):
        tried.append(request.full_url)
        raise urllib.error.URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr(pretrained_files.urllib.request, "urlopen", refuse)
    return tried


def backbone(weights, outputs=5, name="swin_tiny_patch4_window7_224", options=SWIN, image_size=64):
    return create_backbone(name, outputs, image_size=image_size, weights=str(weights), options=options)


def test_no_network_is_said_in_seconds_with_what_to_do(offline, monkeypatch):
    monkeypatch.setattr(models, "cached_timm_weights", lambda name: None)
    start = time.perf_counter()
    with pytest.raises(SetupError, match=r"no way to https://.*Give a local file of them with --weights FILE"):
        backbone("timm", options={}, image_size=224)
    assert time.perf_counter() - start < 5
    assert len(offline) == 1


def test_no_network_is_said_in_seconds_for_torchvision_too(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(SetupError, match="the weights of r3d_18 cannot be downloaded: no way to https://"):
        hub_weights("r3d_18")
    assert len(offline) == 1


def test_weights_of_an_earlier_download_need_no_network(offline, monkeypatch, tmp_path):
    source = backbone("none", 1000)
    torch.save(source.state_dict(), tmp_path / "weights.bin")
    monkeypatch.setattr(models, "cached_timm_weights", lambda name: tmp_path / "weights.bin")
    loaded = backbone("timm")
    assert torch.equal(loaded.layers[0].blocks[0].mlp.fc1.weight, source.layers[0].blocks[0].mlp.fc1.weight)
    assert offline == []


def test_a_server_that_answers_at_all_is_reachable_and_a_closed_port_is_not():
    class NotFound(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(404)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), NotFound)
    url = f"http://127.0.0.1:{server.server_port}/weights.pth"
    threading.Thread(target=server.handle_request, daemon=True).start()
    require_reachable(url, wanted="weights")
    server.server_close()
    with pytest.raises(SetupError, match="weights cannot be downloaded: no way to"):
        require_reachable(url, wanted="weights")


@pytest.mark.parametrize("outputs", [0, 5, 1000])
@pytest.mark.parametrize(
    ("name", "options", "size"), [("swin_tiny_patch4_window7_224", SWIN, 64), ("resnet18", {}, 32)]
)
def test_a_file_without_a_classifier_is_loaded(tmp_path, name, options, size, outputs):
    source = backbone("none", 1000, name, options, size).state_dict()
    classifier = timm.get_pretrained_cfg(name).classifier
    headless = {key: value for key, value in source.items() if not key.startswith(classifier)}
    assert len(headless) < len(source)
    torch.save(headless, tmp_path / "no_head.pth")
    loaded = backbone(tmp_path / "no_head.pth", outputs, name, options, size).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in headless.items() if key in loaded)
    assert len(headless.keys() & loaded.keys()) == len(headless)


def test_a_file_that_lacks_more_is_refused_with_what_is_missing(tmp_path):
    source = backbone("none", 1000).state_dict()
    lacking = {key: value for key, value in source.items() if not key.startswith(("head", "layers.2"))}
    torch.save(lacking, tmp_path / "part.pth")
    with pytest.raises(SetupError, match=r"first layers\.2") as refusal:
        backbone(tmp_path / "part.pth")
    assert "size mismatch" not in str(refusal.value)


def test_a_file_of_another_network_is_refused_with_what_does_not_fit(tmp_path):
    other = backbone("none", 1000, options={**SWIN, "embed_dim": 48}).state_dict()
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(SetupError, match=r"network's \d+ tensors are there as they must be; \d+ of another shape"):
        backbone(tmp_path / "other.pth")
