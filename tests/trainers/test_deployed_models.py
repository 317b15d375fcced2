"""Models deployed by the command, run by their own predict.py where neither torch nor nnU-Net can be imported."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from soft_label_place import SoftLabelPlace
from trainer_workplace import CLASSES, REGIONS_IGNORE, use_threads

from nnunet_dsd.cli.main import main
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.hashes import file_hash
from nnunet_dsd.deploy.measuring import lost_dice
from nnunet_dsd.deploy.runtime.predictor import Predictor
from nnunet_dsd.graphs.runtime.folders import DeployedModelError

ALONE = """
import sys, runpy
for name in ("torch", "nnunetv2", "nnunet_dsd", "monai", "skimage", "batchgenerators"):
    sys.modules[name] = None  # importing it fails, as where it is not installed
sys.argv = ["predict.py", *sys.argv[2:]]
runpy.run_path({script!r}, run_name="__main__")
"""


@pytest.fixture
def place(data_folder, tmp_path, monkeypatch, nnunet):
    return SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch)


def predict_alone(folder, images, output, *options):
    """Run a folder's predict.py as a program that has none of the training's packages."""
    script = ALONE.format(script=str(folder / "predict.py"))
    words = [sys.executable, "-c", script, "-", "-i", str(images), "-o", str(output), "--threads", "1", *options]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def nnunets_prediction(model, images, output, *, folds=(0,), mirror=False):
    predictor = nnUNetPredictor(use_mirroring=mirror, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), folds, "checkpoint_final.pth")
    output.mkdir()
    predictor.predict_from_files_sequential(str(images), str(output))


def label_maps(folder):
    paths = folder.glob("[!.]*.nii.gz")
    return {path.name: SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))) for path in paths}


def assert_equal(found, expected, *, but_for=0.0):
    found, expected = label_maps(found), label_maps(expected)
    assert found.keys() == expected.keys()
    assert len(np.unique(np.concatenate([labels.ravel() for labels in expected.values()]))) > 1
    differing = sum(int((found[name] != expected[name]).sum()) for name in found)
    assert differing <= but_for * sum(labels.size for labels in expected.values())


def deploy(model, output, *options):
    assert main(["deploy", str(model), "-o", str(output), *options]) == 0
    return output


@pytest.mark.parametrize(
    ("trainer", "configuration", "runtime", "folds", "mirror"),
    [
        ("nnUNetTrainerStock", "3d_fullres", "openvino", (0,), False),
        ("nnUNetTrainerDSD", "3d_fullres", "onnx", (0,), True),
        ("nnUNetTrainerStock", "2d", "openvino", (0, 1), True),
        ("nnUNetTrainerStock", "2d", "onnx", (0,), False),
    ],
)
def test_a_deployed_model_predicts_what_nnunet_predicts(
    place, tmp_path, trainer, configuration, runtime, folds, mirror
):
    models = [place.teacher(fold=fold, trainer=trainer, configuration=configuration) for fold in folds]
    images = place.images(2)
    deployed = deploy(models[0], tmp_path / "deployed", "--runtime", runtime, "-f", *map(str, folds))
    done = predict_alone(deployed, images, tmp_path / "found", *(["--mirror"] if mirror else []))
    assert done.returncode == 0, done.stderr
    nnunets_prediction(models[0], images, tmp_path / "expected", folds=folds, mirror=mirror)
    assert_equal(tmp_path / "found", tmp_path / "expected", but_for=2e-4)


def test_other_networks_are_deployed_too(place, tmp_path):
    model = place.teacher(trainer="nnUNetTrainerDynUNet_DSD")
    images = place.images(1)
    deployed = deploy(model, tmp_path / "deployed")
    assert predict_alone(deployed, images, tmp_path / "found").returncode == 0
    nnunets_prediction(model, images, tmp_path / "expected")
    assert_equal(tmp_path / "found", tmp_path / "expected", but_for=1e-3)


def test_regions_are_written_in_their_order(data_folder, all_label_kinds, nnunet, tmp_path, monkeypatch):
    place = SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch, REGIONS_IGNORE)
    model = place.teacher()
    images = place.images(2)
    deployed = deploy(model, tmp_path / "deployed")
    assert predict_alone(deployed, images, tmp_path / "found").returncode == 0
    nnunets_prediction(model, images, tmp_path / "expected")
    assert_equal(tmp_path / "found", tmp_path / "expected", but_for=2e-4)


@pytest.fixture(scope="module")
def deployed_once(data_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployed")
    with pytest.MonkeyPatch.context() as patch:
        use_threads(patch)
        return deploy(SoftLabelPlace(data_folder, folder / "own", patch).teacher(), folder / "deployed")


@pytest.fixture
def deployed(deployed_once, tmp_path):
    """A deployed model that a test may damage."""
    return Path(shutil.copytree(deployed_once, tmp_path / "deployed"))


def test_the_folder_holds_what_it_says(deployed):
    said = json.loads((deployed / "model.json").read_text())
    assert sorted(path.name for path in deployed.iterdir()) == [
        "README.md",
        "model.bin",
        "model.json",
        "model.xml",
        "predict.py",
        "requirements.txt",
    ]
    assert said["files"] == {name: file_hash(deployed / name) for name in ("model.bin", "model.xml")}
    assert (said["outputs"], said["patch_size"], said["spacing"]) == (3, [8, 16, 16], [2.0, 1.0, 1.0])
    assert f"openvino>={said['runtime_version']}" in (deployed / "requirements.txt").read_text()


def test_from_python_it_takes_an_array(deployed, place, tmp_path):
    images = place.images(1)
    predictor = Predictor(deployed, threads=1)
    path = next(images.glob("*.nii.gz"))
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    predict_alone(deployed, images, tmp_path / "found")
    (expected,) = label_maps(tmp_path / "found").values()
    assert np.array_equal(predictor(array, (2.0, 1.0, 1.0)), expected)
    assert np.array_equal(predictor(array[None], (2.0, 1.0, 1.0)), expected)
    with pytest.raises(DeployedModelError, match=r"\(1, z, y, x\) and three edges of a voxel in mm are needed"):
        predictor(np.concatenate([array[None]] * 2), (2.0, 1.0, 1.0))
    with pytest.raises(DeployedModelError, match="three edges of a voxel"):
        predictor(array, (2.0, 0.0, 1.0))


def test_what_is_there_is_not_done_again_and_what_fails_does_not_stop_the_rest(deployed, place, tmp_path):
    images, output = place.images(3), tmp_path / "found"
    (images / "new_1_0000.nii.gz").write_bytes(b"nothing")
    first = predict_alone(deployed, images, output)
    assert first.returncode == 1
    assert "error: new_1:" in first.stderr
    assert list(json.loads((output / "failed.json").read_text())) == ["new_1"]
    assert sorted(label_maps(output)) == ["new_0.nii.gz", "new_2.nii.gz"]
    before = (output / "new_0.nii.gz").stat().st_mtime_ns
    (output / ".partial-1-new_2.nii.gz").write_bytes(b"killed")
    place.images(3)
    second = predict_alone(deployed, images, output)
    assert second.returncode == 0, second.stderr
    assert "2 of 3 cases are there already" in second.stderr
    assert not (output / "failed.json").exists()
    assert (output / "new_0.nii.gz").stat().st_mtime_ns == before
    assert len(label_maps(output)) == 3


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "model.bin").write_bytes(b"x"), "model.bin was changed or damaged"),
        (lambda folder: (folder / "model.xml").unlink(), "model.xml is missing"),
        (lambda folder: (folder / "model.json").unlink(), "there is no .*model.json"),
        (lambda folder: change_json(folder, version=99), "is of version 99, this predict.py reads version 1"),
        (lambda folder: change_json(folder, patch_size=None), "lacks something, or holds what cannot be"),
        (lambda folder: change_json(folder, files={}), r"holds what cannot be \(files\)"),
        (lambda folder: change_json(folder, transpose=[0, 1, 1, 2]), r"holds what cannot be \(transpose\)"),
        (lambda folder: change_json(folder, spacing=[1, 1]), r"holds what cannot be \(spacing\)"),
        (
            lambda folder: change_json(folder, runtime_version="9999.1"),
            "older than 9999.1.*pip install -r requirements",
        ),
        (lambda folder: change_json(folder, runtime="other"), "other is no runtime that this predict.py knows"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_sentence(deployed, place, tmp_path, damage, said):
    damage(deployed)
    with pytest.raises(DeployedModelError, match=said):
        Predictor(deployed)


def change_json(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_label_maps_of_two_settings_are_not_mixed(deployed, place, tmp_path):
    images, output = place.images(1), tmp_path / "found"
    assert predict_alone(deployed, images, output).returncode == 0
    mixed = predict_alone(deployed, images, output, "--step", "0.9")
    assert mixed.returncode == 2
    assert "holds label maps of another model, --step or --mirror" in mixed.stderr
    assert predict_alone(deployed, images, output, "--step", "0.9", "--overwrite").returncode == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "images"], "holds the images; give another folder"),
        (["--threads", "0"], "--threads takes a number of 1 or more, got 0"),
        (["--step", "0"], "a step of the window is above 0 and at most 1, got 0"),
        (["--device", "cuda"], "OpenVINO computes here on CPU.*not on 'cuda'.*--runtime onnx"),
        (["-i", "nowhere"], "there is no nowhere"),
    ],
)
def test_what_predict_cannot_do_it_says_before_it_begins(deployed, place, tmp_path, options, said):
    images = place.images(1)
    options = [str(images) if word == "images" else word for word in options]
    done = predict_alone(deployed, images, tmp_path / "found", *options)
    assert done.returncode == 2
    assert re.search(said, done.stderr)
    assert not (tmp_path / "found").exists()


def test_of_all_folds_fold_all_is_left_out_as_nnunet_does(place, tmp_path, capsys):
    for fold in ("all", 0, 1):
        model = place.teacher(fold=fold)
    deploy(model, tmp_path / "deployed")
    assert "fold 0, 1\n" in capsys.readouterr().out


def test_lost_dice_is_in_points_and_refuses_what_could_not_be_scored():
    assert lost_dice({"f32": {"dice": 0.9}, "int8": {"dice": 0.893}}, "int8") == pytest.approx(0.7)
    assert lost_dice({"f32": {"dice": 0.9}, "int8": {"dice": 0.91}}, "int8") == pytest.approx(-1.0)
    assert lost_dice({"equal_voxels": 1.0}, "int8") is None
    with pytest.raises(DataError, match="no structure of the calibration images could be scored"):
        lost_dice({"f32": {"dice": None}, "int8": {"dice": None}}, "int8")


def test_a_zip_of_a_model_is_deployed_as_the_folder(place, tmp_path, deployed, capsys):
    model = place.teacher()
    archive = Path(shutil.make_archive(str(tmp_path / "model"), "zip", model.parents[1], f"{CLASSES}/{model.name}"))
    from_zip = deploy(archive, tmp_path / "from_zip")
    assert (from_zip / "model.bin").read_bytes() == (deployed / "model.bin").read_bytes()
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as empty:
        empty.writestr("readme.txt", "nothing")
    assert main(["deploy", str(tmp_path / "empty.zip"), "-o", str(tmp_path / "no")]) == 1
    archive.write_bytes(archive.read_bytes()[:-400])
    assert main(["deploy", str(archive), "-o", str(tmp_path / "no")]) == 1
    assert "is no zip, or a damaged one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preprocessor_name": "Other"}, "its images are prepared by Other"),
        (
            {"resampling_fn_data_kwargs": {"order": 3, "separate_z_anisotropy_threshold": 2}},
            "takes {'separate_z_anisotropy_threshold': 2}, which is not done here",
        ),
        ({"resampling_fn_data": "resample_torch_fornnunet"}, "its resampling_fn_data is resample_torch_fornnunet"),
        ({"normalization_schemes": ["Own"]}, "its normalisation Own is none of nnU-Net's"),
        ({"previous_stage": "2d"}, "second stage of a cascade"),
    ],
)
def test_models_that_the_runtime_cannot_follow_are_refused(place, tmp_path, capsys, change, said):
    model = place.teacher()
    plans = json.loads((model / "plans.json").read_text())
    plans["configurations"]["3d_fullres"] |= change
    (model / "plans.json").write_text(json.dumps(plans))
    assert main(["deploy", str(model), "-o", str(tmp_path / "deployed")]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "deployed").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--precision", "int8"], "give images to see how much"),
        (["--runtime", "onnx", "--precision", "bf16"], "f32 or int8, not in bf16"),
        (["-f", "4"], "missing"),
        (["--labels", "nowhere"], "nowhere is no folder"),
        (["--tolerance", "nan"], "a tolerance is 0 or more points of Dice, got nan"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(place, tmp_path, capsys, options, said):
    model = place.teacher()
    assert main(["deploy", str(model), "-o", str(tmp_path / "deployed"), *options]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "deployed").exists()


def calibration(place):
    """A folder of two images and one of the references of them and of more cases."""
    raw = place.folder / "raw" / CLASSES
    images = place.folder / "calibration"
    images.mkdir()
    for name in ("ball_0", "ball_1"):
        shutil.copy(raw / "imagesTr" / f"{name}_0000.nii.gz", images)
    return images, raw / "labelsTr"


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_in_int8_the_graph_is_smaller_and_what_it_changes_is_told(place, tmp_path, deployed, capsys, runtime):
    images, references = calibration(place)
    options = ["--runtime", runtime, "--precision", "int8", "--tolerance", "100", "--calibration", str(images)]
    folder = deploy(place.teacher(), tmp_path / "int8", *options, "--labels", str(references))
    found = json.loads((folder / "model.json").read_text())["measured"]
    assert found["cases"] == 2
    assert 0.9 < found["equal_voxels"] <= 1.0
    assert 0.5 < found["dice_with_f32"] <= 1.0
    assert set(found["f32"]) == set(found["int8"]) == {"dice", "hd95_mm"}
    assert "int8 against f32 on 2 images" in (folder / "README.md").read_text()
    assert "against the references: dice" in capsys.readouterr().out
    done = predict_alone(folder, images, tmp_path / "found")
    assert done.returncode == 0, done.stderr
    exact = Predictor(deployed, threads=1)
    for name, labels in label_maps(tmp_path / "found").items():
        image = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(images / name.replace(".nii", "_0000.nii"))))
        assert (labels == exact(image, (2.0, 1.0, 1.0))).mean() > 0.9
    if runtime == "openvino":
        assert (folder / "model.bin").stat().st_size < 0.6 * (deployed / "model.bin").stat().st_size


def test_scores_of_what_was_measured_are_those_of_evaluate(place, tmp_path):
    """Dice of int8 as `model.json` has it, from its own label maps by hand."""
    images, references = calibration(place)
    options = ["--precision", "int8", "--tolerance", "100", "--calibration", str(images), "--labels", str(references)]
    folder = deploy(place.teacher(), tmp_path / "int8", *options)
    predict_alone(folder, images, tmp_path / "found")
    dice = {1: [], 2: []}
    for name, labels in label_maps(tmp_path / "found").items():
        reference = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(references / name)))
        for label, values in dice.items():
            both = ((labels == label) & (reference == label)).sum()
            values.append(2 * both / ((labels == label).sum() + (reference == label).sum()))
    found = json.loads((folder / "model.json").read_text())["measured"]["int8"]["dice"]
    assert found == pytest.approx(np.mean([np.mean(values) for values in dice.values()]), abs=1e-3)


def test_a_model_that_loses_too_much_is_not_written(place, tmp_path, capsys, monkeypatch):
    from nnunet_dsd.deploy import run

    monkeypatch.setattr(run, "lost_dice", lambda found, precision: 0.75)
    images, references = calibration(place)
    options = ["--precision", "int8", "--calibration", str(images), "--labels", str(references)]
    assert main(["deploy", str(place.teacher()), "-o", str(tmp_path / "int8"), *options]) == 1
    assert "loses 0.75 points of Dice, more than the 0.5 allowed: nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "int8").exists()


def test_calibration_without_images_is_refused(place, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    words = ["deploy", str(place.teacher()), "-o", str(tmp_path / "int8"), "--precision", "int8"]
    assert main([*words, "--calibration", str(tmp_path / "empty")]) == 1
    assert "--calibration:" in capsys.readouterr().err
    assert not (tmp_path / "int8").exists()
