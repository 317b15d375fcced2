"""`nnunet-dsd gradcam` on tiny trained models of nnU-Net: figures, maps, numbers, refusals."""

import csv
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from PIL import Image
from trainer_workplace import CLASSES, REGIONS, REGIONS_IGNORE, SHAPE, read, shrink_transformers, write_model

from nnunet_dsd.attribution.patch import Patch, write_patch
from nnunet_dsd.attribution.request import ModelChoice, Request, check_request
from nnunet_dsd.attribution.table import NOT_PREDICTED
from nnunet_dsd.cli.main import main
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.evaluation.images import read_geometry
from nnunet_dsd.trainers.finished import FinishedModel

pytestmark = pytest.mark.usefixtures("without_progress_figure")
CASE = "ball_0"


@pytest.fixture
def trained(nnunet):
    """Train a tiny model and return its folder."""

    def train(name="nnUNetTrainerDSD", dataset=CLASSES, configuration="3d_fullres", **changes):
        settings = {"epochs": 4, "iterations_per_epoch": 12, "optimiser": "adamw", "learning_rate": 0.01}
        trainer = nnunet.trainer(name, dataset, configuration=configuration, settings=settings, **changes)
        trainer.run_training()
        return write_model(trainer)

    return train


def raw(nnunet, dataset=CLASSES, part="imagesTr"):
    return nnunet.data / "raw" / dataset / part


def gradcam(nnunet, models, output, *options, dataset=CLASSES, label="outer", cases=(CASE,), references=True):
    """The exit status of the command."""
    words = ["gradcam", "-m", *map(str, models), "-i", raw(nnunet, dataset), "-o", output, "--cases", *cases]
    words += ["--label", label, *(["--labels", raw(nnunet, dataset, "labelsTr")] if references else []), *options]
    return main([str(word) for word in words])


def table(output):
    return list(csv.DictReader((output / "gradcam.csv").open()))


def read_map(output, name, case=CASE):
    return sitk.ReadImage(str(output / "maps" / f"{case}__{name}.nii.gz"))


def test_two_models_are_looked_at_in_the_same_place(nnunet, trained, tmp_path):
    models = [f"distilled={trained()}", f"plain={trained('nnUNetTrainerBasic')}"]
    output = tmp_path / "looked"

    assert gradcam(nnunet, models, output, cases=("ball_0", "ball_1")) == 0

    names = {path.relative_to(output).as_posix() for path in output.rglob("*.*")}
    levels = ("bottleneck", "last")
    rows = table(output)
    with_heat = {f"maps/{row['case']}__{row['model']}__{row['level']}.nii.gz" for row in rows if row["largest_heat"]}
    assert with_heat
    assert names == {"gradcam.csv", "ball_0.png", "ball_1.png", *with_heat}
    assert [(row["case"], row["model"], row["level"]) for row in rows] == [
        (case, model, level) for case in ("ball_0", "ball_1") for model in ("distilled", "plain") for level in levels
    ]
    assert {row["module"] for row in rows} == {"encoder.stages.3", "decoder.stages.2"}
    assert {row["centred_on"] for row in rows} == {"reference"}
    for row in rows:
        if row["inside_reference"]:
            heat = read_map(output, f"{row['model']}__{row['level']}", row["case"])
            assert float(row["inside_reference"]) == pytest.approx(heat_in(heat, nnunet, row["case"], 2), abs=1e-5)
    first = [read_map(output, f"{name}__last") for name in ("distilled", "plain")]
    assert first[0].GetOrigin() == first[1].GetOrigin()


def heat_in(heat, nnunet, case, *values):
    """The fraction of a map in a label, by SimpleITK's own resampling of the reference onto the map."""
    reference = sitk.ReadImage(str(raw(nnunet, CLASSES, "labelsTr") / f"{case}.nii.gz"))
    onto = sitk.Resample(reference, heat, sitk.Transform(), sitk.sitkNearestNeighbor)
    array = sitk.GetArrayFromImage(heat).astype(float)
    return array[np.isin(sitk.GetArrayFromImage(onto), values)].sum() / array.sum()


def test_a_map_lies_on_the_voxels_of_its_image(nnunet, trained, tmp_path):
    output = tmp_path / "looked"
    assert gradcam(nnunet, [trained()], output, "--level", "last") == 0
    image = sitk.ReadImage(str(raw(nnunet) / f"{CASE}_0000.nii.gz"))
    heat = read_map(output, "nnUNetTrainerDSD__nnUNetPlans__3d_fullres__last")
    assert heat.GetSize() == (16, 16, 8)
    assert heat.GetSpacing() == pytest.approx(image.GetSpacing())
    assert heat.GetDirection() == image.GetDirection()
    corner = image.TransformPhysicalPointToContinuousIndex(heat.GetOrigin())
    assert corner == pytest.approx(np.round(corner), abs=1e-4)
    assert all(0 <= low <= full - size for low, full, size in zip(corner, SHAPE[::-1], heat.GetSize(), strict=True))


