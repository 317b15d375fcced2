"""`nnunet-dsd size`: the table of models, from plans and from model folders."""

import csv
import json
import math

import pytest
import torch
from example_plans import example_plans
from torch import nn

from nnunet_dsd.cli.main import main

DATASET = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "organ": 1}, "file_ending": ".nii.gz"}
COUNTED = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "Dataset099_Example"
    folder.mkdir()
    plans = example_plans()
    for configuration in plans["configurations"].values():
        if "architecture" in configuration:
            arguments = configuration["architecture"]["arch_kwargs"]
            arguments["features_per_stage"] = [4 * 2**stage for stage in range(arguments["n_stages"])]
    (folder / "nnUNetPlans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(DATASET))
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def size(*options):
    return main(["size", "--rounds", "1", *options])


def by_hand(network, image):
    """Multiply-adds from the shapes that flow: a weight is used at each voxel of the smaller side of a convolution."""
    counts = []

    def count(module, inputs, output):
        voxels = min(math.prod(inputs[0].shape[2:]), math.prod(output.shape[2:]))
        counts.append(voxels * module.weight.numel())

    for module in network.modules():
        if isinstance(module, COUNTED):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(image)
    return sum(counts)


def written(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_deployed_networks_are_timed_where_that_is_asked_for(folder, tmp_path, capsys):
    from nnunet_dsd.deploy.timing import DeployedNetwork

    path = tmp_path / "sizes.csv"
    assert size("-d", "99", "-c", "2d", "--deployed", "-o", str(path)) == 0
    assert "deployed (s)" in capsys.readouterr().out
    assert float(written(path)[0]["deployed_seconds"]) > 0
    assert size("-d", "99", "-c", "2d", "-o", str(path)) == 0
    assert written(path)[0]["deployed_seconds"] == ""
    network, patch = nn.Conv2d(1, 2, 3, padding=1).eval(), torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        assert torch.allclose(DeployedNetwork(network, patch, threads=1)(patch), network(patch), atol=1e-5)


def test_the_table_of_plans_and_trainers_is_printed_and_written(folder, tmp_path, capsys):
    assert main(["plan", "-d", "99", "-c", "2d", "-o", "nnUNetPlans_half", "--width", "0.5"]) == 0
    plans = ("-p", "nnUNetPlans", "nnUNetPlans_half")
    path = tmp_path / "sizes.csv"
    assert size("-d", "99", "-c", "2d", *plans, "-tr", "nnUNetTrainer", "nnUNetTrainerHLFD", "-o", str(path)) == 0
    rows = written(path)
    assert [(row["plans"], row["trainer"]) for row in rows] == [
        ("nnUNetPlans", "nnUNetTrainer"),
        ("nnUNetPlans", "nnUNetTrainerHLFD"),
        ("nnUNetPlans_half", "nnUNetTrainer"),
        ("nnUNetPlans_half", "nnUNetTrainerHLFD"),
    ]
    assert rows[0]["parameters"] == rows[1]["parameters"]  # a student predicts without its teacher and projections
    assert int(rows[2]["parameters"]) < int(rows[0]["parameters"])
    assert (rows[0]["relative_time"], rows[0]["patch_size"], rows[0]["threads"]) == ("1.0", "64 48", "1")
    printed = capsys.readouterr().out
    assert "nnUNetTrainerHLFD__nnUNetPlans_half__2d" in printed
    assert f"{int(rows[2]['parameters']) / 1e6:.3f}" in printed


def test_parameters_and_multiply_adds_are_those_of_the_network(folder, tmp_path):
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    arguments = json.loads((folder / "nnUNetPlans.json").read_text())["configurations"]["2d"]["architecture"]
    kwargs = arguments["arch_kwargs"] | {
        "conv_op": nn.Conv2d,
        "norm_op": nn.InstanceNorm2d,
        "nonlin": nn.LeakyReLU,
    }
    network = PlainConvUNet(input_channels=1, num_classes=2, deep_supervision=False, **kwargs)
    assert size("-d", "99", "-c", "2d", "-o", str(tmp_path / "sizes.csv")) == 0
    (row,) = written(tmp_path / "sizes.csv")
    assert int(row["parameters"]) == sum(parameter.numel() for parameter in network.parameters())
    assert int(row["multiply_adds"]) == by_hand(network, torch.zeros(1, 1, 64, 48))


def test_a_model_folder_is_a_model_too(folder, tmp_path, capsys):
    model = tmp_path / "nnUNetTrainerResNet18FCN__small__2d"
    model.mkdir()
    plans = json.loads((folder / "nnUNetPlans.json").read_text()) | {"plans_name": "small"}
    plans["configurations"]["2d"]["self_distillation"] = {"feature_size": 4}
    (model / "plans.json").write_text(json.dumps(plans))
    (model / "dataset.json").write_text(json.dumps(DATASET))
    path = tmp_path / "sizes.csv"
    assert size("-d", "99", "-c", "2d", "-m", str(model), "-o", str(path)) == 0
    assert [row["trainer"] for row in written(path)] == ["nnUNetTrainer", "nnUNetTrainerResNet18FCN"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "no model is named: give -d and -c, or model folders with -m"),
        (("-d", "99"), "-d and -c belong together"),
        (("-c", "2d", "--threads", "0"), "--threads: got 0, at least 1 is needed"),
        (("-m", "somewhere"), "somewhere: there is no such folder"),
        (("-d", "99", "-c", "2d", "-p", "none"), "there is no plans file"),
    ],
)
def test_what_cannot_be_measured_is_refused(folder, capsys, options, words):
    assert size(*options) == 1
    assert words in capsys.readouterr().err


