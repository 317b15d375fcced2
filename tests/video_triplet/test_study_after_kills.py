"""A cross-validation that is killed again and again ends with the files of one that was not."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from triplet_workplace import TINY, options

from video_triplet.models.model_file import load_model
from video_triplet.predictions.file import load_predictions

MOST_KILLS = 10  # then it may finish, however slow the machine is


def command(data, runs):
    """The command line of a small cross-validation."""
    split = ["--split", "k-fold", "--folds", "2", "--validation-videos", "1", "--only-folds", "1"]
    machine = ["--accelerator", "cpu", "--workers", "0", *options({**TINY, "epochs": 20})]
    start = [sys.executable, "-m", "video_triplet", "cross-validate", "-o", str(runs), "--data", str(data)]
    return [*start, "--configurations", "SwinT+SelfD", *split, *machine]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_study_killed_at_random_moments_ends_as_an_unbroken_one(rendered, tmp_path, seed):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    subprocess.run(command(rendered, tmp_path / "whole"), check=True, capture_output=True, env=environment)
    unbroken = time.monotonic() - start  # seconds, imports included: a slow machine gets further between two kills
    moments = random.Random(seed)
    kills = 0
    for _ in range(MOST_KILLS + 1):
        process = subprocess.Popen(
            command(rendered, tmp_path / "killed"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        deadline = time.monotonic() + moments.uniform(0.3, 0.7) * unbroken
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() is None and kills < MOST_KILLS:
            process.send_signal(signal.SIGKILL)
            kills += 1
        if process.wait() == 0 and kills:
            break
        if not kills:  # the machine has become faster: once more, with less patience
            shutil.rmtree(tmp_path / "killed")
            unbroken /= 2
    assert process.returncode == 0
    assert kills
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for trainer in ("SwinTripletTeacher", "SwinTripletStudent"):
        models = [load_model(runs / trainer / "fold_1" / "model.pt") for runs in (whole, killed)]
        assert models[0].record == models[1].record
        tests = [load_predictions(runs / trainer / "fold_1" / "test.npz").content_hash for runs in (whole, killed)]
        assert tests[0] == tests[1]
    assert (whole / "table.md").read_text() == (killed / "table.md").read_text()