def centroid_mm(image):
    """Where the voxels above half of the largest value lie on average, in space."""
    array = sitk.GetArrayFromImage(image)
    voxels = np.argwhere(array > (array.max() + np.median(array)) / 2)[:, ::-1]
    return np.mean([image.TransformContinuousIndexToPhysicalPoint(voxel.astype(float)) for voxel in voxels], axis=0)


@pytest.mark.parametrize("transpose", [(0, 1, 2), (2, 0, 1)])
def test_nnunets_own_cropping_turning_and_resampling_leaves_a_blob_where_it_is(nnunet, tmp_path, transpose):
    """A lopsided blob with a margin of zeros and a spacing of its own, written as the model sees it."""
    axes = np.meshgrid(np.arange(20), np.arange(40), np.arange(60), indexing="ij")
    distance = sum(
        ((axis - middle) / width) ** 2 for axis, middle, width in zip(axes, (7, 24, 21), (3, 8, 5), strict=True)
    )
    array = np.where(np.logical_and.reduce([axis > 2 for axis in axes]), 10 + 100 * np.exp(-distance), 0)
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing((0.6, 0.8, 1.7))
    image.SetOrigin((11.0, -5.0, 20.0))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    path = tmp_path / "blob_0000.nii.gz"
    sitk.WriteImage(image, str(path))
    plans = nnunet.plans()
    plans |= {"transpose_forward": list(transpose), "transpose_backward": np.argsort(transpose).tolist()}
    trainer = nnunet.trainer(plans=plans)
    trainer.initialize()
    model = FinishedModel(write_model(trainer), fold="0", checkpoint="checkpoint_final.pth", device=torch.device("cpu"))

    prepared = model.preprocess([path])

    assert prepared.array.shape[1:] != tuple(np.transpose(array, transpose).shape)
    whole = Patch(prepared, (0, 0, 0), prepared.array.shape[1:])
    write_patch(tmp_path / "seen.nii.gz", prepared.array[0], whole, read_geometry(path))
    seen = sitk.ReadImage(str(tmp_path / "seen.nii.gz"))
    assert centroid_mm(seen) == pytest.approx(centroid_mm(image), abs=0.1)


def test_a_flat_configuration_is_looked_at_in_one_slice(nnunet, trained, tmp_path):
    output = tmp_path / "looked"
    assert gradcam(nnunet, [f"flat={trained(configuration='2d')}"], output, label="2") == 0
    heat = read_map(output, "flat__last")
    assert heat.GetSize() == (24, 24, 1)
    (bottleneck, last) = table(output)
    assert (bottleneck["module"], last["module"]) == ("encoder.stages.2", "decoder.stages.1")
    assert float(last["inside_reference"]) == pytest.approx(heat_in(heat, nnunet, CASE, 2), abs=1e-5)


@pytest.mark.parametrize("dataset", [REGIONS, REGIONS_IGNORE])
def test_regions_are_looked_at(nnunet, all_label_kinds, trained, tmp_path, dataset):
    output = tmp_path / "looked"
    assert gradcam(nnunet, [f"one={trained(dataset=dataset)}"], output, dataset=dataset, label="whole") == 0
    row = table(output)[1]
    assert row["structure"] == "whole"
    assert float(row["inside_reference"]) == pytest.approx(
        heat_in(read_map(output, "one__last"), nnunet, CASE, 1, 2), abs=1e-5
    )


def test_without_references_the_first_prediction_is_the_centre(nnunet, trained, tmp_path, capsys):
    output = tmp_path / "looked"
    assert gradcam(nnunet, [f"a={trained()}"], output, references=False) == 0
    rows = table(output)
    assert {row["centred_on"] for row in rows} == {"prediction of a"}
    assert {row["inside_reference"] for row in rows} == {""}
    assert all(0 < float(row["inside_prediction"]) <= 1 for row in rows)