def model_folder(folder, name):
    model = folder.parent / name
    model.mkdir()
    for source, target in (("nnUNetPlans.json", "plans.json"), ("dataset.json", "dataset.json")):
        (model / target).write_text((folder / source).read_text())
    return model


def test_a_model_folder_that_was_renamed_or_is_broken_is_refused(folder, capsys):
    assert size("-m", str(model_folder(folder, "copy"))) == 1
    assert "copy is not named TRAINER__PLANS__CONFIGURATION with one of its plans' configurations (2d, " in (
        capsys.readouterr().err
    )
    model = model_folder(folder, "nnUNetTrainer__nnUNetPlans__2d")
    (model / "dataset.json").write_text('{"labels": ')
    assert size("-m", str(model)) == 1
    assert "dataset.json cannot be read as JSON" in capsys.readouterr().err
    (model / "dataset.json").write_text("[]")
    assert size("-m", str(model)) == 1
    assert "dataset.json is none of nnU-Net's: it lacks labels, file_ending" in capsys.readouterr().err


def test_names_are_whole_in_a_pipe(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    name = f"nnUNetTrainer__plans{'_of_a_very_long_name' * 4}__2d"
    model = model_folder(folder, name)
    plans = json.loads((model / "plans.json").read_text())
    (model / "plans.json").write_text(json.dumps(plans | {"plans_name": name.split("__")[1]}))
    assert size("-m", str(model)) == 0
    assert name in capsys.readouterr().out


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_measured(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("nnunet_dsd.trainers.sizes.measure_sizes", lambda *rest, **options: pytest.fail("measured"))
    assert size("-d", "99", "-c", "2d", "-o", str(tmp_path)) == 1
    assert f"{tmp_path} is a folder. Give another file with -o" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert size("-d", "99", "-c", "2d", "-o", str(tmp_path / "file" / "sizes.csv")) == 1
    assert f"{tmp_path / 'file'} is a file. Give another file with -o" in capsys.readouterr().err
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert size("-d", "99", "-c", "2d", "-o", str(tmp_path / "sizes.csv")) == 1
    assert f"{tmp_path} is read-only. Give another file with -o" in capsys.readouterr().err


def test_everything_that_cannot_be_built_is_named_at_once(folder, capsys):
    assert size("-d", "99", "-c", "2d", "5d", "-tr", "nnUNetTrainer", "nnUNetTrainerNone") == 1
    said = capsys.readouterr().err
    assert "nnUNetTrainer__nnUNetPlans__5d: these plans have no such configuration; there are: 2d" in said
    assert "nnUNetTrainerNone__nnUNetPlans__2d: nnU-Net finds no trainer nnUNetTrainerNone" in said


def test_a_data_set_without_its_description_is_refused(folder, capsys):
    (folder / "dataset.json").unlink()
    assert size("-d", "99", "-c", "2d") == 1
    assert "dataset.json cannot be read" in capsys.readouterr().err


def test_what_the_relative_time_is_is_said_where_models_are_compared(folder, capsys):
    assert size("-d", "99", "-c", "2d", "-tr", "nnUNetTrainer", "nnUNetTrainerDSD", "--rounds", "1") == 0
    assert "divided by the first model's in the same round" in capsys.readouterr().out
    assert size("-d", "99", "-c", "2d", "--rounds", "1") == 0
    assert "in the same round" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (("-c", "2D"), "did you mean 2d?"),
        (("-c", "2d", "-tr", "nnUNetTrainerdsd"), "did you mean nnUNetTrainerDSD?"),
        (("-c", "2d", "-tr", "SwinTripletTeacher"), "is of kind video, expected segmentation"),
    ],
)
def test_mistyped_names_are_answered_before_any_network_is_built(folder, capsys, monkeypatch, options, meant):
    monkeypatch.setattr("nnunet_dsd.trainers.sizes.measure_sizes", None)
    assert size("-d", "99", *options) == 1
    assert meant in capsys.readouterr().err


