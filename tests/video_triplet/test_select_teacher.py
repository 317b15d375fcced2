"""`video-triplet select-teacher` and what follows from it: table, figure, choices, soft labels, refusals of leaks."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from triplet_workplace import CPU, experiment

from nnunet_dsd.common.errors import DataError
from video_triplet.cli.main import main
from video_triplet.data.frame_sources import FolderFrames
from video_triplet.data.provenance import LeakError
from video_triplet.data.reading import open_dataset
from video_triplet.models.kept_epochs import epoch_file
from video_triplet.models.model_file import load_model
from video_triplet.predictions.file import load_predictions
from video_triplet.selection.choice import chosen_soft_labels, load_choice
from video_triplet.selection.criteria import Band, criteria
from video_triplet.selection.epoch_predictions import predictions_path
from video_triplet.selection.teachers import read_teachers
from video_triplet.trainers.run import train

EPOCHS = 3


@pytest.fixture(scope="module")
def teachers(rendered, tmp_path_factory):
    """Two teachers of different seeds that kept every epoch."""
    folder = tmp_path_factory.mktemp("teachers")
    for seed in (1, 5):
        train(experiment(rendered, epochs=EPOCHS, seed=seed), folder / f"seed{seed}", CPU, keep_epochs=(1, 2, 3))
    return folder


def select(teachers, rendered, output, *more, runs=("seed1", "seed5")):
    """Run the command."""
    folders = [str(teachers / run) for run in runs]
    machine = ["--accelerator", "cpu", "--workers", "0"]
    return main(["select-teacher", *folders, "-o", str(output), "--data", str(rendered), *machine, *more])


@pytest.fixture(scope="module")
def selected(teachers, rendered, tmp_path_factory):
    """The folder that the command wrote."""
    output = tmp_path_factory.mktemp("selected")
    assert select(teachers, rendered, output) == 0
    return output


def test_every_strategy_has_a_choice_a_figure_and_a_row_in_the_table(selected):
    names = {path.name for path in selected.iterdir()}
    choices = {"last", "best-mAP", "best-mAP-ensemble", "IT", "IEE", "IESE"}
    assert names == {"table.csv", "selection.png", *(f"{name}.json" for name in choices)}
    with Image.open(selected / "selection.png") as image:
        assert min(image.size) > 300
    with (selected / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["epoch"]) for row in rows] == [(s, e) for s in "15" for e in "123"]
    assert {name for row in rows for name in row["picked by"].split()} == choices


def test_the_table_has_the_reference_probability_of_the_network_itself(selected, teachers, rendered):
    model = load_model(epoch_file(teachers / "seed1", 2))
    dataset = open_dataset(rendered)
    source, given = FolderFrames(dataset, 64), []
    for video in dataset.subset(model.record.trained_on):
        for frame, labels in zip(video.frames, video.labels["triplet"], strict=True):
            image = torch.from_numpy(np.array(source.read(video.name, int(frame)))).permute(2, 0, 1)[None]
            with torch.no_grad():
                probabilities = model.network.eval()(image)["triplet"][0].double().sigmoid().numpy()
            given += probabilities[labels == 1].tolist()
    with (selected / "table.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if (row["seed"], row["epoch"]) == ("1", "2"))
    assert float(row["reference-probability"]) == pytest.approx(np.mean(given), abs=6e-4)


def test_a_choice_says_who_and_why(selected, teachers):
    choice = load_choice(selected / "IESE.json")
    assert {member.seed for member in choice.members} == {1, 5}
    assert choice.criterion == "reference-probability"
    assert choice.selected_on == ()
    assert all("reference-probability" in sentence for sentence in choice.why)
    for member in choice.members:
        record = load_model(epoch_file(selected / member.run, member.epoch)).record
        assert record.checkpoint == member.checkpoint
    best = load_choice(selected / "best-mAP.json")
    assert best.criterion == ""
    assert best.selected_on == read_teachers([teachers / "seed1"])[0].videos("validation")


def soft_labels(path, output, *more):
    return main(["soft-labels", "--choice", str(path), "-o", str(output), *more])


@pytest.mark.parametrize("strategy", ["IT", "IESE", "best-mAP-ensemble"])
def test_soft_labels_of_a_choice_are_the_mean_of_its_members(selected, teachers, strategy, tmp_path):
    assert soft_labels(selected / f"{strategy}.json", tmp_path / "soft.npz") == 0
    found, choice = load_predictions(tmp_path / "soft.npz"), load_choice(selected / f"{strategy}.json")
    members = [
        load_predictions(predictions_path(selected / member.run, member.epoch, "training")) for member in choice.members
    ]
    expected = np.mean([member.probabilities["triplet"] for member in members], axis=0)
    np.testing.assert_allclose(found.probabilities["triplet"], expected, rtol=1e-6)
    assert found.kind == "soft labels"
    assert set(found.videos) == set(read_teachers([teachers / "seed1"])[0].videos("training"))
    assert [model.epoch for model in found.models] == [member.epoch for member in choice.members]
    assert all(model.selected_on == choice.selected_on for model in found.models)


def test_the_same_choice_again_leaves_the_file_and_another_one_is_refused(selected, tmp_path, capsys):
    path = tmp_path / "soft.npz"
    assert soft_labels(selected / "IESE.json", path) == 0
    before = path.stat().st_mtime_ns
    assert soft_labels(selected / "IESE.json", path) == 0
    assert path.stat().st_mtime_ns == before
    assert soft_labels(selected / "last.json", path) == 1
    assert "another teacher" in capsys.readouterr().err


@pytest.mark.parametrize("mean", ["geometric", "logit"])
def test_another_mean_gives_other_soft_labels(selected, teachers, rendered, tmp_path, mean):
    assert select(teachers, rendered, tmp_path, "--mean", mean, "--strategies", "best-mAP-ensemble") == 0
    plain = chosen_soft_labels(load_choice(selected / "best-mAP-ensemble.json"), selected / "best-mAP-ensemble.json")
    path = tmp_path / "best-mAP-ensemble.json"
    other = chosen_soft_labels(load_choice(path), path)
    assert load_choice(path).mean == mean
    assert not np.array_equal(plain.probabilities["triplet"], other.probabilities["triplet"])


def test_a_student_learns_from_a_choice_and_remembers_what_chose_it(selected, rendered, tmp_path):
    soft_labels(selected / "best-mAP.json", tmp_path / "soft.npz")
    soft = load_predictions(tmp_path / "soft.npz")
    made = experiment(rendered, "SwinTripletStudent", soft_labels=soft, epochs=1, choose_epoch="last")
    record = load_model(train(made, tmp_path / "student", CPU)).record
    assert record.selected_on == load_choice(selected / "best-mAP.json").selected_on
    assert record.soft_labels == soft.content_hash


def test_a_choice_of_one_fold_is_refused_in_another(selected, rendered, tmp_path):
    soft_labels(selected / "IT.json", tmp_path / "soft.npz")
    with pytest.raises(LeakError, match="fold 2 of k-fold sets apart"):
        experiment(rendered, "SwinTripletStudent", fold=2, soft_labels=load_predictions(tmp_path / "soft.npz"))


def test_epochs_are_predicted_once(selected, teachers, rendered, tmp_path):
    paths = sorted(teachers.rglob("epoch_*.npz"))
    assert len(paths) == 2 * EPOCHS * 2
    before = [path.stat().st_mtime_ns for path in paths]
    assert select(teachers, rendered, tmp_path / "again") == 0
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_some_epochs_and_one_teacher_are_enough(teachers, rendered, tmp_path, capsys):
    assert select(teachers, rendered, tmp_path, "--epochs", "1-2", runs=("seed1",)) == 0
    said = capsys.readouterr().out
    assert "last is left out" in said
    assert "IESE is left out: it needs at least 2 teachers, got 1" in said
    assert {path.stem for path in tmp_path.glob("*.json")} == {"best-mAP", "IT", "IEE"}


def test_a_hole_among_the_kept_epochs_is_named(teachers, rendered, tmp_path, capsys):
    copied = tmp_path / "teachers"
    shutil.copytree(teachers, copied)
    epoch_file(copied / "seed1", 2).unlink()
    assert select(copied, rendered, tmp_path / "out", runs=("seed1",)) == 0
    assert f"{copied / 'seed1'} lacks the epochs 2; the choice is among 1, 3" in capsys.readouterr().out


def test_where_no_epoch_is_good_the_table_says_nearest(teachers, rendered, tmp_path, monkeypatch):
    known = dict(criteria())
    never = dataclasses.replace(known["reference-probability"], rule=Band(target=5, low=4, high=6))
    monkeypatch.setattr("video_triplet.selection.criteria.criteria", lambda: {**known, never.name: never})
    assert select(teachers, rendered, tmp_path, runs=("seed1",)) == 0
    with (tmp_path / "table.csv").open() as file:
        assert sorted(row["good"] for row in csv.DictReader(file)) == [*[""] * (EPOCHS - 1), "nearest"]


def test_choices_are_not_written_into_the_cache(teachers, rendered, tmp_path, capsys):
    assert select(teachers, rendered, tmp_path, "--cache", str(tmp_path)) == 1
    assert "--output is the folder of the --cache; choose another" in capsys.readouterr().err


def test_a_sweep_scores_a_student_per_epoch_on_inner_validation(teachers, rendered, tmp_path):
    more = ["--criterion", "student-sweep", "--sweep-epochs", "1", "--sweep-seeds", "2", "3", "--epochs", "2-3"]
    assert select(teachers, rendered, tmp_path, *more, "--strategies", "IT", runs=("seed1",)) == 0
    students = sorted(path.parent for path in (tmp_path / "sweep").rglob("model.pt"))
    assert len(students) == 4
    with (tmp_path / "table.csv").open() as file:
        rows = {row["epoch"]: float(row["student-sweep"]) for row in csv.DictReader(file)}
    for epoch, value in rows.items():
        scores = []
        for folder in (tmp_path / "sweep" / f"seed_1_epoch_00{epoch}").iterdir():
            with (folder / "history.csv").open() as file:
                scores.append(float(list(csv.DictReader(file))[-1]["validation_mAP"]))
        assert value == pytest.approx(np.mean(scores), abs=6e-4)
    run = read_teachers([teachers / "seed1"])[0]
    for folder in students:
        record = load_model(folder / "model.pt").record
        assert set(record.trained_on) == set(run.videos("training"))
    choice = load_choice(tmp_path / "IT.json")
    assert choice.selected_on == run.videos("validation")
    before = [(folder / "model.pt").stat().st_mtime_ns for folder in students]
    again = ["--strategies", "IT", "--overwrite"]
    assert select(teachers, rendered, tmp_path, *more, *again, runs=("seed1",)) == 0
    assert [(folder / "model.pt").stat().st_mtime_ns for folder in students] == before


def refused(capsys, status):
    assert status == 1
    return capsys.readouterr().err


def test_a_teacher_that_validated_on_its_test_videos_is_refused(rendered, tmp_path, capsys):
    train(experiment(rendered, protocol="test-fold", epochs=1), tmp_path / "run", CPU, keep_epochs=(1,))
    message = refused(capsys, select(tmp_path, rendered, tmp_path / "out", runs=("run",)))
    assert "validates on" in message
    assert "chosen on what is reported" in message


def test_teachers_of_different_folds_are_refused(teachers, rendered, tmp_path, capsys):
    train(experiment(rendered, fold=2, epochs=1), tmp_path / "other", CPU, keep_epochs=(1,))
    folders = [str(teachers / "seed1"), str(tmp_path / "other")]
    message = refused(capsys, main(["select-teacher", *folders, "-o", str(tmp_path / "out"), "--data", str(rendered)]))
    assert "one fold and protocol" in message


def test_predictions_of_test_videos_in_a_teacher_s_folder_are_refused(teachers, rendered, tmp_path, capsys):
    shutil.copytree(teachers / "seed1", tmp_path / "run")
    path = predictions_path(tmp_path / "run", 1, "validation")
    test = load_predictions(tmp_path / "run" / "epochs" / path.name)
    video = read_teachers([tmp_path / "run"])[0].videos("test")[0]
    dataclasses.replace(test, videos=(video,)).save(path)
    message = refused(capsys, select(tmp_path, rendered, tmp_path / "out", runs=("run",)))
    assert f"{video} is not of the validation videos" in message


def test_another_data_set_is_refused(teachers, tmp_path, capsys):
    from video_triplet.rendered.triplets import render_dataset

    render_dataset(tmp_path / "data", videos=4, frames=16, size=(64, 48), seed=4)
    message = refused(capsys, select(teachers, tmp_path / "data", tmp_path / "out"))
    assert "other labels or frames" in message


def test_predictions_of_other_weights_are_made_again(teachers, rendered, tmp_path):
    for seed in ("seed1", "seed5"):
        shutil.copytree(teachers / seed, tmp_path / seed)
    assert select(tmp_path, rendered, tmp_path / "first") == 0
    ours, theirs = (predictions_path(tmp_path / seed, 1, "training") for seed in ("seed1", "seed5"))
    right = load_predictions(ours)
    shutil.copy(theirs, ours)
    assert select(tmp_path, rendered, tmp_path / "second") == 0
    assert load_predictions(ours).content_hash == right.content_hash
    assert (tmp_path / "second" / "table.csv").read_text() == (tmp_path / "first" / "table.csv").read_text()


def test_weights_of_another_run_are_refused(teachers, rendered, tmp_path, capsys):
    shutil.copytree(teachers / "seed1", tmp_path / "run")
    shutil.copy(epoch_file(teachers / "seed5", 1), epoch_file(tmp_path / "run", 1))
    message = refused(capsys, select(tmp_path, rendered, tmp_path / "out", runs=("run",)))
    assert "is of epoch 1, seed 5" in message


def test_weights_that_were_trained_on_validation_videos_are_refused(teachers, rendered, tmp_path, capsys):
    shutil.copytree(teachers / "seed1", tmp_path / "run")
    path = epoch_file(tmp_path / "run", 2)
    content = torch.load(path, weights_only=True)
    content["record"]["trained_on"] += read_teachers([tmp_path / "run"])[0].videos("validation")
    torch.save(content, path)
    message = refused(capsys, select(tmp_path, rendered, tmp_path / "out", runs=("run",)))
    assert "sets apart; it is of another run" in message


def test_other_images_with_the_same_labels_are_refused(teachers, rendered, tmp_path, capsys):
    shutil.copytree(rendered, tmp_path / "data")
    video = read_teachers([teachers / "seed1"])[0].videos("training")[0]
    path = next((tmp_path / "data" / "data" / video).glob("*.png"))
    with Image.open(path) as image:
        image.convert("RGB").rotate(180).save(path, compress_level=9)
    message = refused(capsys, select(teachers, tmp_path / "data", tmp_path / "out"))
    assert "has other images than" in message


def test_teachers_of_one_seed_are_refused(teachers, rendered, tmp_path, capsys):
    shutil.copytree(teachers / "seed1", tmp_path / "copy")
    folders = [str(teachers / "seed1"), str(tmp_path / "copy")]
    command = ["select-teacher", *folders, "-o", str(tmp_path / "out"), "--data", str(rendered)]
    assert "the seeds 1, 1; take teachers of different seeds" in refused(capsys, main(command))


def test_choices_of_an_earlier_run_do_not_stay_beside_a_new_table(teachers, rendered, tmp_path, capsys):
    assert select(teachers, rendered, tmp_path) == 0
    again = ("--strategies", "IT")
    assert "would be written over" in refused(capsys, select(teachers, rendered, tmp_path, *again, runs=("seed1",)))
    assert len(list(tmp_path.glob("*.json"))) == 6
    assert select(teachers, rendered, tmp_path, *again, "--overwrite", runs=("seed1",)) == 0
    assert {path.name for path in tmp_path.glob("*.json")} == {"IT.json"}
    assert "was of an earlier run" in capsys.readouterr().out


def test_a_sweep_on_several_devices_is_refused(teachers, rendered, tmp_path, capsys):
    more = ["--criterion", "student-sweep", "--devices", "2"]
    assert "the sweep trains its students one after another on one device" in refused(
        capsys, select(teachers, rendered, tmp_path / "out", *more)
    )


def test_a_strategy_that_picks_nothing_is_named(teachers, rendered, tmp_path, capsys, monkeypatch):
    from video_triplet.selection import strategies

    empty = strategies.Strategy(name="empty", summary="nothing", pick=lambda curves, most: [])
    monkeypatch.setattr(strategies, "BUILT_IN", (*strategies.BUILT_IN, empty))
    status = select(teachers, rendered, tmp_path, "--strategies", "empty")
    assert "the strategy empty picked nothing" in refused(capsys, status)


def test_a_run_without_kept_epochs_is_refused(rendered, tmp_path, capsys):
    train(experiment(rendered, epochs=1), tmp_path / "run", CPU)
    message = refused(capsys, select(tmp_path, rendered, tmp_path / "out", runs=("run",)))
    assert "kept the weights of no epoch" in message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--criterion", "entropi"], "did you mean entropy"),
        (["--strategies", "IEEE"], "did you mean IEE"),
        (["--epochs", "2-9"], "not within the epochs 1 to 3"),
        (["--members", "0"], "--members is 0"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_predicted(
    teachers, rendered, tmp_path, capsys, monkeypatch, more, message
):
    monkeypatch.setattr("video_triplet.selection.selecting.epoch_evidence", lambda *_: pytest.fail("predicted"))
    assert message in refused(capsys, select(teachers, rendered, tmp_path / "out", *more))
    assert not (tmp_path / "out").exists()


def test_a_seed_ensemble_of_one_teacher_is_refused_if_asked_for(teachers, rendered, tmp_path, capsys):
    status = select(teachers, rendered, tmp_path, "--strategies", "IESE", runs=("seed1",))
    assert "IESE needs at least 2 teachers, got 1" in refused(capsys, status)


def test_a_changed_choice_is_refused(selected, tmp_path):
    content = json.loads((selected / "IT.json").read_text())
    content["members"][0]["epoch"] = 3
    (tmp_path / "IT.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="was changed"):
        load_choice(tmp_path / "IT.json")


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"schema": 9, "mean": "arithmetic", "members": [1]}'])
def test_what_is_no_choice_is_refused(tmp_path, text):
    (tmp_path / "IT.json").write_text(text)
    with pytest.raises(DataError, match="is not a choice of teachers"):
        load_choice(tmp_path / "IT.json")


def test_a_choice_without_its_runs_says_where_they_should_be(selected, tmp_path, capsys):
    moved = tmp_path / "further" / "down" / "IT.json"
    moved.parent.mkdir(parents=True)
    shutil.copy(selected / "IT.json", moved)
    assert "keep the runs where they are" in refused(capsys, soft_labels(moved, tmp_path / "x.npz"))


def test_soft_labels_need_a_model_or_a_choice_not_both(selected, tmp_path, capsys):
    output = ["-o", str(tmp_path / "x.npz")]
    assert "either model files or --choice" in refused(capsys, main(["soft-labels", *output]))
    assert "with --data" in refused(capsys, main(["soft-labels", "model.pt", *output]))