@pytest.mark.parametrize(("references", "centred_on"), [(True, "reference"), (False, "image centre")])
def test_a_structure_that_is_not_predicted_is_said_not_to_be(nnunet, trained, tmp_path, capsys, references, centred_on):
    model = trained("nnUNetTrainerBasic")
    path = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = read(path)
    checkpoint["network_weights"]["decoder.seg_layers.2.bias"][2] = -1e3
    torch.save(checkpoint, path)
    output = tmp_path / "looked"

    assert gradcam(nnunet, [f"blind={model}"], output, references=references) == 0

    rows = table(output)
    assert {(row["note"], row["centred_on"], row["inside_reference"]) for row in rows} == {
        (NOT_PREDICTED, centred_on, "")
    }
    assert f"note: {CASE}, blind, last: {NOT_PREDICTED}" in capsys.readouterr().out
    assert list((output / "maps").iterdir()) == []


def test_a_model_on_a_network_of_monai_that_pads_inside_is_looked_at(nnunet, trained, tmp_path, monkeypatch):
    shrink_transformers(monkeypatch)
    plans = nnunet.plans()
    plans["configurations"]["3d_fullres"]["patch_size"] = [12, 24, 24]
    trainer = nnunet.trainer("nnUNetTrainerUNETR", plans=plans)
    trainer.initialize()
    output_bias = dict(trainer.bare_network().named_parameters())["out.conv.conv.bias"]
    output_bias.data[2] = 10.0  # an untrained network may predict one class only
    output = tmp_path / "looked"
    assert gradcam(nnunet, [f"unetr={write_model(trainer)}"], output) == 0
    rows = table(output)
    assert [row["module"] for row in rows] == ["decoder5:input", "decoder2"]
    assert {row["predicted_voxels"] for row in rows} == {str(24 * 24 * 12)}
    with_heat = [row for row in rows if not row["note"]]
    assert with_heat
    assert all(read_map(output, f"unetr__{row['level']}").GetSize() == (24, 24, 12) for row in with_heat)


def test_everything_that_is_missing_is_told_at_once_before_anything_is_loaded(nnunet, trained, tmp_path, capsys):
    trainer = nnunet.trainer()
    trainer.initialize()
    model = write_model(trainer)
    output = tmp_path / "full"
    output.mkdir()
    (output / "something").touch()
    renamed = tmp_path / "nnUNetTrainerDSD__nnUNetPlans__3d_full"
    shutil.copytree(model, renamed)
    broken = tmp_path / "broken" / model.name
    shutil.copytree(model, broken)
    (broken / "plans.json").write_text("{")
    models = [model, model, tmp_path / "nowhere", f"b={model}", f"B={model}", f"c={renamed}", f"d={broken}"]
    assert gradcam(nnunet, models, output, "-f", "3", label="middle", cases=("ball_0", "ghost", "ball_0")) == 1
    said = capsys.readouterr().err
    for expected in (
        "problems in what nnunet-dsd gradcam was asked for",
        "the model nnUNetTrainerDSD__nnUNetPlans__3d_fullres is named twice; name them apart with NAME=FOLDER",
        "the case ball_0 is named twice",
        "the maps of model b and of model B would have the same file name; name the models apart with NAME=FOLDER",
        f"{broken / 'plans.json'} cannot be read as JSON",
        "is not empty; give a new folder with -o",
        f"{tmp_path / 'nowhere'}: there is no such folder",
        f"missing: {model / 'fold_3' / 'checkpoint_final.pth'}",
        f"missing: {renamed / 'fold_3' / 'checkpoint_final.pth'}",
        f"the folder {renamed} is not named TRAINER__PLANS__CONFIGURATION",
        "there is no structure 'middle'; the models have: inner (1), outer (2)",
        "ghost_0000.nii.gz does not exist; it belongs to the case ghost",
        "ghost.nii.gz does not exist",
    ):
        assert expected in said


def test_levels_that_a_model_lacks_are_told_for_every_model(nnunet, tmp_path, capsys):
    trainer = nnunet.trainer()
    trainer.initialize()
    model = write_model(trainer)
    levels = ("--level", "encoder.stages.7", "decoder.stages.1", "encoder")
    assert gradcam(nnunet, [f"a={model}", f"b={model}"], tmp_path / "looked", *levels) == 1
    said = capsys.readouterr().err
    for name in "ab":
        assert f"{name}: PlainConvUNet has no module named 'encoder.stages.7'" in said
        assert f"{name}: 'encoder' gives a list" in said
    assert "decoder.stages.1" not in said
    assert not (tmp_path / "looked").exists()


