"""The linear probe: what a linear classifier can tell from frozen features."""

import numpy as np
import pytest
import torch
from made_up_clips import write_ucf101

from nnunet_dsd.common.errors import DataError, ShapeError
from video_triplet.clips.networks import ClipNetwork
from video_triplet.clips.probe import fresh_copy, linear_probe_accuracy, video_features
from video_triplet.clips.reading import open_clips
from video_triplet.clips.sources import VideoFiles


def drawn(rows, seed, *, distance):
    """Two classes, `distance` standard deviations apart along one of five features."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    features = rng.normal(size=(rows, 5))
    features[:, 2] += distance * labels
    return features, labels


def test_classes_far_apart_are_told_apart():
    assert linear_probe_accuracy(drawn(60, 0, distance=12), drawn(40, 1, distance=12)) == 1.0


def test_features_that_say_nothing_give_chance():
    accuracies = [
        linear_probe_accuracy(drawn(100, seed, distance=0), drawn(200, seed + 50, distance=0)) for seed in range(4)
    ]
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.08)


def test_the_accuracy_is_near_that_of_the_best_linear_rule():
    from scipy.stats import norm

    found = linear_probe_accuracy(drawn(2000, 3, distance=2), drawn(4000, 4, distance=2))
    assert found == pytest.approx(norm.cdf(1.0), abs=0.02)


def test_the_scale_of_features_does_not_matter():
    train, test = drawn(200, 5, distance=3), drawn(200, 6, distance=3)
    scaled = linear_probe_accuracy((1e4 * train[0] + 7, train[1]), (1e4 * test[0] + 7, test[1]))
    assert scaled == linear_probe_accuracy(train, test)


def test_what_cannot_be_probed_is_refused():
    features, labels = drawn(10, 0, distance=1)
    with pytest.raises(ShapeError, match="do not go together"):
        linear_probe_accuracy((features, labels[:-1]), (features, labels))
    with pytest.raises(DataError, match=r"two classes and 3 training videos of each, got \[10\]"):
        linear_probe_accuracy((features, np.zeros(10, dtype=int)), (features, labels))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ClipNetwork("c3d", 3, frames=8, size=32, options={"width": 2})


def test_features_are_means_over_clips_of_the_network_itself(network, tmp_path):
    dataset = open_clips(write_ucf101(tmp_path, groups=3, clips=1, test_groups=1, frames=9))
    videos = list(dataset.videos.values())[:3]
    source = VideoFiles(dataset, (32, 32))
    features, labels = video_features(network, videos, source, frames=8, size=32)
    assert labels.tolist() == [video.label for video in videos]
    assert features.shape == (3, 16)
    # a video of 9 + g frames: clips of 8 start evenly spaced from 0 to 1 + g
    row = 1
    length = source.length(videos[row].name)
    starts = np.linspace(0, length - 8, 3).round().astype(int)
    clips = [source.read(videos[row].name, range(start, start + 8)) for start in starts]
    batch = torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3)
    with torch.no_grad():
        expected = network.eval().features(batch).mean(dim=0)
    np.testing.assert_allclose(features[row], expected.numpy(), rtol=1e-4, atol=1e-6)


def test_a_fresh_copy_has_new_weights_everywhere_and_leaves_the_network_alone(network):
    before = {name: values.clone() for name, values in network.state_dict().items()}
    fresh = fresh_copy(network, seed=3)
    for name, values in fresh.named_parameters():
        if "conv" in name and "weight" in name:
            assert not torch.equal(values, before[name])
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    again = fresh_copy(network, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), again.parameters(), strict=True))
