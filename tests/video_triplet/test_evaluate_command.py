import csv
import json

import numpy as np
import pytest
from made_up_scores import make_dataset, make_predictions
from PIL import Image

import video_triplet.data.reading
from video_triplet.cli.main import build_parser, main
from video_triplet.data.provenance import ModelRecord
from video_triplet.predictions.metrics import evaluate_dataset


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    made = make_dataset(tmp_path / "data")
    build_parser()  # a command that is imported while the function is replaced would keep the replacement
    monkeypatch.setattr(video_triplet.data.reading, "open_dataset", lambda path, *, phases=None: made)
    monkeypatch.setenv("COLUMNS", "200")
    return made


@pytest.fixture
def folds(dataset, tmp_path):
    paths = []
    for number, video in enumerate(dataset.videos):
        paths.append(tmp_path / f"fold{number}.npz")
        make_predictions(dataset, [video], seed=number).save(paths[-1])
    return paths


def evaluate(*arguments):
    return main(["evaluate", *map(str, arguments), "--data", "data"])


def test_one_file_is_scored_and_printed_in_percent(dataset, folds, capsys):
    assert evaluate(folds[0]) == 0
    expected = evaluate_dataset(make_predictions(dataset, ["VID01"], seed=0), dataset).mean_ap
    row = next(line for line in capsys.readouterr().out.splitlines() if " ivt " in line)
    assert f" {100 * expected:.1f} " in row


def test_several_files_are_folds_with_mean_and_standard_deviation(dataset, folds, tmp_path, capsys):
    assert evaluate(*folds, "-o", tmp_path / "out") == 0
    maps = [
        evaluate_dataset(make_predictions(dataset, [v], seed=n), dataset).mean_ap for n, v in enumerate(dataset.videos)
    ]
    assert f"{50 * sum(maps):.1f} ± {100 * np.std(maps, ddof=1):.1f}" in capsys.readouterr().out
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["cross_validation"]["ivt"]["mean_ap"] == pytest.approx(sum(maps) / 2)
    assert [fold["name"] for fold in written["folds"]] == ["fold0", "fold1"]


@pytest.mark.parametrize("flags", [[], ["--ignore-null"]])
def test_the_table_always_says_whether_nulls_were_ignored(folds, capsys, flags):
    assert evaluate(folds[0], *flags) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert ("null triplets ignored" in output, "null triplets counted" in output) == (bool(flags), not flags)


def test_per_video_and_per_class_numbers_are_written(dataset, folds, tmp_path):
    assert evaluate(folds[0], "-o", tmp_path / "out") == 0
    score = evaluate_dataset(make_predictions(dataset, ["VID01"], seed=0), dataset).components["ivt"]
    with (tmp_path / "out" / "per_video.csv").open() as file:
        videos = [row for row in csv.DictReader(file) if row["score"] == "ivt"]
    assert [(row["video"], float(row["map"])) for row in videos] == [("VID01", pytest.approx(score.per_video_map[0]))]
    with (tmp_path / "out" / "per_class.csv").open() as file:
        classes = [row for row in csv.DictReader(file) if row["score"] == "ivt"]
    values = [float(row["ap"] or "nan") for row in classes]
    np.testing.assert_allclose(values, score.class_ap)
    assert np.isnan(values).any()


def test_figures_are_written_as_images(folds, tmp_path):
    assert evaluate(*folds, "-o", tmp_path / "out") == 0
    for name in ("per_video.png", "per_class.png"):
        with Image.open(tmp_path / "out" / name) as image:
            assert np.asarray(image.convert("L")).std() > 5


def test_videos_a_model_was_trained_on_are_refused_unless_allowed_and_then_named(dataset, tmp_path, capsys):
    model = ModelRecord("Trainer", "0" * 64, 3, 0, 0, ("VID01",), ())
    make_predictions(dataset, ["VID01"], models=(model,)).save(tmp_path / "leak.npz")
    assert evaluate(tmp_path / "leak.npz") == 1
    assert "VID01 was used to train" in capsys.readouterr().err
    assert evaluate(tmp_path / "leak.npz", "--allow-training-videos") == 0
    assert "trained on VID01" in capsys.readouterr().out


def test_the_same_fold_twice_is_refused(folds, capsys):
    assert evaluate(folds[0], folds[0]) == 1
    assert "more than one fold" in capsys.readouterr().err