def test_a_renamed_model_folder_is_refused(nnunet, tmp_path, capsys):
    trainer = nnunet.trainer()
    trainer.initialize()
    model = write_model(trainer)
    for configuration in ("3d_full", "2d"):
        shutil.copytree(model, tmp_path / f"nnUNetTrainerDSD__nnUNetPlans__{configuration}")
        renamed = tmp_path / f"nnUNetTrainerDSD__nnUNetPlans__{configuration}"
        assert gradcam(nnunet, [renamed], tmp_path / "looked") == 1
        said = " ".join(capsys.readouterr().err.split())
        if configuration == "2d":  # one that the plans do have
            assert "is of the configuration 3d_fullres, its folder is named after 2d; rename it" in said
        else:
            assert f"{renamed} is not named TRAINER__PLANS__CONFIGURATION with one of its plans' config" in said
            assert "3d_fullres" in said


@pytest.mark.parametrize("lacking", ["trainer_name", "init_args"])
def test_weights_without_how_they_were_trained_are_refused(nnunet, tmp_path, capsys, lacking):
    trainer = nnunet.trainer()
    trainer.initialize()
    model = write_model(trainer)
    path = model / "fold_0" / "checkpoint_final.pth"
    torch.save({key: value for key, value in read(path).items() if key != lacking}, path)
    assert gradcam(nnunet, [model], tmp_path / "looked") == 1
    assert f"lacks {lacking}" in " ".join(capsys.readouterr().err.split())


def test_every_trainer_that_is_not_installed_is_told(nnunet, tmp_path, capsys):
    trainer = nnunet.trainer()
    trainer.initialize()
    model = write_model(trainer)
    path = model / "fold_0" / "checkpoint_final.pth"
    torch.save(read(path) | {"trainer_name": "nnUNetTrainerFromElsewhere"}, path)
    assert gradcam(nnunet, [f"a={model}", f"b={model}"], tmp_path / "looked") == 1
    said = capsys.readouterr().err
    for name in "ab":
        assert f"{name}: nnU-Net finds no trainer nnUNetTrainerFromElsewhere" in said


