"""Loading pre-trained encoders: prefixes, checkpoints, what is reported, and what is refused."""

import pickle
import urllib.error

import pytest
import torch

from nnunet_dsd.common.errors import CheckpointError, SettingsError, SetupError
from nnunet_dsd.common.hashes import weights_hash
from video_triplet.clips import torchvision_encoders
from video_triplet.clips.c3d import C3D
from video_triplet.clips.networks import ClipNetwork
from video_triplet.clips.pretrained import load_encoder


def encoder(seed=0):
    torch.manual_seed(seed)
    return C3D(width=2)


def write(path, content):
    torch.save(content, path)
    return path


def under(prefix, state):
    return {f"{prefix}{name}": values for name, values in state.items()}


def same(first, second):
    return weights_hash(first.state_dict()) == weights_hash(second.state_dict())


@pytest.mark.parametrize(
    "prefix", ["", "module.", "encoder.", "encoder_q.", "backbone.", "module.encoder_q.encoder.", "anything.at.all."]
)
@pytest.mark.parametrize("tables", [[], ["model"], ["state_dict"], ["weights", "network"]])
def test_weights_are_found_under_any_prefix_and_key(tmp_path, prefix, tables):
    source, target = encoder(1), encoder(2)
    content = {**under(prefix, source.state_dict()), "fc.weight": torch.ones(3, 16)}
    for table in reversed(tables):
        content = {"epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(())}}}, table: content}
    report = load_encoder(target, write(tmp_path / "w.pth", content))
    assert same(source, target)
    assert (report.prefix, report.table, report.fraction) == (prefix, ".".join(tables), 1.0)
    assert report.unexpected == ("fc.weight",)
    assert report.missing == report.misshapen == ()
    assert set(report.matched) == set(target.state_dict())
    assert report.weights_hash == weights_hash(target.state_dict())


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_copies_the_trained_one_is_taken_not_its_slow_average(tmp_path, order):
    query, key, target = encoder(1), encoder(2), encoder(3)
    copies = [under("module.encoder_q.encoder.", query.state_dict())]
    copies += [under("module.encoder_k.encoder.", key.state_dict()), {"module.queue": torch.zeros(4, 4)}]
    content = {name: values for copy in copies[::order] for name, values in copy.items()}
    report = load_encoder(target, write(tmp_path / "w.pth", {"model": content}))
    assert same(target, query)
    assert len(report.unexpected) == len(key.state_dict()) + 1


def test_a_classifier_is_never_loaded(tmp_path):
    source = ClipNetwork("c3d", 5, frames=8, size=16, options={"width": 2})
    path = write(tmp_path / "w.pth", source.state_dict())
    target = ClipNetwork("c3d", 5, frames=8, size=16, options={"width": 2}, weights=str(path))
    assert same(source.encoder, target.encoder)
    assert not torch.equal(source.head.weight, target.head.weight)
    assert set(target.loading.unexpected) == {"head.weight", "head.bias", "mean", "deviation"}


def test_what_is_missing_and_of_another_shape_is_reported_and_the_rest_loaded(tmp_path):
    source, target = encoder(1), encoder(2)
    before = {name: values.clone() for name, values in target.state_dict().items()}
    state = source.state_dict()
    del state["conv1.weight"]
    state["conv2.bias"] = torch.zeros(7)
    report = load_encoder(target, write(tmp_path / "w.pth", state))
    floats = {name: v for name, v in before.items() if v.is_floating_point()}
    lost = before["conv1.weight"].numel() + before["conv2.bias"].numel()
    assert report.fraction == pytest.approx(1 - lost / sum(v.numel() for v in floats.values()))
    assert report.missing == ("conv1.weight",)
    assert report.misshapen == (("conv2.bias", (7,), (4,)),)
    for name, values in target.state_dict().items():
        expected = before[name] if name in ("conv1.weight", "conv2.bias") else state[name]
        assert torch.equal(values, expected)
    text = str(report)
    assert "missing in the file: 1 (conv1.weight)" in text
    assert "conv2.bias (7,) instead of (4,)" in text
    assert report.weights_hash in text


def test_too_little_is_refused_with_the_report_and_changes_nothing(tmp_path):
    target = encoder(2)
    before = weights_hash(target.state_dict())
    state = {name: values for name, values in encoder(1).state_dict().items() if name.startswith(("conv1", "bn1"))}
    path = write(tmp_path / "w.pth", state)
    with pytest.raises(
        CheckpointError, match=r"(?s)at least 90\.00 % .*matched: 7.*missing in the.*lower --least-loaded"
    ):
        load_encoder(target, path)
    assert weights_hash(target.state_dict()) == before
    assert load_encoder(target, path, least=0.001).fraction < 0.9
    assert weights_hash(target.state_dict()) != before


@pytest.mark.parametrize("content", [{"something": torch.zeros(3)}, {}, [1, 2], torch.zeros(3), {"epoch": 3}])
def test_nothing_that_fits_is_refused_even_where_nothing_is_asked_for(tmp_path, content):
    with pytest.raises(CheckpointError, match=r"(?s)does not fit this encoder.*matched: 0"):
        load_encoder(encoder(), write(tmp_path / "w.pth", content), least=0.0)


def test_values_that_are_not_finite_are_refused(tmp_path):
    state = encoder(1).state_dict()
    state["conv3a.weight"][0, 0, 0, 0, 0] = float("nan")
    with pytest.raises(CheckpointError, match=r"(?s)not finite.*conv3a\.weight"):
        load_encoder(encoder(), write(tmp_path / "w.pth", state))


class Anything:
    """An object that no safe loader makes."""


def test_files_that_run_code_are_refused_with_what_to_do(tmp_path):
    path = write(tmp_path / "w.pth", {"model": encoder().state_dict(), "options": Anything()})
    with pytest.raises(CheckpointError, match=r"(?s)tensors, numbers and text alone.*save its state dict"):
        load_encoder(encoder(), path)


def test_missing_and_broken_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no file of pre-trained weights"):
        load_encoder(encoder(), tmp_path / "none.pth")
    for name, content in (("cut.pth", b"PK\x03\x04 cut off"), ("text.pth", b"hello"), ("empty.pth", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            load_encoder(encoder(), tmp_path / name)
    (tmp_path / "list.pth").write_bytes(pickle.dumps([1]))
    with pytest.raises(CheckpointError):
        load_encoder(encoder(), tmp_path / "list.pth")


def test_a_file_of_a_timm_model_fits_its_frame_encoder(tmp_path):
    import timm

    source = timm.create_model("resnet18", num_classes=1000)
    path = write(tmp_path / "w.pth", {"state_dict": under("module.", source.state_dict())})
    network = ClipNetwork("timm:resnet18", 2, frames=2, size=32, weights=str(path))
    assert torch.equal(network.encoder.network.conv1.weight, source.conv1.weight)
    assert set(network.loading.unexpected) == {"module.fc.weight", "module.fc.bias"}


@pytest.mark.parametrize(
    ("name", "weights", "error", "said"),
    [
        ("c3d", "timm", SettingsError, "c3d is not from there; allowed are a file and 'none'"),
        ("r3d_18", "timm", SettingsError, "allowed are a file and 'torchvision' and 'none'"),
        (
            "c3d",
            "missing.pth",
            SetupError,
            "'missing.pth'; allowed are a file and 'none'",
        ),
    ],
)
def test_weights_that_an_encoder_has_not_are_refused(name, weights, error, said):
    with pytest.raises(error, match=said):
        ClipNetwork(name, 2, frames=8, size=16, weights=weights)


def test_torchvisions_weights_are_loaded_whole_without_their_classifier(monkeypatch):
    import torchvision

    source = torchvision.models.video.r3d_18()
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", lambda url, **options: source.state_dict())
    monkeypatch.setattr(torchvision_encoders, "require_reachable", lambda url, *, wanted: None)
    network = ClipNetwork("r3d_18", 2, frames=4, size=32, weights="torchvision")
    assert torch.equal(network.encoder.stem[0].weight, source.stem[0].weight)
    assert network.loading.fraction == 1.0
    assert set(network.loading.unexpected) == {"fc.weight", "fc.bias"}


def test_no_network_is_said_so(monkeypatch):
    import torchvision

    def unreachable(url, **options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", unreachable)
    monkeypatch.setattr(torchvision_encoders, "require_reachable", lambda url, *, wanted: None)
    with pytest.raises(SetupError, match=r"could not be downloaded from torchvision's hub .*no route.*local file"):
        ClipNetwork("r3d_18", 2, frames=4, size=32, weights="torchvision")


def test_no_network_is_said_so_for_timm(monkeypatch):
    import timm

    create = timm.create_model

    def unreachable(name, pretrained=False, **options):
        if pretrained:
            raise OSError("no route to host")
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(SetupError, match=r"could not be loaded from timm's hub .*local file"):
        ClipNetwork("timm:resnet18", 2, frames=2, size=32, weights="timm")
