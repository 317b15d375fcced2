"""nnU-Net's own commands on DSD models, each in a process of its own; minutes."""

import json
import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from trainer_workplace import (
    CLASSES,
    PREDICT,
    PREDICT_FOLDER,
    TRAIN,
    CommandLine,
    cascaded_plans,
    command_line_arguments,
    fold_folder,
    preprocess,
    read,
    set_nnunet_folders,
    write_small_plans,
)

pytestmark = pytest.mark.slow

EXPORT = "nnunetv2.model_sharing.entry_points:export_pretrained_model_entry"
INSTALL = "nnunetv2.model_sharing.entry_points:install_from_zip_entry_point"
FIND_BEST = "nnunetv2.evaluation.find_best_configuration:find_best_configuration_entry_point"
ENSEMBLE = "nnunetv2.ensembling.ensemble:entry_point_ensemble_folders"
DSD, STOCK = "nnUNetTrainerDSD", "nnUNetTrainerStock"
# Start-up code of an interpreter, and of every process it spawns, in which this package cannot be imported.
BLOCK = """
import sys

for name in [name for name in sys.modules if name.split(".")[0] == "nnunet_dsd"]:
    del sys.modules[name]


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "nnunet_dsd":
            raise ModuleNotFoundError("not installed here", name="nnunet_dsd")


sys.meta_path.insert(0, Absent())
"""


@pytest.fixture(scope="module")
def line(data_folder, tmp_path_factory):
    """Commands on data of this module's own, with one fold of a DSD and of a stock model trained through nnU-Net."""
    folder = tmp_path_factory.mktemp("commands")
    for part in ("raw", "preprocessed"):
        shutil.copytree(data_folder / part / CLASSES, folder / part / CLASSES)
    (folder / "results").mkdir()
    commands = CommandLine(folder, folder / "results")
    write_small_plans(commands, "tiny")
    for trainer in (DSD, STOCK):
        commands.run(TRAIN, *command_line_arguments(trainer, "tiny"), "--npz")
    return commands