BAD_BLOCKS = [
    ({"self_destillation": {"feature_size": 8}}, "nnUNetTrainerResNet18FCN", "the block of settings is called"),
    ({"temperature": 8}, "nnUNetTrainerResNet18FCN", "'temperature' in configurations > 2d is not read"),
    ({"self_distillation": {"mirror_axes": 3}}, "nnUNetTrainerDSD", "mirror_axes: got 3, expected a list"),
    ({"self_distillation": {"mirror_axes": [2]}}, "nnUNetTrainer", "mirror_axes: got [2], but patches of"),
    ({"self_distillation": {"alpha": "0.3"}}, "nnUNetTrainer", "alpha: got '0.3', expected a finite number"),
    ({"self_distillation": {"alhpa": 0.3}}, "nnUNetTrainerDSD", "unknown setting 'alhpa'"),
    ({"self_distillation": [1]}, "nnUNetTrainerDSD", "is [1], expected a table of settings"),
    ({"self_distillation": None}, "nnUNetTrainer", "is None, expected a table of settings"),
    ({"self_distillation": {"feature_size": 8}}, "nnUNetTrainerDSD", "feature_size: applies to UNETR"),
]


@pytest.mark.parametrize("of_a_model_folder", [False, True])
@pytest.mark.parametrize(("entries", "trainer", "words"), BAD_BLOCKS)
def test_settings_that_the_training_would_refuse_are_refused(
    folder, tmp_path, capsys, entries, trainer, words, of_a_model_folder
):
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    plans["configurations"]["2d"].update(entries)
    model = tmp_path / f"{trainer}__nnUNetPlans__2d"
    model.mkdir()
    for path in (folder / "nnUNetPlans.json", model / "plans.json"):
        path.write_text(json.dumps(plans))
    (model / "dataset.json").write_text(json.dumps(DATASET))
    assert size(*(("-m", str(model)) if of_a_model_folder else ("-d", "99", "-c", "2d", "-tr", trainer))) == 1
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.out == ""


def test_a_block_among_the_arguments_of_the_network_is_the_plans_fault(folder, capsys):
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    plans["configurations"]["2d"]["architecture"]["arch_kwargs"]["self_distillation"] = {"alpha": 0.3}
    (folder / "nnUNetPlans.json").write_text(json.dumps(plans))
    assert size("-d", "99", "-c", "2d") == 1
    said = capsys.readouterr().err
    assert "the block belongs into a configuration" in said
    assert "bring its build_network_architecture up to date" not in said