def test_weights_of_another_network_than_the_plans_are_refused(nnunet, tmp_path, capsys):
    trainer = nnunet.trainer()
    trainer.initialize()
    model = write_model(trainer)
    plans = json.loads((model / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["features_per_stage"] = [4, 6, 8, 10]
    (model / "plans.json").write_text(json.dumps(plans))
    assert gradcam(nnunet, [model], tmp_path / "looked") == 1
    said = capsys.readouterr().err
    assert "checkpoint_final.pth do not fit the network of its folder's plans" in said
    assert "size mismatch" in said


def test_a_network_that_nnunet_would_compile_is_looked_at_uncompiled(nnunet, tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_compile", "f")  # the training's own network stays as it is
    trainer = nnunet.trainer()
    trainer.initialize()
    model = write_model(trainer)
    monkeypatch.setenv("nnUNet_compile", "t")
    finished = FinishedModel(model, fold="0", checkpoint="checkpoint_final.pth", device=torch.device("cpu"))
    assert type(finished.network).__name__ == "PlainConvUNet"
    assert gradcam(nnunet, [f"a={model}"], tmp_path / "looked", references=False) == 0
    assert {row["module"] for row in table(tmp_path / "looked")} == {"encoder.stages.3", "decoder.stages.2"}


def test_an_output_that_cannot_be_written_is_refused_with_the_rest(nnunet, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert gradcam(nnunet, [tmp_path / "nowhere"], tmp_path / "file" / "looked") == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'file' / 'looked'} cannot be written: {tmp_path / 'file'} is a file; give another" in said
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in said


def test_channels_that_do_not_lie_on_the_same_voxels_are_refused(nnunet, tmp_path, capsys):
    trainer = nnunet.trainer()
    trainer.initialize()
    model = changed(
        write_model(trainer),
        tmp_path / "nnUNetTrainerDSD__nnUNetPlans__3d_fullres",
        dataset=lambda all_: all_.update(channel_names={"0": "T1", "1": "T2"}),
    )
    images = tmp_path / "images"
    images.mkdir()
    image = sitk.ReadImage(str(raw(nnunet) / f"{CASE}_0000.nii.gz"))
    sitk.WriteImage(image, str(images / f"{CASE}_0000.nii.gz"))
    image.SetOrigin((5, 0, 0))
    sitk.WriteImage(image, str(images / f"{CASE}_0001.nii.gz"))
    words = ["gradcam", "-m", model, "-i", images, "-o", tmp_path / "looked", "--cases", CASE, "--label", "outer"]
    assert main([str(word) for word in words]) == 1
    said = capsys.readouterr().err
    assert f"{CASE}_0001.nii.gz does not lie on the voxels of" in said
    assert "corners are up to 5 mm apart" in said


def requested(nnunet, tmp_path, reader, ending, channels):
    """Check a request of a model that reads `channels` channels by a reader, and of one case without references."""
    trainer = nnunet.trainer()
    trainer.initialize()
    model = changed(
        write_model(trainer),
        tmp_path / "nnUNetTrainerDSD__nnUNetPlans__3d_fullres",
        plans=lambda all_: all_.update(image_reader_writer=reader),
        dataset=lambda all_: all_.update(
            file_ending=ending, channel_names={str(place): "zscore" for place in range(channels)}
        ),
    )
    request = Request(
        models=(ModelChoice("m", model),), images=tmp_path, output=tmp_path / "looked", cases=("c",), label="outer"
    )
    return check_request(request)


def test_colours_of_one_picture_are_the_channels_of_a_model(nnunet, tmp_path):
    Image.fromarray(np.zeros((12, 14, 3), np.uint8)).save(tmp_path / "c_0000.png")
    inputs = requested(nnunet, tmp_path, "NaturalImage2DIO", ".png", 3)
    assert [path.name for path in inputs.cases[0].images] == ["c_0000.png"]
    assert inputs.reader.name == "NaturalImage2DIO"


def test_an_image_of_four_axes_is_the_channels_of_a_model(nnunet, tmp_path):
    sitk.WriteImage(sitk.Image((6, 5, 4, 2), sitk.sitkInt16), str(tmp_path / "c_0000.nii.gz"))
    assert len(requested(nnunet, tmp_path, "SimpleITKIO", ".nii.gz", 2).cases[0].images) == 1


def test_a_picture_of_fewer_channels_than_the_model_takes_is_refused(nnunet, tmp_path):
    Image.fromarray(np.zeros((12, 14), np.uint8)).save(tmp_path / "c_0000.png")
    with pytest.raises(SettingsError, match=r"c has 1 channel in c_0000.png, and the models take 3"):
        requested(nnunet, tmp_path, "NaturalImage2DIO", ".png", 3)


def changed(model, folder, **entries):
    """A copy of a model's descriptions with other plans or another dataset.json."""
    shutil.copytree(model, folder)
    for name, change in entries.items():
        content = json.loads((folder / f"{name}.json").read_text())
        change(content)
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_models_that_cannot_be_compared_are_refused(nnunet, tmp_path, capsys):
    trainer = nnunet.trainer()
    trainer.initialize()
    model = write_model(trainer)
    name = model.name
    others = [
        changed(model, tmp_path / "labels" / name, dataset=lambda all_: all_["labels"].update(outer=1, inner=2)),
        changed(
            model,
            tmp_path / "reader" / name,
            plans=lambda all_: all_.update(image_reader_writer="NibabelIOWithReorient"),
        ),
        changed(
            model,
            tmp_path / "cascade" / name,
            plans=lambda all_: all_["configurations"]["3d_fullres"].update(previous_stage="3d_lowres"),
        ),
    ]
    words = [model, *(f"{other.parent.name}={other}" for other in others)]
    assert gradcam(nnunet, words, tmp_path / "looked") == 1
    said = capsys.readouterr().err
    assert "3 problems" in said
    assert "labels was trained with the labels {'background': 0, 'inner': 2, 'outer': 1}" in said
    assert "reader reads images with nnU-Net's NibabelIOWithReorient, which turns their axes" in said
    assert "cascade is the second stage of a cascade" in said


def test_references_that_cannot_be_used_are_refused(nnunet, tmp_path, capsys):
    trainer = nnunet.trainer()
    trainer.initialize()
    model = write_model(trainer)
    folder = tmp_path / "references"
    folder.mkdir()
    for case, change in (("ball_0", lambda label: label * 0), ("ball_1", lambda label: label)):
        label = sitk.ReadImage(str(raw(nnunet, part="labelsTr") / f"{case}.nii.gz"))
        new = change(label)
        new.SetOrigin((0, 0, 0) if case == "ball_0" else (5, 0, 0))
        sitk.WriteImage(new, str(folder / f"{case}.nii.gz"))
    options = ("--labels", str(folder))
    cases = ("ball_0", "ball_1")
    assert gradcam(nnunet, [model], tmp_path / "looked", *options, cases=cases, references=False) == 1
    said = capsys.readouterr().err
    assert "ball_0.nii.gz holds no voxel of outer; leave out the case ball_0 or --labels" in said
    assert "ball_1.nii.gz does not lie on its image's voxels: corners are up to 5 mm apart" in said