@pytest.fixture
def absent(tmp_path):
    """Environment variables of a process in which `import nnunet_dsd` fails and nothing points nnU-Net to it."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "sitecustomize.py").write_text(BLOCK)
    return {"PYTHONPATH": str(tmp_path / "blocked"), "NNUNET_DSD_NO_AUTOLOAD": "1", "nnUNet_extTrainer": ""}


def images(line):
    return line.data / "raw" / CLASSES / "imagesTs"


def voxels(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def predict(line, output, trainer=DSD, plans="tiny", *more, **variables):
    options = ("-d", CLASSES, "-c", "3d_fullres", "-f", "0", "-tr", trainer, "-p", plans, "-device", "cpu")
    line.run(PREDICT, "-i", images(line), "-o", output, *options, "-npp", "1", "-nps", "1", *more, **variables)
    return output / "ball_0.nii.gz"


@pytest.mark.parametrize("trainer", [DSD, STOCK])
def test_a_training_leaves_everything_nnunet_leaves(line, trainer):
    folder = fold_folder(line.results, trainer)
    names = {path.name for path in folder.iterdir()}
    expected = {"checkpoint_best.pth", "checkpoint_final.pth", "debug.json", "progress.png", "validation"}
    assert expected <= names
    assert ("loss_terms.png" in names) == (trainer == DSD)
    assert len(list((folder / "validation").glob("*.npz"))) == 1
    assert read(folder / "checkpoint_final.pth")["trainer_name"] == "nnUNetTrainer"


@pytest.mark.parametrize("flags", [("--val",), ("--val", "--val_best"), ("--val", "--npz"), ("--c",)])
def test_validation_alone_and_continuing_a_finished_training_write_a_new_summary(line, flags):
    validation = fold_folder(line.results) / "validation"
    shutil.rmtree(validation)
    before = read(fold_folder(line.results) / "checkpoint_final.pth")
    line.run(TRAIN, *command_line_arguments(DSD, "tiny"), *flags)
    assert (validation / "summary.json").exists()
    if "--npz" not in flags:
        line.run(TRAIN, *command_line_arguments(DSD, "tiny"), "--val", "--npz")  # other tests need them
    after = read(fold_folder(line.results) / "checkpoint_final.pth")
    assert all(torch.equal(after["network_weights"][k], v) for k, v in before["network_weights"].items())


@pytest.mark.parametrize(("source", "target"), [(STOCK, DSD), (DSD, STOCK)])
def test_pretrained_weights_are_accepted_on_the_command_line(line, source, target):
    plans = f"tiny_from_{source}"
    write_small_plans(line, plans, epochs=1)
    weights = fold_folder(line.results, source) / "checkpoint_final.pth"
    said = line.run(TRAIN, *command_line_arguments(target, plans), "-pretrained_weights", weights)
    assert "Loading pretrained weights from file" in said
    assert (fold_folder(line.results, target, plans) / "checkpoint_final.pth").exists()


def test_the_best_configuration_is_found_among_stock_and_dsd_and_their_ensemble(line):
    said = line.run(FIND_BEST, CLASSES, "-c", "3d_fullres", "-tr", DSD, STOCK, "-p", "tiny", "-f", "0", "-np", "1")
    assert (line.results / CLASSES / "inference_information.json").exists()
    assert f"{DSD}__tiny__3d_fullres" in said
    ensembles = list((line.results / CLASSES / "ensembles").iterdir())
    assert len(ensembles) == 1
    assert DSD in ensembles[0].name
    assert STOCK in ensembles[0].name


def test_predictions_of_stock_and_dsd_are_ensembled(line, tmp_path):
    for trainer in (DSD, STOCK):
        predict(line, tmp_path / trainer, trainer, "tiny", "--save_probabilities")
    line.run(ENSEMBLE, "-i", tmp_path / DSD, tmp_path / STOCK, "-o", tmp_path / "both", "-np", "1")
    assert voxels(tmp_path / "both" / "ball_0.nii.gz").shape == (16, 24, 24)


def test_a_zipped_model_installs_and_predicts_the_same_where_this_package_is_absent(line, tmp_path, absent):
    expected = predict(line, tmp_path / "here", DSD, "tiny", "--save_probabilities")
    zipped = tmp_path / "model.zip"
    line.run(EXPORT, "-d", CLASSES, "-o", zipped, "-c", "3d_fullres", "-tr", DSD, "-p", "tiny", "-f", "0")
    elsewhere = CommandLine(line.data, tmp_path / "results")
    elsewhere.results.mkdir()
    elsewhere.run(INSTALL, zipped, **absent)
    (tmp_path / "probe.py").write_text("def main():\n    import nnunet_dsd\n")
    refused = elsewhere.run(
        "probe:main", expect=1, **(absent | {"PYTHONPATH": f"{absent['PYTHONPATH']}{os.pathsep}{tmp_path}"})
    )
    assert "not installed here" in refused

    got = predict(elsewhere, tmp_path / "there", DSD, "tiny", "--save_probabilities", **absent)

    assert np.array_equal(voxels(got), voxels(expected))
    first, second = (np.load(path.with_name("ball_0.npz"))["probabilities"] for path in (got, expected))
    assert np.array_equal(first, second)
    model = elsewhere.results / CLASSES / f"{DSD}__tiny__3d_fullres"
    options = ("-m", model, "-f", "0", "-device", "cpu", "-npp", "1", "-nps", "1")
    elsewhere.run(PREDICT_FOLDER, "-i", images(line), "-o", tmp_path / "folder", *options, **absent)
    assert np.array_equal(voxels(tmp_path / "folder" / "ball_0.nii.gz"), voxels(expected))


def test_stock_nnunet_validates_and_continues_the_training_where_this_package_is_absent(line, absent):
    write_small_plans(line, "handed", epochs=1)
    line.run(TRAIN, *command_line_arguments(DSD, "handed"))
    folder = fold_folder(line.results, "nnUNetTrainer", "handed")
    shutil.copytree(fold_folder(line.results, DSD, "handed").parent, folder.parent)
    shutil.rmtree(folder / "validation")
    final = read(folder / "checkpoint_final.pth")
    line.run(TRAIN, *command_line_arguments("nnUNetTrainer", "handed"), "--val", **absent)
    assert (folder / "validation" / "summary.json").exists()

    torch.save({**final, "current_epoch": 1000}, folder / "checkpoint_final.pth")  # stock's budget is 1000 epochs
    line.run(TRAIN, *command_line_arguments("nnUNetTrainer", "handed"), "--c", **absent)
    after = read(folder / "checkpoint_final.pth")
    assert all(torch.equal(after["network_weights"][k], v) for k, v in final["network_weights"].items())
    assert after["optimizer_state"]["state"].keys() == final["optimizer_state"]["state"].keys()
    assert not any(key.startswith("distillation") for key in after)


def test_a_cascade_trains_and_predicts_through_the_commands(line, tmp_path, monkeypatch):
    folder = line.data / "preprocessed" / CLASSES
    set_nnunet_folders(monkeypatch, line.data, line.results)
    plans = cascaded_plans(json.loads((folder / "nnUNetPlans.json").read_text()))
    preprocess(CLASSES, plans, ["3d_lowres"])
    line.run(TRAIN, *command_line_arguments(DSD, "cascaded", "3d_lowres", "all"))
    line.run(TRAIN, *command_line_arguments(DSD, "cascaded", "3d_cascade_fullres"))

    common = ("-d", CLASSES, "-tr", DSD, "-p", "cascaded", "-device", "cpu", "-npp", "1", "-nps", "1")
    low, full = tmp_path / "low", tmp_path / "full"
    line.run(PREDICT, "-i", images(line), "-o", low, "-c", "3d_lowres", "-f", "all", *common)
    cascade = ("-c", "3d_cascade_fullres", "-f", "0", "-prev_stage_predictions", low)
    line.run(PREDICT, "-i", images(line), "-o", full, *cascade, *common)
    assert voxels(full / "ball_0.nii.gz").shape == (16, 24, 24)


def test_unknown_settings_end_the_command_before_a_results_folder_exists(line):
    write_small_plans(line, "wrong", temprature=2)
    said = line.run(TRAIN, *command_line_arguments(DSD, "wrong"), expect=1)
    assert "unknown setting 'temprature'; did you mean 'temperature'?" in said
    assert not fold_folder(line.results, DSD, "wrong").parent.exists()
