"""What the tests share: rendered frames with a teacher trained on them, made-up clips with a pre-trained encoder."""

import pytest


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """Four videos of sixteen frames."""
    from video_triplet.rendered.triplets import render_dataset

    folder = tmp_path_factory.mktemp("rendered") / "data"
    render_dataset(folder, videos=4, frames=16, size=(64, 48), seed=3)
    return folder


@pytest.fixture(scope="session")
def teacher_file(rendered, tmp_path_factory):
    """The model file of a teacher trained for two epochs on fold 1."""
    from triplet_workplace import CPU, experiment

    from video_triplet.trainers.run import train

    return train(experiment(rendered), tmp_path_factory.mktemp("teacher") / "run", CPU)


@pytest.fixture(scope="module")
def clip_data(tmp_path_factory):
    """UCF101's layout: three classes, six groups of one clip; groups 1 and 2 test in split 1."""
    from made_up_clips import write_ucf101

    return write_ucf101(tmp_path_factory.mktemp("ucf") / "data", groups=6, clips=1, test_groups=2, frames=10)


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    """A pre-trained encoder that fits `clip_workplace.TINY`."""
    from clip_workplace import save_encoder

    path = tmp_path_factory.mktemp("weights") / "pretrained.pth"
    save_encoder(path)
    return path


@pytest.fixture
def one_thread():
    """Let torch compute in this process as in those that `killed_processes` starts: bit for bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
