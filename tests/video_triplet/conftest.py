"""One rendered data set for all tests of a session, and a teacher trained on it."""

import pytest


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """Four videos of sixteen frames."""
    from video_triplet.demo.rendering import render_dataset

    folder = tmp_path_factory.mktemp("rendered") / "data"
    render_dataset(folder, videos=4, frames=16, size=(64, 48), seed=3)
    return folder


@pytest.fixture(scope="session")
def teacher_file(rendered, tmp_path_factory):
    """The model file of a teacher trained for two epochs on fold 1."""
    from triplet_workplace import CPU, experiment

    from video_triplet.trainers.run import train

    return train(experiment(rendered), tmp_path_factory.mktemp("teacher") / "run", CPU)
